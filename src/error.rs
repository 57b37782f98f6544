//! The one error type: a sentence for people, facts as fields for programs.

#[cfg(any(feature = "train", feature = "encoders"))]
mod tensor;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::hint::{Hint, Named};

/// Result of every fallible function of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, as a stable word (`as_str` is the `code` of an error in JSON).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// A file or directory could not be read or written.
    Io,
    /// A file or directory does not exist.
    NotFound,
    /// The output exists already.
    Exists,
    /// A line is not one JSON object.
    BadJson,
    /// A value has the wrong type or shape for its key.
    BadValue,
    /// A vector or tensor has the wrong number of elements.
    BadDimension,
    /// A number is NaN or infinite.
    NotFinite,
    /// A media type that the bundle or index does not have.
    UnknownMedia,
    /// A field that the index does not have.
    UnknownField,
    /// A tensor that the file does not have.
    UnknownTensor,
    /// An id that the index does not have.
    UnknownId,
    /// An id that stands twice.
    DuplicateId,
    /// Two lines give one key values of types that do not join.
    SchemaConflict,
    /// The index belongs to another `space` than the bundle or value.
    SpaceMismatch,
    /// A file is damaged: checksum, truncation or structure.
    Damaged,
    /// A file is over a limit on bytes or pixels.
    TooLarge,
    /// Nothing to work on: no rows, no documents.
    Empty,
    /// A document has no usable item.
    NoItems,
    /// A query string does not parse.
    BadQuery,
    /// Arguments that do not go together, or out of range.
    BadArgument,
    /// A file of a version that this build does not read.
    UnsupportedVersion,
    /// Too little data to train or calibrate.
    TooFewData,
    /// Another process holds the lock.
    Locked,
    /// The user stopped it before its end.
    Interrupted,
    /// A file that is read, or what an unfinished build began with, is not any more what it was.
    Changed,
    /// An error of the host engine, tantivy.
    Engine,
    /// An error of the tensor library.
    Tensor,
}

impl ErrorCode {
    /// The stable word that names the error in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Io => "io",
            Self::NotFound => "not_found",
            Self::Exists => "exists",
            Self::BadJson => "bad_json",
            Self::BadValue => "bad_value",
            Self::BadDimension => "bad_dimension",
            Self::NotFinite => "not_finite",
            Self::UnknownMedia => "unknown_media",
            Self::UnknownField => "unknown_field",
            Self::UnknownTensor => "unknown_tensor",
            Self::UnknownId => "unknown_id",
            Self::DuplicateId => "duplicate_id",
            Self::SchemaConflict => "schema_conflict",
            Self::SpaceMismatch => "space_mismatch",
            Self::Damaged => "damaged",
            Self::TooLarge => "too_large",
            Self::Empty => "empty",
            Self::NoItems => "no_items",
            Self::BadQuery => "bad_query",
            Self::BadArgument => "bad_argument",
            Self::UnsupportedVersion => "unsupported_version",
            Self::TooFewData => "too_few_data",
            Self::Locked => "locked",
            Self::Interrupted => "interrupted",
            Self::Changed => "changed",
            Self::Engine => "engine",
            Self::Tensor => "tensor",
        }
    }
}

/// An error with the facts that a user needs to get out of it.
#[derive(Debug, Clone)]
pub struct Error(Box<Facts>);

/// The facts of an [`Error`]; those that do not apply are `None`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Facts {
    /// What went wrong.
    pub code: ErrorCode,
    /// One sentence without file, line and hint, which stand in their own fields.
    pub message: String,
    /// The file or directory concerned.
    pub file: Option<PathBuf>,
    /// 1-based line of `file`, or 0-based row of a tensor where `message` says so.
    pub line: Option<u64>,
    /// Byte offset in `file`.
    pub offset: Option<u64>,
    /// What should have been there.
    pub expected: Option<String>,
    /// What was there.
    pub got: Option<String>,
    /// The way out.
    pub hint: Option<Hint>,
    source: Option<Arc<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// A new error; add facts with the methods below.
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self(Box::new(Facts {
            code,
            message: message.into(),
            file: None,
            line: None,
            offset: None,
            expected: None,
            got: None,
            hint: None,
            source: None,
        }))
    }

    /// An input/output error at `path`.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        let code = match source.kind() {
            std::io::ErrorKind::NotFound => ErrorCode::NotFound,
            std::io::ErrorKind::AlreadyExists => ErrorCode::Exists,
            _ => ErrorCode::Io,
        };
        let error = Self::new(code, source.to_string()).file(path);
        let full = is_full(&source);
        let error = error.source(source);
        if full { error.disk_full() } else { error }
    }

    /// Names a full disk as such, with the way out.
    fn disk_full(mut self) -> Self {
        self.0.code = ErrorCode::Io;
        if !self.0.message.contains(FULL) {
            self.0.message = format!("{FULL}: {}", self.0.message);
        }
        self.hint("free space there, or name another place, and run it again")
    }

    /// Whether it says that there is no room left to write to.
    pub fn is_disk_full(&self) -> bool {
        self.0.message.starts_with(FULL)
    }

    /// Names the file or directory.
    #[must_use]
    pub fn file(mut self, path: impl AsRef<Path>) -> Self {
        self.0.file = Some(path.as_ref().to_path_buf());
        self
    }

    /// Names the 1-based line.
    #[must_use]
    pub fn line(mut self, line: u64) -> Self {
        self.0.line = Some(line);
        self
    }

    /// Names the byte offset.
    #[must_use]
    pub fn offset(mut self, offset: u64) -> Self {
        self.0.offset = Some(offset);
        self
    }

    /// Says what should have been there.
    #[must_use]
    pub fn expected(mut self, expected: impl fmt::Display) -> Self {
        self.0.expected = Some(expected.to_string());
        self
    }

    /// Says what was there.
    #[must_use]
    pub fn got(mut self, got: impl fmt::Display) -> Self {
        self.0.got = Some(got.to_string());
        self
    }

    /// Says the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Hint>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }

    /// Puts `place` in front of the message.
    #[must_use]
    pub(crate) fn within(mut self, place: impl fmt::Display) -> Self {
        self.0.message = format!("{place}: {}", self.0.message);
        self
    }

    /// Keeps the cause, for `std::error::Error::source`.
    #[must_use]
    pub fn source(mut self, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        self.0.source = Some(Arc::new(source));
        self
    }

    /// What went wrong.
    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// All facts.
    pub fn facts(&self) -> &Facts {
        &self.0
    }
}

