//! One reader for every kind of corpus, chosen by what is there.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::document::Document;
use super::folder::FolderReader;
use super::jsonl::JsonlReader;
#[cfg(feature = "parquet")]
use super::parquet::ParquetReader;
use crate::error::{Error, ErrorCode, Result};

/// What a Parquet file begins with.
const PARQUET: &[u8; 4] = b"PAR1";

/// An iterator over the documents of a corpus: JSON Lines, a Parquet file, or a folder of media files.
///
/// A directory is a folder of media; a file that begins with `PAR1`, or whose name ends in `.parquet`, is Parquet; any other
/// file is JSON Lines. The three give equal documents for equal content. Cost: memory for one document, one batch of rows
/// or the names of one folder, whatever the length of the corpus.
///
/// # Errors
/// Each bad document is one `Err` item with its place, and reading goes on after it. After an error of which [`ends_reading`]
/// is true there are no more items.
#[derive(Debug)]
pub struct Reader(Kind);

/// What a source leaves out that is no document and no part of one; the rest counts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Aside {
    /// A folder that does not read: nobody knows how many documents are lost.
    Unread(Error),
    /// A part of all documents, as a column of a type that a corpus cannot have.
    Part(Error),
    /// What is no part of a corpus, as files of other kinds: no fault, and counted all the same. Of the code
    /// [`ErrorCode::UnknownMedia`].
    Passed(Error),
}

#[derive(Debug)]
enum Kind {
    Jsonl(Box<JsonlReader<File>>, u64),
    #[cfg(feature = "parquet")]
    Parquet(Box<ParquetReader>),
    Folder(Box<FolderReader>),
}

impl Aside {
    /// What it is, and where.
    pub fn error(&self) -> &Error {
        match self {
            Self::Unread(error) | Self::Part(error) | Self::Passed(error) => error,
        }
    }
}

impl Reader {
    /// Opens the corpus at `path`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] or [`ErrorCode::Io`]; for a Parquet file those of its reader, or [`ErrorCode::UnsupportedVersion`]
    /// in a build without the feature `parquet`.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_without(path, &[])
    }

    /// As [`Reader::open`], but passes over these keys or columns, whatever they hold; nobody is warned of them.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open_without(path: impl AsRef<Path>, keys: &[String]) -> Result<Self> {
        let path = path.as_ref();
        let about = std::fs::metadata(path).map_err(|error| Error::io(path, error))?;
        if about.is_dir() {
            return Ok(Self(Kind::Folder(Box::new(FolderReader::open(path)?.without(keys)))));
        }
        if is_parquet(path, about.is_file())? {
            return open_parquet(path, keys);
        }
        Ok(Self(Kind::Jsonl(Box::new(JsonlReader::open(path)?.without(keys)), about.len())))
    }

    /// The file or folder that errors name.
    pub fn file(&self) -> &Path {
        match &self.0 {
            Kind::Jsonl(reader, _) => reader.file(),
            #[cfg(feature = "parquet")]
            Kind::Parquet(reader) => reader.file(),
            Kind::Folder(reader) => reader.root(),
        }
    }

    /// How far reading has come, for a progress bar: bytes of JSON Lines, rows of a Parquet file, documents of a folder.
    pub fn position(&self) -> u64 {
        match &self.0 {
            Kind::Jsonl(reader, _) => (**reader).position(),
            #[cfg(feature = "parquet")]
            Kind::Parquet(reader) => (**reader).position(),
            Kind::Folder(reader) => (**reader).position(),
        }
    }

    /// Where [`Reader::position`] will end; `None` where that is not known, as in a folder.
    pub fn len_hint(&self) -> Option<u64> {
        match &self.0 {
            Kind::Jsonl(_, bytes) => Some(*bytes).filter(|&bytes| bytes > 0),
            #[cfg(feature = "parquet")]
            Kind::Parquet(reader) => Some(reader.rows()),
            Kind::Folder(_) => None,
        }
    }

    /// What was left out since the last call; all of it is known when there are no more documents.
    pub fn take_asides(&mut self) -> Vec<Aside> {
        match &mut self.0 {
            Kind::Jsonl(..) => Vec::new(),
            #[cfg(feature = "parquet")]
            Kind::Parquet(reader) => reader.take_asides(),
            Kind::Folder(reader) => reader.take_asides(),
        }
    }

    /// What [`Document::line`] counts: `line`, `row` or `document`.
    pub fn unit(&self) -> &'static str {
        match &self.0 {
            Kind::Jsonl(..) => "line",
            #[cfg(feature = "parquet")]
            Kind::Parquet(_) => "row",
            Kind::Folder(_) => "document",
        }
    }
}

impl Iterator for Reader {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Kind::Jsonl(reader, _) => reader.next(),
            #[cfg(feature = "parquet")]
            Kind::Parquet(reader) => reader.next(),
            Kind::Folder(reader) => reader.next(),
        }
    }
}

/// Whether no document follows an error of this code: the corpus itself does not read any further.
pub fn ends_reading(code: ErrorCode) -> bool {
    matches!(code, ErrorCode::Io | ErrorCode::Damaged)
}

/// What the places in the corpus `path` count, for messages: `line`, `row` or `document`.
pub fn unit_of(path: &Path) -> &'static str {
    match std::fs::metadata(path) {
        Ok(about) if about.is_dir() => "document",
        Ok(about) if is_parquet(path, about.is_file()).unwrap_or(false) => "row",
        _ => "line",
    }
}

fn is_parquet(path: &Path, regular: bool) -> Result<bool> {
    if path.extension().is_some_and(|ext| ext.eq_ignore_ascii_case("parquet")) {
        return Ok(true);
    }
    // What is read from a pipe is gone.
    if !regular {
        return Ok(false);
    }
    let mut head = Vec::with_capacity(PARQUET.len());
    let mut file = File::open(path).map_err(|error| Error::io(path, error))?;
    (&mut file).take(PARQUET.len() as u64).read_to_end(&mut head).map_err(|error| Error::io(path, error))?;
    Ok(head == PARQUET)
}

#[cfg(feature = "parquet")]
fn open_parquet(path: &Path, keys: &[String]) -> Result<Reader> {
    Ok(Reader(Kind::Parquet(Box::new(ParquetReader::open_without(path, keys)?))))
}

#[cfg(not(feature = "parquet"))]
fn open_parquet(path: &Path, _keys: &[String]) -> Result<Reader> {
    Err(Error::new(ErrorCode::UnsupportedVersion, "this build does not read Parquet files")
        .file(path)
        .hint("build with the feature `parquet`, or convert the file to JSON Lines"))
}

#[cfg(test)]
mod tests {
    use super::*;

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
