//! Documents with their items, as the pipeline of a build reads them.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::place::{Ids, Place, identified, no_place};
use super::rows::FeatureRows;
use crate::corpus::{
    Aside, Document, Given, IdsFrom, Keys, Passages, ReadError, Reader, Root, Shard, Spot, hex,
};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::limits::{self, DOCUMENT_ITEMS};

/// What an item is before it is encoded.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Features `[d_in]` that are there already.
    Features(Vec<f32>),
    /// A text.
    Text(String),
    /// A media file that is still to be read.
    File(PathBuf),
    /// The bytes of a media file, which stood in the corpus itself.
    Bytes(Arc<[u8]>),
}

/// An item on its way into the index.
#[derive(Debug, Clone, PartialEq)]
pub struct RawItem {
    /// Name of the media type.
    pub media: String,
    /// Position among the document's items of its media type.
    pub ordinal: u32,
    /// Byte span `start..end` of a passage in its text; `None` for a whole item.
    pub span: Option<(u32, u32)>,
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
    /// Where it was read, which the index keeps; `None` for a document of an app.
    pub origin: Option<(Arc<Root>, Spot)>,
}

/// What an item comes to beside its content: features of up to 2,048 elements, which travel with the others of a batch.
const ITEM_BYTES: usize = 8 << 10;

impl SourceDocument {
    /// About how many bytes of items, texts and fields it holds in memory, or will when its items are encoded. Cost: a walk over all values.
    pub fn bytes(&self) -> usize {
        let of = |content: &Content| match content {
            Content::Features(features) => 4 * features.len(),
            Content::Text(text) => text.len(),
            // Shared with the pictures of the document.
            Content::Bytes(bytes) => bytes.len(),
            Content::File(_) => 0,
        };
        let items: usize = self.items.iter().map(|item| ITEM_BYTES + of(&item.content)).sum();
        let texts = self.document.items.values().flatten().filter_map(Given::text);
        let texts: usize = texts.map(str::len).sum();
        items
            + texts
            + self.document.fields.iter().map(|(key, value)| key.len() + value_bytes(value)).sum::<usize>()
    }
}

fn value_bytes(value: &Value) -> usize {
    let inner = match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(value_bytes).sum(),
        Value::Object(object) => object.iter().map(|(key, value)| key.len() + value_bytes(value)).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 0,
    };
    size_of::<Value>() + inner
}

/// What a source gives for one document.
#[derive(Debug)]
pub enum Incoming {
    /// A document.
    Document(Box<SourceDocument>),
    /// A document, or another part of the source, that does not read: a warning, or an error where the user is strict.
    Bad(Error),
    /// What is no part of the source, as files of other kinds: a warning for all users.
    Passed(Error),
    /// The source itself does not read any further.
    Broken(Error),
}

/// Documents whose items are rows of a features file, with the fields of a corpus beside them where there is one.
///
/// Row i belongs to the i-th document of the corpus, good or bad: one that does not read takes its row along.
pub struct FeatureSource<'a> {
    rows: Vec<FeatureRows<'a>>,
    file: PathBuf,
    root: Arc<Root>,
    corpus: Option<Reader>,
    /// What the user named as that corpus.
    named: Option<PathBuf>,
    ids: Ids,
    /// The next row, the first that goes out, and the one at which rows end.
    next: usize,
    from: usize,
    end: usize,
    ended: bool,
    /// What goes out before the next row.
    waiting: VecDeque<Incoming>,
}

impl<'a> FeatureSource<'a> {
    /// Reads `rows` of the features file `file`, and ids and fields from `corpus`.
    ///
    /// # Errors
    /// Those of opening the corpus; [`ErrorCode::BadArgument`] without rows, or where ids are required and there is no
    /// corpus to give them.
    pub fn new(file: &Path, rows: Vec<FeatureRows<'a>>, corpus: Option<&Path>, ids: Ids) -> Result<Self> {
        if matches!(ids, Ids::Required { .. }) && corpus.is_none() {
            return Err(Error::new(ErrorCode::BadArgument, "features alone have no ids")
                .file(file)
                .expected("the key `id`, since documents of an index are replaced by id")
                .hint(Hint::new("name the corpus of the same rows with").setting(Setting::Corpus)));
        }
        if rows.is_empty() {
            return Err(Error::new(ErrorCode::BadArgument, "no features to read").file(file));
        }
        let named = corpus.map(Path::to_path_buf);
        let corpus = corpus.map(Reader::open).transpose()?;
        let root = corpus.as_ref().map_or_else(|| Root::new(FEATURES, file), |corpus| corpus.root().clone());
        let end = rows.first().map_or(0, |rows| rows.tensor.rows());
        Ok(Self {
            rows,
            file: file.to_path_buf(),
            root: Arc::new(root),
            corpus,
            named,
            ids,
            next: 0,
            from: 0,
            end,
            ended: false,
            waiting: VecDeque::new(),
        })
    }

