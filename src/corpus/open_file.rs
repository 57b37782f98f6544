//! A file that stays open and is read by place, so that whoever shortens it meanwhile gives an error and never a bus error.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, Opened};

/// An open file, and what it was when it was opened.
#[derive(Debug)]
pub(super) struct OpenFile {
    path: PathBuf,
    file: File,
    length: u64,
    /// `None` where the system does not know.
    modified: Option<SystemTime>,
    /// Where to read is a property of the file there.
    #[cfg(not(unix))]
    turn: std::sync::Mutex<()>,
}

impl OpenFile {
    /// Opens the regular file at `path`; `what` is what it is not, else, in a sentence.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] and [`ErrorCode::Io`]; [`ErrorCode::BadValue`] for what is no file, such as a pipe.
    pub(super) fn open(path: &Path, what: &str) -> Result<Self> {
        match limits::open_regular(path).map_err(|error| Error::io(path, error))? {
            Opened::File(file, about) => Ok(Self {
                path: path.to_path_buf(),
                file,
                length: about.len(),
                modified: about.modified().ok(),
                #[cfg(not(unix))]
                turn: std::sync::Mutex::new(()),
            }),
            Opened::Other(got) => {
                Err(Error::new(ErrorCode::BadValue, what).file(path).expected("a file").got(got))
            }
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Bytes when it was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Fills `out` with the bytes from `at` on.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`] where the file has become too short; [`ErrorCode::Io`].
    pub(super) fn read(&self, at: u64, out: &mut [u8]) -> Result<()> {
        match self.read_exact(at, out) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                self.check()?;
                // It grew back between the two.
                Err(self.changed(format!("less than {} bytes", at + out.len() as u64)))
            }
            Err(error) => Err(Error::io(&self.path, error)),
        }
    }

    #[cfg(unix)]
    fn read_exact(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(&self.file, out, at)
    }

    #[cfg(not(unix))]
    fn read_exact(&self, at: u64, out: &mut [u8]) -> io::Result<()> {
        use std::io::{Read, Seek, SeekFrom};
        let _turn = self.turn.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut file = &self.file;
        file.seek(SeekFrom::Start(at))?;
        file.read_exact(out)
    }

    /// Refuses a file whose length or time of change is another one than when it was opened: what was read of it may be of either.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`]; [`ErrorCode::Io`].
    pub(super) fn check(&self) -> Result<()> {
        let now = self.file.metadata().map_err(|error| Error::io(&self.path, error))?;
        if now.len() != self.length {
            return Err(self.changed(format!("{} bytes", now.len())));
        }
        match now.modified().ok() == self.modified {
            true => Ok(()),
            false => Err(self.changed(format!("{} bytes that were written later", now.len()))),
        }
    }

    fn changed(&self, got: String) -> Error {
        Error::new(ErrorCode::Changed, "a file was changed while it was read")
            .file(&self.path)
            .expected(format!("the {} bytes that it had when it was opened", self.length))
            .got(got)
            .hint("start again; write a new version of a file beside it, and give it the name of the old one when it is whole")
    }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::io::Write;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_file_that_was_changed_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, [1, 2, 3, 4]).unwrap();
        let open = || OpenFile::open(&path, "not a file of numbers").unwrap();
        let file = open();
        let mut out = [0; 2];
        file.read(1, &mut out).unwrap();
        assert_eq!((out, file.length()), ([2, 3], 4));
        file.check().unwrap();

        let other = OpenOptions::new().write(true).open(&path).unwrap();
        other.set_len(2).unwrap();
        for error in [file.read(1, &mut out).unwrap_err(), file.check().unwrap_err()] {
            assert_eq!((error.code(), error.facts().file.as_deref()), (ErrorCode::Changed, Some(&*path)));
            assert_eq!(error.facts().got.as_deref(), Some("2 bytes"));
        }

        // Written in place, of the same length.
        let file = open();
        let later = file.modified.unwrap() + Duration::from_secs(1);
        (&other).write_all(&[8, 9]).unwrap();
        other.set_modified(later).unwrap();
        let error = file.check().unwrap_err();
        assert!(error.facts().got.as_deref().unwrap().contains("later"), "{error}");

        // A new file of the same name is another one.
        let file = open();
        std::fs::write(dir.path().join("new"), [7]).unwrap();
        std::fs::rename(dir.path().join("new"), &path).unwrap();
        file.read(0, &mut out).unwrap();
        file.check().unwrap();
        assert_eq!(out, [8, 9]);
    }
}
