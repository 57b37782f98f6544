//! What a kind of corpus is to the reader: how it is told apart, opened and read, and what it leaves out.

use std::fmt;
use std::fs::Metadata;
use std::ops::Deref;
use std::path::Path;

use crate::corpus::document::keys::Keys;
use crate::corpus::document::one::Document;
use crate::corpus::document::origin::Spot;
use crate::corpus::reader::shard::Divides;
use crate::error::{Error, Result};

/// Why a document did not come.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadError {
    /// It does not read, or is none; others may follow.
    Document(Error),
    /// The corpus itself does not read any further: nothing follows.
    End(Error),
}

/// What a source leaves out that is no document and no part of one; the rest counts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Aside {
    /// A folder that does not read: nobody knows how many documents are lost.
    Unread(Error),
    /// A part of all documents, as a column of a type that a corpus cannot have.
    Part(Error),
    /// What is no part of a corpus, as files of other kinds: no fault, and counted all the same. Of the code
    /// [`crate::ErrorCode::UnknownMedia`].
    Passed(Error),
}

/// A corpus that is open: its documents in order, with what a progress bar and messages need.
pub(in crate::corpus) trait Source:
    Iterator<Item = Result<Document, ReadError>> + fmt::Debug + Send
{
    /// The file or folder that errors name.
    fn file(&self) -> &Path;

    /// How far reading has come.
    fn progress(&self) -> u64;

    /// Where [`Source::progress`] will end, where that is known.
    fn len_hint(&self) -> Option<u64>;

    /// Passes over the next document, good or bad, which need not be looked at.
    fn pass(&mut self) -> Option<Result<(), ReadError>> {
        self.next().map(|read| match read {
            Err(end) if end.is_end() => Err(end),
            _ => Ok(()),
        })
    }

    /// Where the document that came last stands.
    fn spot(&self) -> Spot;

    /// What was left out since the last call.
    fn take_asides(&mut self) -> Vec<Aside> {
        Vec::new()
    }
}

/// A kind of corpus, as `open.rs` lists it.
pub(in crate::corpus) struct Kind {
    /// Its name in references.
    pub(in crate::corpus) name: &'static str,
    /// What [`Document::line`] counts.
    pub(in crate::corpus) unit: &'static str,
    /// Whether what is at the path is of this kind. Asked in the order of the list.
    pub(in crate::corpus) is: fn(&Path, &Metadata) -> Result<bool>,
    /// How one may be shared out.
    pub(in crate::corpus) divides: fn(&Path) -> Result<Divides>,
    /// Opens it, with the keys of its items.
    pub(in crate::corpus) open: fn(&Path, &Keys) -> Result<Box<dyn Source>>,
}

impl ReadError {
    /// The error of either.
    pub fn into_error(self) -> Error {
        match self {
            Self::Document(error) | Self::End(error) => error,
        }
    }

    /// Whether nothing follows.
    pub fn is_end(&self) -> bool {
        matches!(self, Self::End(_))
    }

    /// The same with another error.
    pub(in crate::corpus) fn map(self, change: impl FnOnce(Error) -> Error) -> Self {
        match self {
            Self::Document(error) => Self::Document(change(error)),
            Self::End(error) => Self::End(change(error)),
        }
    }
}

impl Deref for ReadError {
    type Target = Error;

    fn deref(&self) -> &Error {
        match self {
            Self::Document(error) | Self::End(error) => error,
        }
    }
}

impl From<ReadError> for Error {
    fn from(error: ReadError) -> Self {
        error.into_error()
    }
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&**self)
    }
}

impl Aside {
    /// What it is, and where.
    pub fn error(&self) -> &Error {
        match self {
            Self::Unread(error) | Self::Part(error) | Self::Passed(error) => error,
        }
    }
}
