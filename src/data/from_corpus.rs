//! Training data from a corpus: its documents encoded, its classes and splits read.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use super::classes::{KnownClasses, class_name, group_name, is_rounded};
use super::rows::{DocumentRef, Documents, Labels, MediaFeatures, TrainingData};
use super::seen::{Seen, is_known};
use super::titles::join_titles;
use crate::corpus::{Document, EncoderArg, Given, Keys, Passages, Reader, SPLIT_NOT_READ, Split};
use crate::encode::{
    BadItem, CorpusSource, Encoders, FeatureCache, Ids, Incoming, Place, Registry, SourceDocument,
    encode_batch, fit_any,
};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::media::content_hash;
use crate::model::ClassNames;

/// Documents that are encoded together.
const BATCH: usize = 256;
/// Bytes that are encoded together, unless one document alone has more.
const BATCH_BYTES: usize = 16 << 20;

/// What becomes of a class that a trained bundle does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewClasses {
    /// Its documents have no class, as an evaluation wants it.
    #[default]
    Unlabelled,
    /// An error, unless all of them are marked `test`.
    Refused,
}

/// How a corpus becomes training data.
#[derive(Default)]
pub struct CorpusOptions<'a> {
    /// The key that holds the class.
    pub label: Option<&'a str>,
    /// A key: documents of equal value stay on one side of the validation split, as those of equal `title` do.
    pub group: Option<&'a str>,
    /// Encoders that differ from the built-in one of their media type.
    pub encoders: &'a [EncoderArg],
    /// Where those are looked for.
    pub paths: Registry,
    /// Keys of the corpus that hold items, and those that are passed over.
    pub keys: Keys,
    /// How long texts are split into several items.
    pub passages: Option<Passages>,
    /// Encoders and classes of a trained bundle, to evaluate it or to train it further; none are learned then.
    pub trained: Option<(&'a Encoders, Option<&'a ClassNames>)>,
    /// What becomes of classes that `trained` does not have.
    pub new_classes: NewClasses,
    /// Features of earlier runs, and where those of this one go.
    pub cache: Option<&'a FeatureCache>,
}

/// What is left of one document: a row for each of its items, counted by the media type that has most.
struct Row {
    /// Number of its document among all that were read.
    document: usize,
    split: Split,
    class: Option<Class>,
    group: u64,
    title: Option<String>,
    /// Whether the user's key gave the group.
    grouped: bool,
    features: BTreeMap<String, Vec<f32>>,
}

/// The class of a row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// One of the trained bundle's.
    Known(u32),
    Named(String),
}

impl Row {
    /// The title, of a row that may be learned from.
    fn title(&self) -> Option<&str> {
        self.title.as_deref().filter(|_| self.split != Split::Test)
    }
}

/// What the pass that encodes has read so far.
#[derive(Default)]
struct Reading {
    rows: Vec<Row>,
    /// Documents of a known split.
    known: Vec<DocumentRef>,
    /// By media type of the encoders: items of the documents that count, and the error of the first that does not read.
    /// An item that says nothing is none.
    named: BTreeMap<String, (u64, Option<Error>)>,
    /// The error of the first item that was left out.
    first: Option<Error>,
}