    /// Says which keys of the corpus hold items, whose fields are stored alone, and which are passed over; for a source of
    /// which nothing was read.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn keys(mut self, keys: &Keys) -> Result<Self> {
        if let Some(file) = self.named.as_ref().filter(|_| *keys != Keys::default()) {
            self.corpus = Some(Reader::open_with(file, keys)?);
        }
        Ok(self)
    }

    /// The part `shard` of the rows alone, for a source of which nothing was read; rows keep their numbers. The lines of a corpus before are
    /// passed over without a look at them.
    #[must_use]
    pub fn part(mut self, shard: Shard) -> Self {
        let rows = shard.range(self.file_rows() as u64);
        (self.from, self.end) = (rows.start as usize, rows.end as usize);
        self
    }

    /// Number of documents.
    pub fn len(&self) -> usize {
        self.end - self.from
    }

    /// Rows of the file.
    fn file_rows(&self) -> usize {
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
            .expected(format!("{} lines, one for each row", self.file_rows()))
            .got(got)
            .hint(
                Hint::default()
                    .setting(Setting::Corpus)
                    .text(" must be the file that the features were made from"),
            )
    }
}

impl Iterator for FeatureSource<'_> {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        if let Some(incoming) = self.waiting.pop_front() {
            return Some(incoming);
        }
        if self.ended {
            return None;
        }
        if let Some(broken) = self.pass_over() {
            return Some(broken);
        }
        let row = self.next;
        if row >= self.end && self.end < self.file_rows() {
            self.ended = true;
            return None;
        }
        let read = self.corpus.as_mut().map(Iterator::next);
        for aside in self.corpus.as_mut().map(Reader::take_asides).unwrap_or_default() {
            match aside {
                // Rows would belong to other documents.
                Aside::Unread(error) => return self.broken(error),
                aside => self.waiting.push_back(incoming(aside)),
            }
        }
        self.next += 1;
        // Of several files each is a root of its own.
        if let Some(corpus) = self.corpus.as_ref().filter(|corpus| corpus.root() != &*self.root) {
            self.root = Arc::new(corpus.root().clone());
        }
        let given = self.row(row, read);
        self.waiting.extend(given);
        self.waiting.pop_front()
    }
}

impl FeatureSource<'_> {
    /// Goes to the first row of the part; gives why it cannot. Without a corpus there is nothing to pass over.
    fn pass_over(&mut self) -> Option<Incoming> {
        while self.next < self.from {
            let Some(corpus) = &mut self.corpus else {
                self.next = self.from;
                break;
            };
            match corpus.pass() {
                None => {
                    let error = self.other_length(format!("{} lines", self.next));
                    return self.broken(error);
                }
                Some(Err(end)) => return self.broken(end.into_error()),
                Some(Ok(())) => self.next += 1,
            }
            // Rows would belong to other documents.
            let asides = self.corpus.as_mut().map(Reader::take_asides).unwrap_or_default();
            let unread = asides.into_iter().find(|aside| matches!(aside, Aside::Unread(_)));
            if let Some(aside) = unread {
                return self.broken(aside.error().clone());
            }
        }
        None
    }

    /// The row `row`, beside what the corpus gives for it.
    fn row(&mut self, row: usize, read: Option<Option<Result<Document, ReadError>>>) -> Option<Incoming> {
        let line = match read {
            Some(None) if row < self.file_rows() => {
                let error = self.other_length(format!("{row} lines"));
                return self.broken(error);
            }
            Some(Some(_)) if row >= self.file_rows() => {
                let error = self.other_length("more lines");
                return self.broken(error);
            }
            Some(Some(Err(ReadError::End(error)))) => return self.broken(error),
            Some(Some(line)) => Some(line.map_err(ReadError::into_error)),
            Some(None) | None => None,
        };
        if row >= self.file_rows() {
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
            items.push(RawItem { media, ordinal: 0, span: None, content: Content::Features(features) });
        }
        let file = self.corpus.as_ref().map_or(self.file.as_path(), Reader::file).to_path_buf();
        let from = self.corpus.as_ref().map_or(0, Reader::lines_from);
        let place = Place { file, line: document.line, from };
        let made = |document: &Document, from| match (&self.corpus, from) {
            (Some(corpus), from) => corpus.made_id(document, from),
            (None, IdsFrom::Path) => {
                let name = self.file.file_name().unwrap_or_default();
                format!("{}:{row}", Path::new(name).display())
            }
            (None, IdsFrom::Hash) => {
                let features = items.iter().map(|item| &item.content);
                let numbers = features.filter_map(|content| match content {
                    Content::Features(features) => Some(features),
                    _ => None,
                });
                hex(&numbers.flatten().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>())
            }
            (None, _) => row.to_string(),
        };
        let document = match identified(document, &place, self.ids, made) {
            Ok(document) => document,
            Err(error) => return Some(Incoming::Bad(error)),
        };
        let spot = match &self.corpus {
            Some(corpus) => corpus.spot(),
            None => Spot::row(row as u64),
        };
        let origin = Some((Arc::clone(&self.root), spot));
        Some(Incoming::Document(Box::new(SourceDocument { place, document, items, origin })))
    }
}

