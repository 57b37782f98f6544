//! What a folder holds, as far as documents are made of it.

use std::path::Path;
use std::time::UNIX_EPOCH;

use super::walk::Walk;
use crate::corpus::reader::samples::samples;
use crate::corpus::reader::source::Aside;
use crate::error::Result;
use crate::media::Fingerprint;

/// A fingerprint of the files that make documents of the folder `root`, with their sidecars: relative paths, lengths and
/// times of change, in the order of the documents. Contents are not read, and files that are left out do not count.
///
/// # Errors
/// Those of reading the folder itself.
pub(crate) fn folder_fingerprint(root: impl AsRef<Path>) -> Result<Fingerprint> {
    let mut so_far = Fingerprint::of([]);
    let mut walk = Walk::open(root.as_ref(), None)?;
    for found in walk.by_ref() {
        let name = match &found.relative {
            Some(relative) => relative.as_bytes(),
            None => found.path.as_os_str().as_encoded_bytes(),
        };
        let sidecar = |path: &Option<std::path::PathBuf>| path.as_deref().map_or_else(String::new, about);
        let (file, text, json) = (about(&found.path), sidecar(&found.text), sidecar(&found.json));
        so_far = Fingerprint::of([&so_far.0, name, file.as_bytes(), text.as_bytes(), json.as_bytes()]);
    }
    for file in walk.metadata_files() {
        let path = file.as_os_str().as_encoded_bytes();
        so_far = Fingerprint::of([&so_far.0, b"metadata".as_slice(), path, about(file).as_bytes()]);
    }
    // A folder that does not read now may read at another time.
    for aside in walk.take_asides() {
        if let Aside::Unread(error) = aside {
            let path = error.facts().file.as_deref().unwrap_or(Path::new(""));
            so_far = Fingerprint::of([&so_far.0, b"unread".as_slice(), path.as_os_str().as_encoded_bytes()]);
        }
    }
    Ok(so_far)
}

/// The first documents of a folder are sampled, and then one of so many: opening all files of a large one takes long.
const SAMPLED: usize = 256;

/// The same of relative paths, lengths and samples of some files, so that a copy has it too.
///
/// # Errors
/// Those of reading the folder itself.
pub(crate) fn folder_content(root: impl AsRef<Path>) -> Result<Fingerprint> {
    let mut so_far = Fingerprint::of([]);
    let mut walk = Walk::open(root.as_ref(), None)?;
    for (at, found) in walk.by_ref().enumerate() {
        let name = found.relative.as_deref().unwrap_or_default();
        let length =
            |path: Option<&Path>| path.and_then(|path| std::fs::metadata(path).ok()).map_or(0, |it| it.len());
        let lengths = [Some(found.path.as_path()), found.text.as_deref(), found.json.as_deref()].map(length);
        let lengths = lengths.map(u64::to_le_bytes).concat();
        let mut inside = Vec::new();
        if at < SAMPLED || at % SAMPLED == 0 {
            let files = [Some(found.path.as_path()), found.text.as_deref(), found.json.as_deref()];
            for path in files.into_iter().flatten() {
                // One that does not read is said where it would be a document.
                let length = std::fs::metadata(path).map_or(0, |about| about.len());
                inside.extend(samples(path, length).unwrap_or_default());
            }
        }
        so_far = Fingerprint::of([&so_far.0, name.as_bytes(), &lengths, &inside]);
    }
    for file in walk.metadata_files() {
        let length = std::fs::metadata(file).map_or(0, |about| about.len());
        let inside = samples(file, length).unwrap_or_default();
        let name = file.file_name().unwrap_or_default().as_encoded_bytes();
        so_far = Fingerprint::of([&so_far.0, b"metadata".as_slice(), name, &length.to_le_bytes(), &inside]);
    }
    Ok(so_far)
}

/// Name, length and time of change; of a file that is not there, which is said where it would be read, the name.
fn about(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let Ok(about) = std::fs::metadata(path) else { return name.into_owned() };
    let time = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!("{name}/{}/{}", about.len(), time.map_or(0, |time| time.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_makes_documents_counts_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        let now = || folder_fingerprint(dir.path()).unwrap();
        write("a.png", "1");
        write("b.png", "1");
        let first = now();
        write("notes.md", "1");
        write(".hidden.png", "1");
        assert_eq!(now(), first);
        std::fs::rename(dir.path().join("b.png"), dir.path().join("c.png")).unwrap();
        let renamed = now();
        assert_ne!(renamed, first);
        write("a.txt", "1");
        let beside = now();
        assert_ne!(beside, renamed);
        write("a.txt", "22");
        assert_ne!(now(), beside);
    }
}