/// Reads the corpus at `path` and encodes it; a document with several items of a media type becomes several rows of one
/// group. `skipped` hears of documents, items and parts of them that are left out, `progress` the number of documents so far.
///
/// Encoders that learn, such as the idf of texts, learn from documents whose split is `train`, or that name none. A document
/// of an unknown split is left out. Labels have one name for each class (`1`, `1.0` and `"1"` are one).
///
/// # Errors
/// Where nothing can be learned from, or no item of a media type reads, the first cause, with file and line: of the code
/// [`ErrorCode::Empty`], or that of the document or item; [`ErrorCode::UnknownField`] where no document has the label;
/// [`ErrorCode::BadValue`] for a new class where these are refused; those of the corpus.
pub fn from_corpus(
    path: &Path,
    options: &CorpusOptions<'_>,
    skipped: &mut dyn FnMut(Error),
    progress: &mut dyn FnMut(u64),
) -> Result<TrainingData> {
    let mut states = BTreeMap::new();
    let fitted;
    let (encoders, trained) = match options.trained {
        Some((encoders, classes)) => (encoders, classes),
        None => {
            let mut seen = Seen::default();
            let learned = Reader::open_with(path, &options.keys)?.filter_map(|read| seen.take(read));
            let learned = learned.map(|document| split_texts(document, options.passages));
            (fitted, states) = fit_any(learned, options.encoders, &options.paths)?;
            if fitted.is_empty() {
                return Err(seen.nothing(path));
            }
            (&fitted, None)
        }
    };
    let names = trained.and_then(|classes| classes.names.as_deref());
    let encoding =
        Encoding { encoders, options, classes: names.map(KnownClasses::new), folder: path.is_dir() };
    let mut reading = Reading::default();
    let (mut batch, mut bytes, mut documents) = (Vec::new(), 0, 0);
    let mut first = None;
    for incoming in CorpusSource::open_with(path, Ids::FromLine, &options.keys)?.passages(options.passages) {
        match incoming {
            Incoming::Document(document) if !is_known(&document.document) => {
                document.document.flaws.iter().cloned().for_each(&mut *skipped);
                skipped(unknown_split(&document));
            }
            Incoming::Document(document) => {
                bytes += document.bytes();
                batch.push(*document);
            }
            Incoming::Bad(error) | Incoming::Passed(error) => {
                first.get_or_insert_with(|| error.clone());
                skipped(error);
            }
            Incoming::Broken(error) => return Err(error),
        }
        if batch.len() == BATCH || bytes >= BATCH_BYTES {
            bytes = 0;
            documents += batch.len() as u64;
            encoding.encode(&std::mem::take(&mut batch), skipped, &mut reading);
            progress(documents);
        }
    }
    encoding.encode(&batch, skipped, &mut reading);
    progress(documents + batch.len() as u64);
    encoding.check_items(path, &mut reading)?;
    let Reading { rows, known, first: first_item, .. } = reading;
    if rows.is_empty() {
        return Err(match first.or(first_item) {
            Some(error) => {
                error.within("the corpus has no document with an item; the first that was left out")
            }
            None => Error::new(ErrorCode::Empty, "the corpus has no document with an item").file(path),
        });
    }
    if let Some(key) = options.group.filter(|_| !rows.iter().any(|row| row.grouped)) {
        return Err(Error::new(ErrorCode::UnknownField, format!("no document has the group {key:?}"))
            .file(path)
            .hint(Hint::new("name a key of the corpus with").setting(Setting::Group)));
    }
    let mut groups: Vec<u64> = rows.iter().map(|row| row.group).collect();
    join_titles(&mut groups, &rows.iter().map(Row::title).collect::<Vec<_>>());
    let labels = labels(&rows, &known, options, names, skipped)
        .map_err(|error| if error.facts().file.is_some() { error } else { error.file(path) })?;
    let media = encoders.iter().map(|(name, encoder)| MediaFeatures {
        name: name.clone(),
        encoder: encoder.name().to_owned(),
        encoder_state: states.get(name).cloned().unwrap_or_default(),
        fingerprint: Some(encoder.fingerprint()),
        d_in: encoder.features(),
        rows: rows
            .iter()
            .flat_map(|row| row.features.get(name).cloned().unwrap_or_else(|| vec![0.0; encoder.features()]))
            .collect(),
        present: rows.iter().map(|row| row.features.contains_key(name)).collect(),
    });
    // A media type of which every item to learn from says nothing is none.
    let learned = |media: &MediaFeatures| {
        media.present.iter().zip(&rows).any(|(present, row)| *present && row.split != Split::Test)
    };
    let media: Vec<MediaFeatures> =
        media.filter(|media| options.trained.is_some() || learned(media)).collect();
    let names: Vec<&str> = media.iter().map(|media| media.encoder.as_str()).collect();
    let file = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    Ok(TrainingData {
        labels,
        groups: Some(groups),
        split: rows.iter().map(|row| row.split).collect(),
        features_name: format!("{} ({file})", names.join(", ")),
        documents: Some(Documents { known, of_row: rows.iter().map(|row| row.document).collect() }),
        graded: Vec::new(),
        media,
    })
}

fn unknown_split(document: &SourceDocument) -> Error {
    let word = document.document.unknown_split.as_deref().unwrap_or_default();
    let what = match word {
        SPLIT_NOT_READ => "the split does not read, so that the document is left out".to_owned(),
        word => format!("the split {word:?} is not known, so that the document is left out"),
    };
    Error::new(ErrorCode::BadValue, what)
        .file(&document.place.file)
        .line(document.place.line)
        .expected("train, val or test, or another common name of these")
}

/// The document with passages for its texts, as its items have them.
fn split_texts(mut document: Document, passages: Option<Passages>) -> Document {
    if let Some(passages) = passages {
        let parts = |given: Given| match given {
            Given::Text(text) => {
                passages.split(&text).into_iter().map(|part| Given::Text(text[part].to_owned())).collect()
            }
            file => vec![file],
        };
        for items in document.items.values_mut() {
            *items = std::mem::take(items).into_iter().flat_map(parts).collect();
        }
    }
    document
}

