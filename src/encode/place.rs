//! Where a document comes from, and the id that it has or gets.

use std::path::PathBuf;

use crate::corpus::{Document, IdsFrom, counted};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};

/// Where a document comes from, for warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The corpus or features file.
    pub file: PathBuf,
    /// 1-based line, row or document of a corpus, or 0-based row of a features file.
    pub line: u64,
    /// Byte of the file that lines are counted from: 0, unless a part of a source begins elsewhere.
    pub from: u64,
}

impl Place {
    /// `error` with this place.
    pub(crate) fn of(&self, error: Error) -> Error {
        counted(error, self.from).file(&self.file).line(self.line)
    }
}

/// What to do with a document without `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// Its id is made.
    Made(IdsFrom),
    /// It is bad: what changes an index must say which documents.
    Required {
        /// What ids of the index were made from, where it says so.
        built: Option<IdsFrom>,
    },
}

/// What ends a part: an id by the line would be another one in each number of parts.
pub(super) fn no_place(place: &Place, from: IdsFrom) -> Error {
    let expected = match from {
        IdsFrom::Path => "the key `id`, or a media file, in each line of a source that is cut into parts",
        _ => "the key `id` in each line of a source that is cut into parts",
    };
    place.of(Error::new(ErrorCode::BadValue, "a document of a part has no id")).expected(expected).hint(
        Hint::new("give each line the key `id`, or make ids from a hash with")
            .given(Setting::IdFrom, IdsFrom::Hash),
    )
}

/// The document with an id: its own, or one that is `made` where that is allowed.
pub(super) fn identified(
    mut document: Document,
    place: &Place,
    ids: Ids,
    made: impl FnOnce(&Document, IdsFrom) -> String,
) -> Result<Document> {
    if document.id.is_some() {
        return Ok(document);
    }
    match ids {
        Ids::Made(from) => {
            document.id = Some(made(&document, from));
            Ok(document)
        }
        Ids::Required { built } => {
            let error = place
                .of(Error::new(ErrorCode::BadValue, "the document has no id"))
                .expected("the key `id`, since documents of an index are replaced by id");
            Err(match built {
                None => error,
                Some(from) => error.hint(format!(
                    "only a first build makes ids: those of this index were made from the {from} of documents without one"
                )),
            })
        }
    }
}