/// The kind of a root of which features alone are read.
const FEATURES: &str = "features";

/// Documents of a corpus with their texts and pictures, in the order of the corpus.
pub struct CorpusSource {
    corpus: Reader,
    root: Arc<Root>,
    ids: Ids,
    passages: Option<Passages>,
    /// What goes out before the next document is read.
    waiting: VecDeque<Incoming>,
}

fn incoming(aside: Aside) -> Incoming {
    match aside {
        Aside::Passed(error) => Incoming::Passed(error),
        Aside::Unread(error) | Aside::Part(error) => Incoming::Bad(error),
    }
}

impl CorpusSource {
    /// Reads the corpus at `path`.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open(path: &Path, ids: Ids) -> Result<Self> {
        Self::open_with(path, ids, &Keys::default())
    }

    /// As [`CorpusSource::open`], with the keys that hold items, and those that are passed over.
    ///
    /// # Errors
    /// Those of [`Reader::open`].
    pub fn open_with(path: &Path, ids: Ids, keys: &Keys) -> Result<Self> {
        Self::open_all(&[path.to_path_buf()], ids, keys)
    }

    /// As [`CorpusSource::open_with`], of several corpora as one.
    ///
    /// # Errors
    /// Those of [`Reader::open_all`].
    pub fn open_all(paths: &[PathBuf], ids: Ids, keys: &Keys) -> Result<Self> {
        Ok(Self::new(Reader::open_all(paths, keys)?, ids))
    }

    /// The documents that `corpus` reads from where it is.
    pub(crate) fn new(corpus: Reader, ids: Ids) -> Self {
        let root = Arc::new(corpus.root().clone());
        Self { corpus, root, ids, passages: None, waiting: VecDeque::new() }
    }

    /// Splits long texts; the fields keep them whole.
    #[must_use]
    pub fn passages(mut self, passages: Option<Passages>) -> Self {
        self.passages = passages;
        self
    }

    /// The reader of the corpus, for its position.
    pub fn reader(&self) -> &Reader {
        &self.corpus
    }
}

impl Iterator for CorpusSource {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        if self.waiting.is_empty() {
            let read = self.corpus.next();
            self.waiting.extend(self.corpus.take_asides().into_iter().map(incoming));
            // Of several files each is a root of its own.
            if self.corpus.root() != &*self.root {
                self.root = Arc::new(self.corpus.root().clone());
            }
            let read = read.and_then(|read| self.document(read));
            self.waiting.extend(read);
        }
        self.waiting.pop_front()
    }
}