/// How documents become rows.
struct Encoding<'a> {
    encoders: &'a Encoders,
    options: &'a CorpusOptions<'a>,
    /// Of a trained bundle.
    classes: Option<KnownClasses<'a>>,
    /// Whether the corpus is a folder: then the file of an item says more than its place.
    folder: bool,
}

impl Encoding<'_> {
    /// Whether the items of a document count where it is asked whether any reads.
    fn counts(&self, split: Option<Split>) -> bool {
        let learns = self.options.trained.is_none() || self.options.new_classes == NewClasses::Refused;
        !learns || split != Some(Split::Test)
    }

    /// The error with the place of its document, and with the file of the item.
    fn placed(&self, error: Error, place: &Place) -> Error {
        match error.facts().file.clone() {
            None => error.file(&place.file).line(place.line),
            Some(file) if !self.folder && file != place.file => {
                error.within(file.display()).file(&place.file).line(place.line)
            }
            Some(_) => error,
        }
    }

    fn encode(&self, batch: &[SourceDocument], skipped: &mut dyn FnMut(Error), reading: &mut Reading) {
        let documents: Vec<&SourceDocument> = batch.iter().collect();
        let encoded = encode_batch(self.encoders, &documents, None, self.options.cache);
        for (document, (items, bad)) in batch.iter().zip(encoded) {
            document.document.flaws.iter().cloned().for_each(&mut *skipped);
            let counts = self.counts(document.document.split);
            let encoded = |media: &String| counts && self.encoders.contains_key(media);
            for item in document.items.iter().filter(|item| encoded(&item.media)) {
                reading.named.entry(item.media.clone()).or_default().0 += 1;
            }
            for BadItem { media, error } in bad {
                reading.first.get_or_insert_with(|| self.placed(error.clone(), &document.place));
                if let Some((count, first)) = reading.named.get_mut(&media).filter(|_| counts) {
                    match error.code() {
                        ErrorCode::NoItems => *count -= 1,
                        _ => {
                            first.get_or_insert_with(|| self.placed(error.clone(), &document.place));
                        }
                    }
                }
                let located = error.facts().file.is_some();
                let place = &document.place;
                skipped(if located { error } else { error.file(&place.file).line(place.line) });
            }
            let mut by_media: BTreeMap<String, Vec<Vec<f32>>> = BTreeMap::new();
            for item in items {
                by_media.entry(item.media).or_default().extend(item.features);
            }
            self.add(document, &by_media, skipped, reading);
        }
    }

    /// Adds the rows of a document.
    fn add(
        &self,
        document: &SourceDocument,
        by_media: &BTreeMap<String, Vec<Vec<f32>>>,
        skipped: &mut dyn FnMut(Error),
        reading: &mut Reading,
    ) {
        let place = &document.place;
        let id = document.document.id.clone().unwrap_or_else(|| place.line.to_string());
        reading.known.push(DocumentRef { id, line: place.line });
        let fields = &document.document.fields;
        let given = self.options.group.and_then(|key| fields.get(key)).and_then(group_name);
        let group = match &given {
            Some(name) => content_hash(format!("group {name}").as_bytes()),
            None => content_hash(format!("line {}", place.line).as_bytes()),
        };
        let group = u64::from_le_bytes(std::array::from_fn(|i| group[i]));
        let label = self.options.label.and_then(|key| fields.get(key));
        if let Some(value) = label.filter(|value| is_rounded(value)) {
            let what = "a label is a number of more digits than are kept, so that its document has no class";
            skipped(
                Error::new(ErrorCode::BadValue, what)
                    .file(&place.file)
                    .line(place.line)
                    .expected("an integer of at most 64 bits, or a text")
                    .got(value)
                    .hint("write it as a string"),
            );
        }
        let class = label.and_then(|value| self.class(value));
        let count = by_media.values().map(Vec::len).max().unwrap_or(0);
        for at in 0..count {
            // The last item of a media type stands beside all further ones of another.
            let features = by_media
                .iter()
                .filter_map(|(media, items)| Some((media.clone(), items.get(at).or(items.last())?.clone())));
            reading.rows.push(Row {
                document: reading.known.len() - 1,
                split: document.document.split.unwrap_or(Split::Train),
                title: fields.get("title").and_then(Value::as_str).map(str::to_owned),
                class: class.clone(),
                group,
                grouped: given.is_some(),
                features: features.collect(),
            });
        }
    }

    fn class(&self, value: &Value) -> Option<Class> {
        let known = self.classes.as_ref().and_then(|classes| classes.number(value));
        known.map(Class::Known).or_else(|| class_name(value).map(Class::Named))
    }

    /// Refuses a corpus that names items of a media type of which none reads, with the first cause.
    fn check_items(&self, path: &Path, reading: &mut Reading) -> Result<()> {
        let reads = |media: &str| {
            let counted = reading.rows.iter().filter(|row| self.counts(Some(row.split)));
            counted.into_iter().any(|row| row.features.contains_key(media))
        };
        let mut failed = reading.named.iter().filter(|(_, (_, first))| first.is_some());
        let lost = failed.find(|(media, _)| !reads(media)).map(|(media, _)| media.clone());
        let Some(media) = lost else { return Ok(()) };
        let Some((count, Some(error))) = reading.named.remove(&media) else { return Ok(()) };
        let error = error.within(format!("none of {count} items of `{media}` reads; the first"));
        let error = match error.facts().hint {
            Some(_) => error,
            None => error
                .hint("repair them, or leave the key out; paths are relative to the folder of the corpus"),
        };
        Err(if error.facts().file.is_some() { error } else { error.file(path) })
    }
}

