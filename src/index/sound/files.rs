//! Whether the files of segments are what was written.

use std::path::{Path, PathBuf};

use tantivy::Directory;
use tantivy::directory::ManagedDirectory;
use tantivy::directory::error::OpenReadError;
use uncsm_format::Uvec;

use super::super::field::FIELD_TYPE;
use super::footer::Footer;
use crate::error::{Error, ErrorCode};

/// How much of a file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in super::super) enum Depth {
    /// Its length and its footer.
    Ends,
    /// Every byte.
    Whole,
}

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Fault {
    /// Its name in the directory.
    pub(in super::super) file: PathBuf,
    /// Section of a `.uvec`.
    pub(in super::super) section: Option<String>,
    /// First byte at which it shows, where that is known.
    pub(in super::super) offset: Option<u64>,
    /// What is wrong.
    pub(in super::super) reason: String,
    /// Whether the file is known to be damaged; else it could not be looked at, which may pass.
    pub(in super::super) is_damage: bool,
}

impl Fault {
    pub(in super::super) fn new(file: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        Self {
            file: file.as_ref().to_path_buf(),
            section: None,
            offset: None,
            reason: reason.into(),
            is_damage: true,
        }
    }

    /// A file that does not read: damage only where the bytes say so.
    pub(in super::super) fn unread(file: impl AsRef<Path>, error: &std::io::Error) -> Self {
        use std::io::ErrorKind::{InvalidData, UnexpectedEof};
        match error.kind() {
            InvalidData | UnexpectedEof => Self::new(file, error.to_string()),
            _ => Self { is_damage: false, ..Self::new(file, format!("not checked: {error}")) },
        }
    }

    /// As an error of the file in `dir`.
    pub(in super::super) fn error(&self, dir: &Path) -> Error {
        if !self.is_damage {
            return Error::new(ErrorCode::Io, self.reason.clone()).file(dir.join(&self.file));
        }
        let error = Error::new(ErrorCode::Damaged, self.reason.clone()).file(dir.join(&self.file));
        let error = match self.offset {
            Some(offset) => error.offset(offset),
            None => error,
        };
        error.hint("`verify` lists all damage; bring the file back from a copy, or build the index again")
    }

    /// As a damaged segment is spoken of.
    pub(in super::super) fn sentence(&self) -> String {
        format!("{}: {}", self.file.display(), self.reason)
    }
}

/// Looks at the file `name` of these bytes; `known` is its entry in the record.
pub(super) fn look(name: &Path, bytes: &[u8], known: Option<&(u64, u32)>, depth: Depth) -> Result<(), Fault> {
    let fault = |reason: &str| Fault::new(name, reason);
    let footer = Footer::of(bytes).map_err(fault)?;
    if known.is_some_and(|&(length, crc)| length != bytes.len() as u64 || crc != footer.own) {
        return Err(fault("the file is not the one that was committed for this segment"));
    }
    if depth == Depth::Whole && !footer.fits(bytes) {
        return Err(section_of(name, bytes.get(..footer.body).unwrap_or_default())
            .unwrap_or_else(|| fault("the checksum of the whole file does not match")));
    }
    Ok(())
}

/// The first section of a `.uvec` that is damaged.
fn section_of(name: &Path, body: &[u8]) -> Option<Fault> {
    if name.extension()? != FIELD_TYPE {
        return None;
    }
    let first = Uvec::open(body).ok()?.verify().into_iter().next()?;
    let (section, offset) = (Some(first.section.clone()), Some(first.offset));
    Some(Fault { section, offset, ..Fault::new(name, first.to_string()) })
}

/// The first fault among the files `names`, each read whole, whatever directory they lie in. Not every segment has all.
pub(in super::super) fn first_fault(
    directory: &ManagedDirectory,
    names: impl IntoIterator<Item = PathBuf>,
) -> Option<Fault> {
    names.into_iter().find_map(|name| match directory.validate_checksum(&name) {
        Ok(true) | Err(OpenReadError::FileDoesNotExist(_)) => None,
        Ok(false) => Some(fault_of(directory, name)),
        Err(OpenReadError::IoError { io_error, filepath }) => Some(Fault::unread(filepath, &io_error)),
        Err(error) => Some(Fault::new(name, error.to_string())),
    })
}

/// Names the section too, where there is one.
fn fault_of(directory: &ManagedDirectory, name: PathBuf) -> Fault {
    let body = directory.open_read(&name).and_then(|file| {
        file.read_bytes().map_err(|error| OpenReadError::wrap_io_error(error, name.clone()))
    });
    body.ok()
        .and_then(|body| section_of(&name, body.as_slice()))
        .unwrap_or_else(|| Fault::new(name, "the checksum of the whole file does not match"))
}