impl CorpusSource {
    fn document(&self, read: Result<Document, ReadError>) -> Option<Incoming> {
        let document = match read {
            Ok(document) => document,
            Err(ReadError::End(error)) => return Some(Incoming::Broken(error)),
            Err(ReadError::Document(error)) => return Some(Incoming::Bad(error)),
        };
        let (file, from) = (self.corpus.file().to_path_buf(), self.corpus.lines_from());
        let place = Place { file, line: document.line, from };
        if let Ids::Made(from) = self.ids
            && document.id.is_none()
            && self.corpus.lacks_places()
            && self.corpus.needs_line(&document, from)
        {
            return Some(Incoming::Broken(no_place(&place, from)));
        }
        let made = |document: &Document, from| self.corpus.made_id(document, from);
        let document = match identified(document, &place, self.ids, made) {
            Ok(document) => document,
            Err(error) => return Some(Incoming::Bad(error)),
        };
        let items = items_of(&document, self.passages);
        if items.len() > DOCUMENT_ITEMS {
            let got = format!("more than {DOCUMENT_ITEMS}");
            let error = limits::over("a document has too many passages", DOCUMENT_ITEMS, got, "items");
            return Some(Incoming::Bad(
                place.of(error).hint("make the passages longer, or several documents of it"),
            ));
        }
        let origin = Some((Arc::clone(&self.root), self.corpus.spot()));
        Some(Incoming::Document(Box::new(SourceDocument { place, document, items, origin })))
    }
}

/// The items of a document of a corpus: its texts, or their `passages`, and then its media files.
///
/// Passages of all texts of a media type are counted on, in order; each has its span in its own text. Of more than
/// [`DOCUMENT_ITEMS`] there is one too many, and no further.
fn items_of(document: &Document, passages: Option<Passages>) -> Vec<RawItem> {
    let mut items = Vec::with_capacity(document.items.values().map(Vec::len).sum());
    for (media, given) in &document.items {
        let mut ordinal = 0;
        for text in given.iter().filter_map(Given::text) {
            if items.len() > DOCUMENT_ITEMS {
                break;
            }
            let mut add = |span, text: &str| {
                items.push(RawItem {
                    media: media.clone(),
                    ordinal,
                    span,
                    content: Content::Text(text.to_owned()),
                });
                ordinal += 1;
            };
            match passages.map(|passages| passages.split(text)) {
                Some(parts) if parts.len() > 1 => {
                    parts.into_iter().take(DOCUMENT_ITEMS + 1).for_each(|part| {
                        // A text of 4 GiB does not come through a reader; where one does, its passages have no spans.
                        let span = u32::try_from(part.start).ok().zip(u32::try_from(part.end).ok());
                        add(span, &text[part]);
                    })
                }
                _ => add(None, text),
            }
        }
    }
    for (media, given) in &document.items {
        let files = given.iter().filter_map(|item| match item {
            Given::Text(_) => None,
            Given::Path(path) => Some(Content::File(path.clone())),
            Given::Bytes(bytes) => Some(Content::Bytes(Arc::clone(bytes))),
            Given::Features(features) => Some(Content::Features(features.clone())),
        });
        let file = |(ordinal, content): (usize, Content)| RawItem {
            media: media.clone(),
            ordinal: ordinal as u32,
            span: None,
            content,
        };
        items.extend(files.enumerate().map(file));
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passages_are_items_in_order_and_the_field_stays_whole() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("c.jsonl");
        std::fs::write(&file, "{\"texts\":[\"a b c d\",\"e\"],\"image\":\"x.png\"}\n").unwrap();
        let read = |passages: Option<&str>| {
            let source = CorpusSource::open(&file, Ids::Made(IdsFrom::Line)).unwrap();
            let mut source = source.passages(passages.map(|arg| arg.parse().unwrap()));
            let Some(Incoming::Document(read)) = source.next() else { panic!("no document") };
            assert_eq!(read.document.fields["text"], serde_json::json!(["a b c d", "e"]));
            let item = |item: RawItem| (item.media, item.ordinal, item.span, item.content);
            read.items.into_iter().map(item).collect::<Vec<_>>()
        };
        let text = |ordinal, span, text: &str| ("text".into(), ordinal, span, Content::Text(text.into()));
        let image = ("image".into(), 0, None, Content::File(dir.path().join("x.png")));
        assert_eq!(read(None), [text(0, None, "a b c d"), text(1, None, "e"), image.clone()]);
        let split =
            [text(0, Some((0, 3)), "a b"), text(1, Some((4, 7)), "c d"), text(2, None, "e"), image.clone()];
        assert_eq!(read(Some("2")), split);
        assert_eq!(read(Some("3:2"))[1], text(1, Some((2, 7)), "b c d"));
        assert_eq!(read(Some("4")), [text(0, None, "a b c d"), text(1, None, "e"), image]);
    }
}