/// What a user does about damage in an index.
pub(crate) const WAY_OUT: &str =
    "`verify` lists all damage; bring the file back from a copy, or build the index again";

/// What the message of a full disk begins with.
const FULL: &str = "the disk is full";

/// Whether the system says that there is no room, on the disk or in the user's share of it.
fn is_full(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(error.kind(), K::StorageFull | K::QuotaExceeded)
        // Wrapped by a library, the kind may be lost, and the words are left.
        || says_full(&error.to_string())
}

fn says_full(text: &str) -> bool {
    text.contains("No space left on device") || text.contains("os error 28)")
}

/// Equal facts; what caused them is not compared.
impl PartialEq for Error {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (&*self.0, &*other.0);
        let texts = |x: &Facts| (x.message.clone(), x.expected.clone(), x.got.clone(), x.hint.clone());
        (a.code, &a.file, a.line, a.offset) == (b.code, &b.file, b.line, b.offset) && texts(a) == texts(b)
    }
}

impl Error {
    /// The sentence of `Display` with settings and tasks of the hint as `write` says them.
    pub fn render(&self, write: impl Fn(Named) -> String) -> String {
        match &self.0.hint {
            Some(hint) => format!("{}; {}", Sentence(&self.0), hint.render(write)),
            None => self.to_string(),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Sentence(&self.0))?;
        if let Some(hint) = &self.0.hint {
            write!(f, "; {hint}")?;
        }
        Ok(())
    }
}

/// All facts but the hint.
struct Sentence<'a>(&'a Facts);

