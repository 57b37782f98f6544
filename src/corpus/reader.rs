//! One reader for every kind of corpus, chosen by what is there.

use std::path::Path;

use super::document::Document;
use super::keys::Keys;
use super::origin::{Root, Spot};
use super::source::{Aside, Kind, ReadError, Source};
use super::{folder, jsonl, parquet};
use crate::error::{Error, Result};

/// The kinds of corpus; the first that what is there says yes to is taken.
const KINDS: [Kind; 3] = [folder::KIND, parquet::KIND, jsonl::KIND];

/// An iterator over the documents of a corpus: JSON Lines, a Parquet file, or a folder of media files.
///
/// A directory is a folder of media; a file that begins with `PAR1`, or whose name ends in `.parquet`, is Parquet; any other
/// file is JSON Lines. The three give equal documents for equal content. Cost: memory for one document, one batch of rows
/// or the names of one folder, whatever the length of the corpus.
///
/// # Errors
/// Each bad document is one [`ReadError::Document`] with its place, and reading goes on after it. [`ReadError::End`] is the
/// last item.
#[derive(Debug)]
pub struct Reader {
    source: Box<dyn Source>,
    root: Root,
    unit: &'static str,
}

impl Reader {
    /// Opens the corpus at `path`.
    ///
    /// # Errors
    /// [`crate::ErrorCode::NotFound`] or [`crate::ErrorCode::Io`]; for a Parquet file those of its reader, or
    /// [`crate::ErrorCode::UnsupportedVersion`] in a build without the feature `parquet`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, &Keys::default())
    }

    /// As [`Reader::open`], with the keys that hold items, and those that are passed over.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open_with(path: impl AsRef<Path>, keys: &Keys) -> Result<Self> {
        let path = path.as_ref();
        let kind = kind_of(path)?;
        let source = (kind.open)(path, keys)?;
        Ok(Self { source, root: Root::new(kind.name, path), unit: kind.unit })
    }

    /// The file or folder that errors name.
    pub fn file(&self) -> &Path {
        self.source.file()
    }

    /// How far reading has come, for a progress bar: bytes of JSON Lines, rows of a Parquet file, documents of a folder.
    pub fn position(&self) -> u64 {
        self.source.progress()
    }

    /// Where [`Reader::position`] will end; `None` where that is not known, as in a folder.
    pub fn len_hint(&self) -> Option<u64> {
        self.source.len_hint()
    }

    /// What was left out since the last call; all of it is known when there are no more documents.
    pub fn take_asides(&mut self) -> Vec<Aside> {
        self.source.take_asides()
    }

    /// What [`Document::line`] counts: `line`, `row` or `document`.
    pub fn unit(&self) -> &'static str {
        self.unit
    }

    /// What references of its documents are relative to.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// Where the document that came last stands below the root.
    pub fn spot(&self) -> Spot {
        self.source.spot()
    }
}

impl Iterator for Reader {
    type Item = Result<Document, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.source.next()
    }
}

/// What the places in the corpus `path` count, for messages: `line`, `row` or `document`.
pub fn unit_of(path: &Path) -> &'static str {
    kind_of(path).map_or(jsonl::KIND.unit, |kind| kind.unit)
}

fn kind_of(path: &Path) -> Result<Kind> {
    let about = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
    for kind in KINDS {
        if (kind.is)(path, &about)? {
            return Ok(kind);
        }
    }
    Ok(jsonl::KIND)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn what_is_there_decides() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        assert_eq!(Reader::open(&missing).unwrap_err().code(), ErrorCode::NotFound);
        assert_eq!(unit_of(&missing), "line");
        let lines = dir.path().join("lines");
        std::fs::write(&lines, "{\"id\":1}\n{\"id\":2}\n").unwrap();
        let mut reader = Reader::open(&lines).unwrap();
        assert_eq!((reader.unit(), reader.len_hint(), reader.file()), ("line", Some(18), lines.as_path()));
        assert_eq!(reader.next().unwrap().unwrap().line, 1);
        assert_eq!((reader.position(), unit_of(&lines)), (9, "line"));
        assert_eq!((reader.spot().line, reader.spot().bytes), (Some(1), Some((0, 8))));
        assert_eq!(
            (reader.root().kind.as_str(), reader.root().path.as_str()),
            ("jsonl", lines.to_str().unwrap())
        );
        let folder = Reader::open(dir.path()).unwrap();
        assert_eq!((folder.unit(), folder.len_hint(), unit_of(dir.path())), ("document", None, "document"));
        for name in ["a.parquet", "b.PARQUET", "content"] {
            let path = dir.path().join(name);
            std::fs::write(&path, if name == "content" { "PAR1...." } else { "{\"id\":1}\n" }).unwrap();
            let expected =
                if cfg!(feature = "parquet") { ErrorCode::Damaged } else { ErrorCode::UnsupportedVersion };
            assert_eq!(Reader::open(&path).unwrap_err().code(), expected, "{name}");
            assert_eq!(unit_of(&path), "row");
        }
    }
}
