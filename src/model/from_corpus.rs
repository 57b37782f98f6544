//! Training data from a corpus: its documents encoded, its classes and splits read.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::bundle::ClassNames;
use super::data::{Labels, MediaFeatures, Split, TrainingData};
use super::graded::{DocumentRef, Documents};
use super::titles::join_titles;
use crate::corpus::{Document, EncoderArg, Passages, Reader};
use crate::encode::{
    CorpusSource, EncoderPaths, Encoders, FeatureCache, Ids, Incoming, SourceDocument, encode_batch, fit,
};
use crate::error::{Error, ErrorCode, Result};
use crate::media::content_hash;

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
    pub paths: EncoderPaths,
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
    class: Option<String>,
    group: u64,
    title: Option<String>,
    /// Whether the user's key gave the group.
    grouped: bool,
    features: BTreeMap<String, Vec<f32>>,
}

impl Row {
    /// The title, of a row that may be learned from.
    fn title(&self) -> Option<&str> {
        self.title.as_deref().filter(|_| self.split != Split::Test)
    }
}

/// Reads the corpus at `path` and encodes it; a document with several items of a media type becomes several rows of one
/// group. `skipped` hears of documents and items that do not read, `progress` the number of documents so far.
///
/// Encoders that learn, such as the idf of texts, learn from documents whose split is `train`, or that name none.
///
/// # Errors
/// [`ErrorCode::Empty`] where no document has an item; [`ErrorCode::UnknownField`] where no document has the label;
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
            let learned = Reader::open(path)?.filter_map(Result::ok);
            let learned = learned.filter(|document| document.split.is_none_or(|split| split == Split::Train));
            let learned = learned.map(|document| split_texts(document, options.passages));
            (fitted, states) = fit(learned, options.encoders, &options.paths)?;
            (&fitted, None)
        }
    };
    let (mut rows, mut known) = (Vec::new(), Vec::new());
    let (mut batch, mut bytes, mut documents) = (Vec::new(), 0, 0);
    for incoming in CorpusSource::open(path, Ids::FromLine)?.passages(options.passages) {
        match incoming {
            Incoming::Document(document) => {
                bytes += document.bytes();
                batch.push(*document);
            }
            Incoming::Bad(error) => skipped(error),
            Incoming::Broken(error) => return Err(error),
        }
        if batch.len() == BATCH || bytes >= BATCH_BYTES {
            bytes = 0;
            documents += batch.len() as u64;
            encode(&std::mem::take(&mut batch), encoders, options, skipped, (&mut rows, &mut known));
            progress(documents);
        }
    }
    encode(&batch, encoders, options, skipped, (&mut rows, &mut known));
    progress(documents + batch.len() as u64);
    if rows.is_empty() {
        return Err(Error::new(ErrorCode::Empty, "the corpus has no document with an item").file(path));
    }
    if let Some(key) = options.group.filter(|_| !rows.iter().any(|row| row.grouped)) {
        return Err(Error::new(ErrorCode::UnknownField, format!("no document has the group {key:?}"))
            .file(path)
            .hint("name a key of the corpus with --group"));
    }
    let mut groups: Vec<u64> = rows.iter().map(|row| row.group).collect();
    join_titles(&mut groups, &rows.iter().map(Row::title).collect::<Vec<_>>());
    let labels = labels(&rows, &known, options, trained).map_err(|error| error.file(path))?;
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
    let media: Vec<MediaFeatures> = media.collect();
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

/// The document with passages for its texts, as its items have them.
fn split_texts(mut document: Document, passages: Option<Passages>) -> Document {
    if let Some(passages) = passages {
        let parts =
            |text: &String| passages.split(text).into_iter().map(|part| text[part].to_owned()).collect();
        document.texts = document.texts.iter().flat_map::<Vec<String>, _>(parts).collect();
    }
    document
}

fn encode(
    batch: &[SourceDocument],
    encoders: &Encoders,
    options: &CorpusOptions<'_>,
    skipped: &mut dyn FnMut(Error),
    (rows, known): (&mut Vec<Row>, &mut Vec<DocumentRef>),
) {
    let documents: Vec<&SourceDocument> = batch.iter().collect();
    for (document, (items, bad)) in batch.iter().zip(encode_batch(encoders, &documents, None, options.cache))
    {
        let place = &document.place;
        bad.into_iter().for_each(|error| {
            let located = error.facts().file.is_some();
            skipped(if located { error } else { error.file(&place.file).line(place.line) });
        });
        let mut by_media: BTreeMap<String, Vec<Vec<f32>>> = BTreeMap::new();
        for item in items {
            by_media.entry(item.media).or_default().extend(item.features);
        }
        let id = document.document.id.clone().unwrap_or_else(|| place.line.to_string());
        known.push(DocumentRef { id, line: place.line });
        let fields = &document.document.fields;
        let given = options.group.and_then(|key| fields.get(key));
        let group = match given {
            Some(value) => content_hash(value.to_string().as_bytes()),
            None => content_hash(format!("line {}", place.line).as_bytes()),
        };
        let group = u64::from_le_bytes(std::array::from_fn(|i| group[i]));
        let count = by_media.values().map(Vec::len).max().unwrap_or(0);
        for at in 0..count {
            // The last item of a media type stands beside all further ones of another.
            let features = by_media
                .iter()
                .filter_map(|(media, items)| Some((media.clone(), items.get(at).or(items.last())?.clone())));
            rows.push(Row {
                document: known.len() - 1,
                split: document.document.split.unwrap_or(Split::Train),
                title: fields.get("title").and_then(Value::as_str).map(str::to_owned),
                class: options.label.and_then(|key| fields.get(key)).and_then(class),
                group,
                grouped: given.is_some(),
                features: features.collect(),
            });
        }
    }
}

fn class(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        _ => None,
    }
}

/// Classes are numbered in order of name, from the rows that may be learned from.
fn labels(
    rows: &[Row],
    known: &[DocumentRef],
    options: &CorpusOptions<'_>,
    trained: Option<&ClassNames>,
) -> Result<Option<Labels>> {
    let Some(key) = options.label else { return Ok(None) };
    let names: Vec<String> = match trained.and_then(|classes| classes.names.clone()) {
        Some(names) => names,
        None => {
            let learned = rows.iter().filter(|row| row.split != Split::Test);
            let mut names: Vec<String> = learned.filter_map(|row| row.class.clone()).collect();
            names.sort();
            names.dedup();
            names
        }
    };
    if names.is_empty() {
        return Err(Error::new(
            ErrorCode::UnknownField,
            format!("no document to learn from has the label {key:?}"),
        )
        .hint("name the key that holds the class, a string or an integer, with --label"));
    }
    let number = |class: &String| names.iter().position(|name| name == class).map(|at| at as u32);
    if options.new_classes == NewClasses::Refused {
        let new = |row: &&Row| {
            row.split != Split::Test && row.class.as_ref().is_some_and(|class| number(class).is_none())
        };
        if let Some(row) = rows.iter().find(new) {
            let what = format!("a document has a class in {key:?} that the bundle does not have");
            return Err(Error::new(ErrorCode::BadValue, what)
                .line(known[row.document].line)
                .expected(names.join(", "))
                .got(format!("{:?}", row.class.as_deref().unwrap_or_default()))
                .hint("train anew, without --from, or leave such documents out"));
        }
    }
    let class = rows.iter().map(|row| row.class.as_ref().and_then(number)).collect();
    Ok(Some(Labels { class, names: Some(names), key: key.into() }))
}