impl fmt::Display for Sentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = self.0;
        if let Some(file) = &facts.file {
            write!(f, "{}", file.display())?;
            if let Some(line) = facts.line {
                write!(f, ":{line}")?;
            }
            if let Some(offset) = facts.offset {
                write!(f, " at byte {offset}")?;
            }
            write!(f, ": ")?;
        } else if let Some(line) = facts.line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{}", facts.message)?;
        match (&facts.expected, &facts.got) {
            (Some(expected), Some(got)) => write!(f, " (expected {expected}, got {got})")?,
            (Some(expected), None) => write!(f, " (expected {expected})")?,
            (None, Some(got)) => write!(f, " (got {got})")?,
            (None, None) => {}
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

impl From<tantivy::TantivyError> for Error {
    /// A file of the index that is missing, cut or changed is damage, named relative to the index directory.
    fn from(source: tantivy::TantivyError) -> Self {
        use tantivy::TantivyError as T;
        use tantivy::directory::error::OpenWriteError as W;
        // An error of this crate that went through the host.
        if let T::IoError(io) = &source
            && let Some(own) = io.get_ref().and_then(|inner| inner.downcast_ref::<Self>())
        {
            let full = says_full(&own.0.message) && !own.is_disk_full();
            return if full { own.clone().disk_full() } else { own.clone() };
        }
        let error = match &source {
            T::LockFailure(tantivy::directory::error::LockError::IoError(io), _) => {
                Self::new(io_code(io), format!("the lock of the index cannot be had: {io}"))
            }
            T::LockFailure(..) => Self::new(ErrorCode::Locked, source.to_string()),
            T::DataCorruption(_) => Self::new(ErrorCode::Damaged, source.to_string()),
            T::OpenReadError(open) => return Self::from(open.clone()),
            T::IoError(io) => Self::new(io_code(io), source.to_string()),
            T::OpenWriteError(W::IoError { io_error, filepath }) => {
                let message = format!("a file of the index cannot be written: {io_error}");
                Self::new(ErrorCode::Io, message).file(filepath)
            }
            _ => Self::new(ErrorCode::Engine, source.to_string()),
        };
        let full = says_full(&error.0.message)
            || match &source {
                T::IoError(io) | T::OpenWriteError(W::IoError { io_error: io, .. }) => is_full(io),
                _ => false,
            };
        let error = error.source(source);
        if full { error.disk_full() } else { error }
    }
}

impl From<tantivy::directory::error::OpenReadError> for Error {
    fn from(source: tantivy::directory::error::OpenReadError) -> Self {
        use tantivy::directory::error::OpenReadError as O;
        let error = match &source {
            O::FileDoesNotExist(path) => {
                Self::new(ErrorCode::Damaged, "a file of the index is missing").file(path).hint(WAY_OUT)
            }
            O::IoError { io_error, filepath } => {
                let message = format!("a file of the index does not open: {io_error}");
                let error = Self::new(io_code(io_error), message).file(filepath);
                if is_damage(io_error) { error.hint(WAY_OUT) } else { error }
            }
            O::IncompatibleIndex(_) => Self::new(ErrorCode::UnsupportedVersion, source.to_string()),
        };
        error.source(source)
    }
}

fn io_code(error: &std::io::Error) -> ErrorCode {
    if is_damage(error) { ErrorCode::Damaged } else { ErrorCode::Io }
}

/// Bytes that are not what they should be are damage; all else is a matter of the system.
pub(crate) fn is_damage(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    // The system has a kind for each of its own errors; `Other` is what the host says of bytes.
    matches!(error.kind(), K::InvalidData | K::UnexpectedEof | K::Other)
}

impl From<uncsm_format::Error> for Error {
    fn from(source: uncsm_format::Error) -> Self {
        let code = match &source {
            uncsm_format::Error::Version { .. } => ErrorCode::UnsupportedVersion,
            uncsm_format::Error::Io(_) => ErrorCode::Io,
            _ => ErrorCode::Damaged,
        };
        let offset = source.offset();
        let error = Self::new(code, source.to_string());
        let error = match offset {
            Some(offset) => error.offset(offset),
            None => error,
        };
        error.source(source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_host_that_does_not_open_is_named() {
        use tantivy::directory::error::OpenReadError;
        let error =
            Error::from(tantivy::TantivyError::from(OpenReadError::FileDoesNotExist("a.store".into())));
        assert_eq!(
            (error.code(), error.facts().file.as_deref()),
            (ErrorCode::Damaged, Some(Path::new("a.store")))
        );
        for (kind, code) in [
            (std::io::ErrorKind::UnexpectedEof, ErrorCode::Damaged),
            (std::io::ErrorKind::InvalidData, ErrorCode::Damaged),
            (std::io::ErrorKind::Other, ErrorCode::Damaged),
            (std::io::ErrorKind::PermissionDenied, ErrorCode::Io),
        ] {
            let io = std::io::Error::new(kind, "why");
            let error =
                Error::from(tantivy::TantivyError::from(OpenReadError::wrap_io_error(io, "a.idx".into())));
            assert_eq!((error.code(), error.facts().file.as_deref()), (code, Some(Path::new("a.idx"))));
        }
    }

    #[test]
    fn a_full_disk_is_named_with_its_file() {
        use std::io::{Error as Io, ErrorKind as K};
        use tantivy::directory::error::OpenWriteError as W;
        for kind in [K::StorageFull, K::QuotaExceeded] {
            let error = Error::io("out/x.store", Io::from(kind));
            assert!(error.is_disk_full(), "{kind:?}: {error}");
            let facts = error.facts();
            assert_eq!((facts.code, facts.file.as_deref()), (ErrorCode::Io, Some(Path::new("out/x.store"))));
            assert!(facts.hint.as_deref().is_some_and(|hint| hint.contains("free space")), "{error}");
        }
        let wrapped = [
            tantivy::TantivyError::from(Io::from_raw_os_error(28)),
            tantivy::TantivyError::from(W::wrap_io_error(Io::from(K::StorageFull), "a.store".into())),
            tantivy::TantivyError::ErrorInThread("No space left on device (os error 28)".into()),
        ];
        for error in wrapped.map(Error::from) {
            assert!(error.is_disk_full() && error.facts().hint.is_some(), "{error}");
        }
        assert!(!Error::io("x", Io::from(K::PermissionDenied)).is_disk_full());
    }

    #[test]
    fn display_is_one_sentence_with_every_fact() {
        let error = Error::new(ErrorCode::BadDimension, "row of tensor `x` has the wrong length")
            .file("a.safetensors")
            .line(3)
            .expected(4)
            .got(5)
            .hint("check the tensor");
        assert_eq!(
            error.to_string(),
            "a.safetensors:3: row of tensor `x` has the wrong length (expected 4, got 5); check the tensor"
        );
        assert_eq!(error.code().as_str(), "bad_dimension");
    }
}
