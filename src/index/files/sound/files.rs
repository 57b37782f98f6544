//! Whether the files of segments are what was written.

use std::io;
use std::path::{Path, PathBuf};

use tantivy::directory::ManagedDirectory;
use tantivy::directory::error::OpenReadError;
use tantivy::{Directory, HasLen};
use uncsm_format::Uvec;

use super::footer::Footer;
use super::looked::{Looked, Purpose};
use crate::error::{Error, ErrorCode, WAY_OUT, is_damage};
use crate::index::files::names::FIELD_TYPE;

/// What becomes of a damaged segment that was to be merged.
pub(crate) const LEFT: &str = "the damaged segment is left as it is; run `verify`, then bring its files back from a copy, or build the index again";

/// What is wrong with a file, or why it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Its name in the directory.
    pub(crate) file: PathBuf,
    /// Section of a `.uvec`.
    pub(crate) section: Option<String>,
    /// First byte at which it shows, where that is known.
    pub(crate) offset: Option<u64>,
    /// What is wrong.
    pub(crate) reason: String,
    /// The file was not read: the system refused. It may be sound.
    pub(crate) unread: Option<io::ErrorKind>,
}

impl Fault {
    pub(crate) fn new(file: impl AsRef<Path>, reason: impl Into<String>) -> Self {
        let file = file.as_ref().to_path_buf();
        Self { file, section: None, offset: None, reason: reason.into(), unread: None }
    }

    /// What reading the file gave.
    pub(crate) fn read(file: impl AsRef<Path>, error: &io::Error) -> Self {
        let unread = (!is_damage(error)).then(|| error.kind());
        Self { unread, ..Self::new(file, error.to_string()) }
    }

    /// What opening the file gave.
    pub(crate) fn open(name: &Path, error: &OpenReadError) -> Self {
        match error {
            // The file that it names may be another one, which is opened along.
            OpenReadError::IoError { io_error, filepath } => Self::read(filepath, io_error),
            OpenReadError::FileDoesNotExist(_) => Self::new(name, "the file is missing"),
            OpenReadError::IncompatibleIndex(_) => Self::new(name, error.to_string()),
        }
    }

    /// As an error of the file in `dir`.
    pub(crate) fn error(&self, dir: &Path) -> Error {
        let code = if self.unread.is_some() { ErrorCode::Io } else { ErrorCode::Damaged };
        let error = Error::new(code, self.reason.clone()).file(dir.join(&self.file));
        let error = match self.offset {
            Some(offset) => error.offset(offset),
            None => error,
        };
        if self.unread.is_some() {
            return error.hint("the file cannot be read now; it may be sound");
        }
        error.hint(WAY_OUT)
    }

    /// As the host's directory says it.
    pub(crate) fn into_open(self, name: &Path) -> OpenReadError {
        let kind = self.unread.unwrap_or(io::ErrorKind::InvalidData);
        OpenReadError::wrap_io_error(io::Error::new(kind, self.reason), name.to_path_buf())
    }

    /// As a damaged segment is spoken of.
    pub(crate) fn sentence(&self) -> String {
        format!("{}: {}", self.file.display(), self.reason)
    }
}

/// Compares the ends of the file `name` with `known`, its entry in the record.
pub(crate) fn ends(name: &Path, bytes: &[u8], known: Option<&(u64, u32)>) -> Result<Footer, Fault> {
    let footer = Footer::of(bytes).map_err(|reason| Fault::new(name, reason))?;
    if known.is_some_and(|&(length, crc)| length != bytes.len() as u64 || crc != footer.own) {
        return Err(Fault::new(name, "the file is not the one that was committed for this segment"));
    }
    Ok(footer)
}

/// Reads the file `name` whole.
pub(crate) fn whole(name: &Path, bytes: &[u8], footer: &Footer) -> Result<(), Fault> {
    match section_of(name, bytes.get(..footer.body).unwrap_or_default()) {
        Some(fault) => Err(fault),
        None if footer.fits(bytes) => Ok(()),
        None => Err(Fault::new(name, WHOLE)),
    }
}

const WHOLE: &str = "the checksum of the whole file does not match";

/// The first section of a `.uvec` that is damaged.
fn section_of(name: &Path, body: &[u8]) -> Option<Fault> {
    if name.extension()? != FIELD_TYPE {
        return None;
    }
    let first = Uvec::open(body).ok()?.verify().into_iter().next()?;
    let (section, offset) = (Some(first.section.clone()), Some(first.offset));
    Some(Fault { section, offset, ..Fault::new(name, first.to_string()) })
}

/// The first fault among the files `names`, each read whole unless `looked` has it, whatever directory they lie in. Not
/// every segment has all.
pub(crate) fn first_fault(
    directory: &ManagedDirectory,
    looked: &Looked,
    names: impl IntoIterator<Item = PathBuf>,
) -> Option<Fault> {
    names.into_iter().find_map(|name| match fault_of(directory, looked, &name) {
        Ok(()) | Err(OpenReadError::FileDoesNotExist(_)) => None,
        Err(error) => Some(match section_in(directory, &name) {
            Some(fault) if is_invalid(&error) => fault,
            _ => Fault::open(&name, &error),
        }),
    })
}

fn is_invalid(error: &OpenReadError) -> bool {
    matches!(error, OpenReadError::IoError { io_error, .. } if io_error.kind() == io::ErrorKind::InvalidData)
}

fn fault_of(directory: &ManagedDirectory, looked: &Looked, name: &Path) -> Result<(), OpenReadError> {
    // Where the directory looks at files itself, this does.
    let length = directory.open_read(name)?.len();
    if looked.has(name, length) {
        return Ok(());
    }
    if !directory.validate_checksum(name)? {
        return Err(Fault::new(name, WHOLE).into_open(name));
    }
    if let Some(fault) = section_in(directory, name) {
        return Err(fault.into_open(name));
    }
    // The name of deletes comes back after a rollback, with the same length.
    if name.extension().is_none_or(|kind| kind != "del") {
        looked.keep(name, length, Purpose::Asked);
    }
    Ok(())
}

/// The first damaged section of the file `name`, where it is one of vectors and opens.
fn section_in(directory: &ManagedDirectory, name: &Path) -> Option<Fault> {
    if name.extension()? != FIELD_TYPE {
        return None;
    }
    let body = directory.open_read(name).ok()?.read_bytes().ok()?;
    section_of(name, body.as_slice())
}