/// Classes are numbered in order of name, from the rows that may be learned from.
fn labels(
    rows: &[Row],
    known: &[DocumentRef],
    options: &CorpusOptions<'_>,
    trained: Option<&[String]>,
    skipped: &mut dyn FnMut(Error),
) -> Result<Option<Labels>> {
    let Some(key) = options.label else { return Ok(None) };
    let line = |row: &Row| known[row.document].line;
    let names: Vec<String> = match trained {
        Some(names) => names.to_vec(),
        None => {
            let learned = rows.iter().filter(|row| row.split != Split::Test);
            let named = learned.filter_map(|row| match &row.class {
                Some(Class::Named(name)) => Some(name.clone()),
                _ => None,
            });
            named.collect::<BTreeSet<_>>().into_iter().collect()
        }
    };
    if names.is_empty() {
        let error = Error::new(
            ErrorCode::UnknownField,
            format!("no document to learn from has a class in the label {key:?}"),
        );
        let error = error
            .expected("a text, a number of at least 0, or a boolean; null, a blank text and -1 mean none");
        let what = "name the key that holds the class, a string or an integer, with";
        let error = error.hint(Hint::new(what).setting(Setting::Label));
        return Err(match rows.iter().find(|row| row.split != Split::Test) {
            Some(row) => error.line(line(row)),
            None => error,
        });
    }
    let number = |class: &Class| match class {
        Class::Known(number) => Some(*number),
        Class::Named(_) if trained.is_some() => None,
        Class::Named(name) => names.binary_search(name).ok().map(|at| at as u32),
    };
    let is_new = |row: &&Row| row.class.as_ref().is_some_and(|class| number(class).is_none());
    if options.new_classes == NewClasses::Refused
        && let Some(row) = rows.iter().find(|row| row.split != Split::Test && is_new(row))
    {
        let what = format!("a document has a class in {key:?} that the bundle does not have");
        return Err(Error::new(ErrorCode::BadValue, what)
            .line(line(row))
            .expected(names.join(", "))
            .got(format!("{:?}", row.class.as_ref().map(Class::name).unwrap_or_default()))
            .hint(
                Hint::new("train anew, without").setting(Setting::From).text(", or leave such documents out"),
            ));
    }
    new_classes(rows.iter().filter(is_new), key, &line, skipped);
    let class: Vec<Option<u32>> = rows.iter().map(|row| row.class.as_ref().and_then(number)).collect();
    if class.iter().all(Option::is_none) {
        let what =
            format!("no document has a class of the bundle in {key:?}: what needs classes stays unmeasured");
        skipped(Error::new(ErrorCode::UnknownField, what).line(rows.first().map_or(1, line)));
    }
    Ok(Some(Labels { class, names: Some(names), key: key.into() }))
}

impl Class {
    fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Known(_) => "",
        }
    }
}

/// Says which classes nothing was learned of, each once.
fn new_classes<'a>(
    rows: impl Iterator<Item = &'a Row>,
    key: &str,
    line: &dyn Fn(&Row) -> u64,
    skipped: &mut dyn FnMut(Error),
) {
    let mut seen: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    for row in rows {
        let name = row.class.as_ref().map(Class::name).unwrap_or_default();
        if seen.len() < MOST_NEW || seen.contains_key(name) {
            seen.entry(name).or_insert((0, line(row))).0 += 1;
        }
    }
    for (name, (count, line)) in seen {
        let what = format!(
            "nothing is learned of the class {name:?} in {key:?}: {count} rows count as without a class"
        );
        skipped(Error::new(ErrorCode::BadValue, what).line(line));
    }
}

/// New classes that are named.
const MOST_NEW: usize = 100;
