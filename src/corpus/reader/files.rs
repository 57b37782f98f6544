//! What a user names as one corpus: a file, a folder of media, or several files: a list, a pattern, a folder of nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::glob;
use crate::corpus::folder::{Kinds, folder_content, folder_fingerprint, is_media};
use crate::corpus::lines::array;
use crate::corpus::reader::samples::samples;
use crate::corpus::unpack::{head, plain_name};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::SOURCE_ROOTS;
use crate::media::Fingerprint;

/// Extensions of files that are corpora, as they are called unpacked.
const EXTENSIONS: [&str; 7] = [".jsonl", ".ndjson", ".csv", ".tsv", ".tab", ".parquet", ".tar"];

/// What `paths` name: corpora, and files of other kinds in the folders that are named.
#[derive(Debug, Default)]
pub(in crate::corpus) struct Found {
    pub(in crate::corpus) files: Vec<PathBuf>,
    pub(in crate::corpus) others: Kinds,
}

/// The corpora that `paths` name, one after the other; a folder of corpora and a pattern stand for their files in order of name (bytes).
///
/// # Errors
/// [`ErrorCode::BadArgument`] without a path, and for a file that is named twice; [`ErrorCode::TooLarge`] for more than [`SOURCE_ROOTS`] of them;
/// [`ErrorCode::NotFound`]; [`ErrorCode::Io`].
pub(in crate::corpus) fn find(paths: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    for path in paths {
        let named = if glob::is_pattern(path) { glob::expand(path)? } else { vec![path.clone()] };
        for path in named {
            if !shards(&path, &mut found)? {
                found.files.push(path);
            }
        }
    }
    if found.files.len() > SOURCE_ROOTS {
        let what = "the corpus has too many files";
        return Err(crate::limits::over(what, SOURCE_ROOTS, found.files.len(), "files"));
    }
    let mut sorted: Vec<(PathBuf, &PathBuf)> = found.files.iter().map(|file| (real(file), file)).collect();
    sorted.sort();
    if let Some(twice) = sorted.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Error::new(ErrorCode::BadArgument, "a file of the corpus is named twice")
            .file(twice[1].1)
            .hint("name each file once"));
    }
    match found.files.is_empty() {
        true => Err(Error::new(ErrorCode::BadArgument, "no corpus is named")),
        false => Ok(found),
    }
}

/// The path without links and what goes up; as it was given where that is not known.
fn real(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// The files of [`find`].
///
/// # Errors
/// Those of [`find`].
pub(crate) fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    find(paths).map(|found| found.files)
}

/// Adds the files of a folder that holds corpora, and no folder, picture or text; says whether `path` is one.
fn shards(path: &Path, found: &mut Found) -> Result<bool> {
    let about = fs::metadata(path).map_err(|error| Error::io(path, error))?;
    if !about.is_dir() {
        return Ok(false);
    }
    let (mut files, mut others) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(|error| Error::io(path, error))? {
        let entry = entry.map_err(|error| Error::io(path, error))?;
        let (name, file) = (entry.file_name(), entry.path());
        if name.as_encoded_bytes().starts_with(b".") {
            continue;
        }
        // Fields of the pictures of the folder, whatever is there of these.
        let beside = matches!(name.to_str(), Some("metadata.jsonl" | "metadata.csv"));
        if beside || file.is_dir() || is_media(&name) {
            return Ok(false);
        }
        let place = if is_corpus(&file) { &mut files } else { &mut others };
        place.push(file);
    }
    if files.is_empty() {
        return Ok(false);
    }
    files.sort();
    found.files.extend(files);
    others.sort();
    for file in others {
        let extension = file.extension().map(|extension| extension.to_string_lossy().to_lowercase());
        found.others.add(&extension.unwrap_or_default(), || file.clone());
    }
    Ok(true)
}

/// Whether the file is a corpus by its name; one in JSON by what it begins with.
fn is_corpus(file: &Path) -> bool {
    let name = plain_name(file);
    if name.ends_with(".json") {
        let about = fs::metadata(file).ok();
        return about
            .and_then(|about| head(file, &about, 4096).ok())
            .is_some_and(|head| array::begins(&head));
    }
    EXTENSIONS.iter().any(|extension| name.ends_with(extension))
}

/// What can be said of `files` without reading them: their paths, lengths and times of change.
///
/// # Errors
/// Those of looking at them.
pub(crate) fn fingerprint(files: &[PathBuf]) -> Result<Fingerprint> {
    let mut so_far = Fingerprint::of([]);
    for path in files {
        let about = fs::metadata(path).map_err(|error| Error::io(path, error))?;
        let (length, time) = (about.len(), about.modified().ok());
        let time =
            time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |time| time.as_nanos());
        let inside = if about.is_dir() { folder_fingerprint(path)?.0 } else { [0; 32] };
        let real = real(path);
        let name = real.as_os_str().as_encoded_bytes();
        so_far = Fingerprint::of([&so_far.0, name, &inside, &length.to_le_bytes(), &time.to_le_bytes()]);
    }
    Ok(so_far)
}

