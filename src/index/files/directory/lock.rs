//! Lock files: the same files and the same kind of lock as tantivy's, opened without following links.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use fs4::fs_std::FileExt;

use crate::index::files::names;

/// Between two tries. The holders of a lock that is waited for hold it for the time of opening some files.
const PAUSE: Duration = Duration::from_millis(1);
/// How long a reader waits for whoever deletes; then it goes without, and tries again if a file is gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// A share of the lock at `path`, on a descriptor that cannot write; `None` where there is no lock to be had: no file,
/// no permission, a file system without locks. Makes no file.
///
/// # Errors
/// What lies there is no regular file; those of the system.
pub(crate) fn share(path: &Path) -> io::Result<Option<File>> {
    let file = match names::open(path, OpenOptions::new().read(true)) {
        Ok(file) => file,
        Err(error) => {
            return match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => Ok(None),
                _ => Err(named(path, error)),
            };
        }
    };
    let until = Instant::now() + PATIENCE;
    loop {
        match FileExt::try_lock_shared(&file) {
            Ok(true) => return Ok(Some(file)),
            Ok(false) if Instant::now() < until => std::thread::sleep(PAUSE),
            Ok(false) | Err(_) => return Ok(None),
        }
    }
}

/// The whole lock at `path`, tried for `patience`; `None` while another holds it. Makes the file.
///
/// # Errors
/// What lies there is no regular file; those of the system.
pub(crate) fn exclude(path: &Path, patience: Duration) -> io::Result<Option<File>> {
    let file = make(path)?;
    let until = Instant::now() + patience;
    loop {
        if FileExt::try_lock_exclusive(&file).map_err(|e| named(path, e))? {
            return Ok(Some(file));
        }
        if Instant::now() >= until {
            return Ok(None);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Opens the lock file at `path`, and makes it where there is none.
pub(crate) fn make(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    names::open(path, options.read(true).write(true).create(true).truncate(false)).map_err(|e| named(path, e))
}

/// The host's errors of locks name no file.
fn named(path: &Path, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{}: {error}", path.display()))
}
