//! Documents with their items, as the pipeline of a build reads them.

use std::path::{Path, PathBuf};

use super::rows::FeatureRows;
use crate::corpus::{Document, JsonlReader};
use crate::error::{Error, ErrorCode, Result};

/// Where a document comes from, for warnings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The corpus or features file.
    pub file: PathBuf,
    /// 1-based line of a corpus, or 0-based row of a features file.
    pub line: u64,
}

/// What an item is before it is encoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Features `[d_in]` that are there already.
    Features(Vec<f32>),
    /// A text.
    Text(String),
    /// A media file that is still to be read.
    File(PathBuf),
}

/// An item on its way into the index.
#[derive(Debug, Clone, PartialEq)]
pub struct RawItem {
    /// Name of the media type.
    pub media: String,
    /// Position among the document's items of its media type.
    pub ordinal: u32,
    /// What it is.
    pub content: Content,
}

/// A document on its way into the index.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceDocument {
    /// Where it comes from.
    pub place: Place,
    /// Its id, given or made from its place, and its fields.
    pub document: Document,
    /// Its items.
    pub items: Vec<RawItem>,
}

/// What a source gives for one document.
#[derive(Debug)]
pub enum Incoming {
    /// A document.
    Document(Box<SourceDocument>),
    /// A document that does not read: a warning, or an error where the user is strict.
    Bad(Error),
    /// The source itself does not read any further.
    Broken(Error),
}

/// Documents whose items are rows of a features file, with the fields of a corpus beside them where there is one.
///
/// Row i belongs to the i-th line that is not blank; a line that does not read takes its row along.
pub struct FeatureSource<'a> {
    rows: Vec<FeatureRows<'a>>,
    file: PathBuf,
    corpus: Option<JsonlReader<std::fs::File>>,
    ids: Ids,
    next: usize,
    ended: bool,
}

impl<'a> FeatureSource<'a> {
    /// Reads `rows` of the features file `file`, and ids and fields from `corpus`.
    ///
    /// # Errors
    /// Those of opening the corpus; [`ErrorCode::BadArgument`] without rows, or where ids are required and there is no
    /// corpus to give them.
    pub fn new(file: &Path, rows: Vec<FeatureRows<'a>>, corpus: Option<&Path>, ids: Ids) -> Result<Self> {
        if ids == Ids::Required && corpus.is_none() {
            return Err(Error::new(ErrorCode::BadArgument, "features alone have no ids")
                .file(file)
                .expected("the key `id`, since documents of an index are replaced by id")
                .hint("name the corpus of the same rows with --corpus"));
        }
        if rows.is_empty() {
            return Err(Error::new(ErrorCode::BadArgument, "no features to read").file(file));
        }
        let corpus = corpus.map(JsonlReader::open).transpose()?;
        Ok(Self { rows, file: file.to_path_buf(), corpus, ids, next: 0, ended: false })
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.rows.first().map_or(0, |rows| rows.tensor.rows())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn broken(&mut self, error: Error) -> Option<Incoming> {
        self.ended = true;
        Some(Incoming::Broken(error))
    }

    fn other_length(&self, got: impl std::fmt::Display) -> Error {
        Error::new(ErrorCode::BadDimension, "corpus and features have not the same number of documents")
            .file(&self.file)
            .expected(format!("{} lines, one for each row", self.len()))
            .got(got)
            .hint("--corpus must be the file that the features were made from")
    }
}

impl Iterator for FeatureSource<'_> {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        if self.ended {
            return None;
        }
        let row = self.next;
        self.next += 1;
        let line = match self.corpus.as_mut().map(Iterator::next) {
            Some(None) if row < self.len() => {
                let error = self.other_length(format!("{row} lines"));
                return self.broken(error);
            }
            Some(Some(_)) if row >= self.len() => {
                let error = self.other_length("more lines");
                return self.broken(error);
            }
            Some(Some(Err(error))) if matches!(error.code(), ErrorCode::Io) => return self.broken(error),
            Some(Some(line)) => Some(line),
            Some(None) | None => None,
        };
        if row >= self.len() {
            self.ended = true;
            return None;
        }
        let document = match line {
            None => Ok(Document { line: row as u64, ..Document::default() }),
            Some(line) => line,
        };
        let document = match document {
            Ok(document) => document,
            Err(error) => return Some(Incoming::Bad(error)),
        };
        let mut items = Vec::with_capacity(self.rows.len());
        for rows in &self.rows {
            let mut features = Vec::new();
            // Numbers that are not finite go on: the build counts them as a bad item, not as a broken source.
            if let Err(error) = rows.tensor.read_unchecked(row..row + 1, &mut features) {
                return self.broken(error);
            }
            let media = rows.encoder.media().to_owned();
            items.push(RawItem { media, ordinal: 0, content: Content::Features(features) });
        }
        let file = self.corpus.as_ref().map_or(self.file.as_path(), JsonlReader::file).to_path_buf();
        let place = Place { file, line: document.line };
        let document = match identified(document, &place, self.ids) {
            Ok(document) => document,
            Err(error) => return Some(Incoming::Bad(error)),
        };
        Some(Incoming::Document(Box::new(SourceDocument { place, document, items })))
    }
}

/// Documents of a corpus with their texts and pictures, in the order of the corpus.
pub struct CorpusSource {
    corpus: JsonlReader<std::fs::File>,
    ids: Ids,
}

/// What to do with a document without `id`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// Its line is its id.
    FromLine,
    /// It is bad: what changes an index must say which documents.
    Required,
}

impl CorpusSource {
    /// Reads the corpus at `path`.
    ///
    /// # Errors
    /// Those of [`JsonlReader::open`].
    pub fn open(path: &Path, ids: Ids) -> Result<Self> {
        Ok(Self { corpus: JsonlReader::open(path)?, ids })
    }

    /// The reader of the corpus, for its position.
    pub fn reader(&self) -> &JsonlReader<std::fs::File> {
        &self.corpus
    }
}

impl Iterator for CorpusSource {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        let document = match self.corpus.next()? {
            Ok(document) => document,
            Err(error) if error.code() == ErrorCode::Io => return Some(Incoming::Broken(error)),
            Err(error) => return Some(Incoming::Bad(error)),
        };
        let place = Place { file: self.corpus.file().to_path_buf(), line: document.line };
        let document = match identified(document, &place, self.ids) {
            Ok(document) => document,
            Err(error) => return Some(Incoming::Bad(error)),
        };
        let items = items_of(&document);
        Some(Incoming::Document(Box::new(SourceDocument { place, document, items })))
    }
}

/// The document with an id: its own, or its line where that is allowed.
fn identified(mut document: Document, place: &Place, ids: Ids) -> Result<Document> {
    if document.id.is_none() && ids == Ids::Required {
        return Err(Error::new(ErrorCode::BadValue, "the document has no id")
            .file(&place.file)
            .line(place.line)
            .expected("the key `id`, since documents of an index are replaced by id"));
    }
    document.id.get_or_insert_with(|| place.line.to_string());
    Ok(document)
}

/// The items of a document of a corpus: texts of media type `text`, pictures of media type `image`.
pub fn items_of(document: &Document) -> Vec<RawItem> {
    let item = |media: &str, (ordinal, content): (usize, Content)| RawItem {
        media: media.to_owned(),
        ordinal: ordinal as u32,
        content,
    };
    let texts = document.texts.iter().cloned().map(Content::Text).enumerate();
    let pictures = document.images.iter().map(|path| Content::File(path.into())).enumerate();
    texts.map(|text| item("text", text)).chain(pictures.map(|picture| item("image", picture))).collect()
}