/// What can be said of `files` wherever they lie, without reading all of them: names, lengths, and samples of what is in them: the first and
/// the last 64 KiB, and 16 pieces of 4 KiB between. Of a folder of media those of the files that make documents, with samples of some of
/// them alone. Files that differ nowhere else are taken for the same.
///
/// # Errors
/// Those of looking at them.
pub(crate) fn content(files: &[PathBuf]) -> Result<Fingerprint> {
    let mut so_far = Fingerprint::of([]);
    for path in files {
        let about = fs::metadata(path).map_err(|error| Error::io(path, error))?;
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let inside = if about.is_dir() { folder_content(path)?.0 } else { [0; 32] };
        let (length, samples) = match about.is_dir() {
            true => (0, Vec::new()),
            false => (about.len(), samples(path, about.len())?),
        };
        so_far = Fingerprint::of([&so_far.0, name, &inside, &length.to_le_bytes(), &samples]);
    }
    Ok(so_far)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, names: &[&str]) {
        for name in names {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "[{}]").unwrap();
        }
    }

    #[test]
    fn a_folder_of_corpora_alone_is_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("shards");
        write(&folder, &["b.jsonl.gz", "a.csv", "c.json", ".hidden.png", "_SUCCESS", "README.md"]);
        let names = |paths: &[PathBuf]| {
            let files = files(paths)?;
            Ok(files
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
                .collect::<Vec<_>>())
        };
        let found: Result<Vec<String>> = names(std::slice::from_ref(&folder));
        assert_eq!(found.unwrap(), ["a.csv", "b.jsonl.gz", "c.json"]);
        // In the order in which they are named; a pattern in order of name.
        assert_eq!(
            names(&[folder.join("c.json"), folder.join("[ab].*")]).unwrap(),
            ["c.json", "a.csv", "b.jsonl.gz"]
        );
        assert_eq!(
            names(&[folder.join("c.json"), folder.clone()]).unwrap_err().code(),
            ErrorCode::BadArgument
        );
        let around = dir.path().join("shards/../shards/c.json");
        assert_eq!(
            names(&[folder.join("c.json"), around.clone()]).unwrap_err().code(),
            ErrorCode::BadArgument
        );
        assert_eq!(fingerprint(&[around]).unwrap(), fingerprint(&[folder.join("c.json")]).unwrap());
        assert_eq!(names(&[]).unwrap_err().code(), ErrorCode::BadArgument);
        assert_eq!(names(&[folder.join("none")]).unwrap_err().code(), ErrorCode::NotFound);
        // What else is there is counted.
        let others = find(std::slice::from_ref(&folder)).unwrap().others.into_errors();
        let others: Vec<String> = others.map(|error| error.facts().message.clone()).collect();
        assert_eq!(others, ["1 file without an extension left out", "1 file of the kind `.md` left out"]);
        // With pictures, texts or folders it is one of media.
        for other in ["x.png", "x.heic", "x.txt", "below/x.jsonl", "metadata.csv"] {
            let folder = dir.path().join(other.replace('/', "-"));
            write(&folder, &["a.jsonl", other]);
            assert_eq!(files(std::slice::from_ref(&folder)).unwrap(), [folder]);
        }
    }

    #[test]
    fn another_length_is_another_list() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), &["a.jsonl", "b.jsonl"]);
        let list = || files(&[dir.path().to_path_buf()]).unwrap();
        let before = fingerprint(&list()).unwrap();
        assert_eq!(fingerprint(&list()).unwrap(), before);
        let there = content(&list()).unwrap();
        fs::write(dir.path().join("b.jsonl"), "longer than before").unwrap();
        assert_ne!(fingerprint(&list()).unwrap(), before);
        assert_ne!(content(&list()).unwrap(), there);
        // A copy has the same content, and is another list.
        let copy = tempfile::tempdir().unwrap();
        for file in list() {
            fs::copy(&file, copy.path().join(file.file_name().unwrap())).unwrap();
        }
        let copied = files(&[copy.path().to_path_buf()]).unwrap();
        assert_eq!(content(&copied).unwrap(), content(&list()).unwrap());
        assert_ne!(fingerprint(&copied).unwrap(), fingerprint(&list()).unwrap());
        write(dir.path(), &["c.jsonl"]);
        assert_eq!(list().len(), 3);
    }

    #[test]
    fn what_is_in_a_file_counts_and_not_its_length_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.jsonl");
        for length in [1usize, 1000, 65_536, 65_537, 131_072, 150_000, 1 << 20, 3 << 20] {
            let of = |changed: Option<usize>| {
                let mut bytes = vec![b'a'; length];
                changed.into_iter().for_each(|at| bytes[at] = b'b');
                fs::write(&path, bytes).unwrap();
                content(std::slice::from_ref(&path)).unwrap()
            };
            let plain = of(None);
            assert_eq!(of(None), plain);
            for at in [0, length / 3, length / 17 * 8, length.saturating_sub(65_536), length - 1] {
                // In the middle of a long one only samples are looked at.
                if at < 65_536 || at + 65_536 >= length || at == length / 17 * 8 {
                    assert_ne!(of(Some(at)), plain, "byte {at} of {length}");
                }
            }
        }
        // Of a folder the texts and pictures.
        let folder = dir.path().join("media");
        write(&folder, &["a.png", "b.png"]);
        let now = || content(std::slice::from_ref(&folder)).unwrap();
        let before = now();
        fs::write(folder.join("b.png"), "{[]}").unwrap();
        assert_ne!(now(), before);
    }
}
