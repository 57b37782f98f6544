//! The one place from which files and folders of an index are renamed and removed. What other systems refuse, and what is done
//! about it, says the [page of this folder](super).

use std::io;
use std::path::Path;
use std::time::Duration;

/// How long a rename waits for whoever has the file open, where the system refuses it meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);

/// Gives `from` the name `to`; a file that is there goes in the same step.
pub(crate) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    patiently(|| std::fs::rename(from, to))
}

/// Gives the file `from` the further name `to`, where nothing is; where the system does not, `to` is a copy, durable when it returns.
/// Either is sound while neither is changed in place, as no file of a segment is.
pub(crate) fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match std::fs::hard_link(from, to) {
        // Another disk, a file system without links, a file of somebody else.
        Err(error) if !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists) => {
            std::fs::copy(from, to)?;
            std::fs::File::open(to)?.sync_all()
        }
        done => done,
    }
}

/// Removes a file.
pub(crate) fn remove_file(path: &Path) -> io::Result<()> {
    std::fs::remove_file(path)
}

/// Removes a folder and all that is in it; links are removed, and not what they lead to.
pub(crate) fn remove_folder(path: &Path) -> io::Result<()> {
    std::fs::remove_dir_all(path)
}

/// Tries again what Windows refuses while another has the file open.
fn patiently(change: impl Fn() -> io::Result<()>) -> io::Result<()> {
    let until = std::time::Instant::now() + PATIENCE;
    loop {
        match change() {
            Err(error)
                if cfg!(windows)
                    && error.kind() == io::ErrorKind::PermissionDenied
                    && std::time::Instant::now() < until =>
            {
                std::thread::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapped_file_may_be_renamed_over_and_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (old, new) = (dir.path().join("old"), dir.path().join("new"));
        std::fs::write(&old, "old").unwrap();
        std::fs::write(&new, "new").unwrap();
        let directory = tantivy::directory::MmapDirectory::open(dir.path()).unwrap();
        let mapped = tantivy::Directory::open_read(&directory, Path::new("old")).unwrap();
        rename(&new, &old).unwrap();
        assert_eq!(std::fs::read(&old).unwrap(), b"new");
        assert_eq!(mapped.read_bytes().unwrap().as_slice(), b"old");
        remove_file(&old).unwrap();
        assert_eq!(remove_file(&old).unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::create_dir(&new).unwrap();
        std::fs::write(new.join("inside"), "1").unwrap();
        remove_folder(&new).unwrap();
        assert!(!new.exists());
    }
}
