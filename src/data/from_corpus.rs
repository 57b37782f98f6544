//! Training data from a corpus: its documents encoded, its classes and splits read.

mod encoding;
mod fitting;
mod labels;
mod options;
mod row;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use self::encoding::{Encoding, Reading};
use self::fitting::fit_corpus;
use self::labels::labels;
pub use self::options::{CorpusOptions, NewClasses};
use self::row::Row;
use super::classes::KnownClasses;
use super::rows::{Documents, MediaFeatures, TrainingData};
use super::seen::is_known;
use super::titles::join_titles;
use crate::corpus::{IdsFrom, SPLIT_NOT_READ, Split, files};
use crate::encode::{CorpusSource, Encoder, Ids, Incoming, SourceDocument};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::model::maker;

/// Documents that are encoded together.
const BATCH: usize = 256;
/// Bytes that are encoded together, unless one document alone has more.
const BATCH_BYTES: usize = 16 << 20;

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
    from_corpora(&[path.to_path_buf()], options, skipped, progress)
}

/// As [`from_corpus`], of several corpora as one.
///
/// # Errors
/// Those of [`from_corpus`].
pub fn from_corpora(
    paths: &[PathBuf],
    options: &CorpusOptions<'_>,
    skipped: &mut dyn FnMut(Error),
    progress: &mut dyn FnMut(u64),
) -> Result<TrainingData> {
    let path = paths.first().map_or(Path::new(""), PathBuf::as_path);
    let mut states = BTreeMap::new();
    let fitted;
    let (encoders, trained) = match options.trained {
        Some((encoders, classes)) => (encoders, classes),
        None => {
            (fitted, states) = fit_corpus(paths, options)?;
            (&fitted, None)
        }
    };
    let names = trained.and_then(|classes| classes.names.as_deref());
    let folder = matches!(files(paths)?.as_slice(), [one] if one.is_dir());
    let encoding = Encoding { encoders, options, classes: names.map(KnownClasses::new), folder };
    let mut reading = Reading::default();
    let (mut batch, mut bytes, mut documents) = (Vec::new(), 0, 0);
    let mut first = None;
    for incoming in
        CorpusSource::open_all(paths, Ids::Made(IdsFrom::Line), &options.keys)?.passages(options.passages)
    {
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
    let mut makers = BTreeMap::new();
    for (key, name) in options.keys.of_features() {
        let Some(encoder) = encoders.get(key.media()) else { continue };
        let named = options.encoders.iter().find(|arg| arg.media == key.media());
        let maker = match named {
            Some(arg) if options.trained.is_none() => {
                maker(&arg.media, &arg.encoder, encoder.features(), &options.paths)?
            }
            _ if options.trained.is_some() => (encoder.name().to_owned(), None),
            _ => (name, None),
        };
        makers.insert(key.media(), maker);
    }
    let made_by = |name: &str, encoder: &dyn Encoder| match makers.get(name) {
        Some((name, fingerprint)) => (name.clone(), *fingerprint),
        None => (encoder.name().to_owned(), Some(encoder.fingerprint())),
    };
    let media = encoders.iter().map(|(name, encoder)| MediaFeatures {
        name: name.clone(),
        encoder: made_by(name, encoder.as_ref()).0,
        encoder_state: states.get(name).cloned().unwrap_or_default(),
        fingerprint: made_by(name, encoder.as_ref()).1,
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
