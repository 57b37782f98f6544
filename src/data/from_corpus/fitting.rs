//! The first pass over a corpus: encoders are opened for what it holds, and those that learn have learned from it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::options::CorpusOptions;
use crate::corpus::{Document, Given, Passages, Reader};
use crate::data::seen::Seen;
use crate::encode::{Encoders, fit_any};
use crate::error::Result;

/// The encoders of the corpora at `paths`, and by media type what those have learned that learn.
///
/// # Errors
/// Where nothing can be learned from, the first cause.
pub(super) fn fit_corpus(
    paths: &[PathBuf],
    options: &CorpusOptions<'_>,
) -> Result<(Encoders, BTreeMap<String, Vec<f32>>)> {
    let mut seen = Seen::default();
    let learned = Reader::open_all(paths, &options.keys)?.filter_map(|read| seen.take(read));
    let learned = learned.map(|document| split_texts(document, options.passages));
    let fitted = fit_any(learned, options.encoders, &options.paths, &options.keys)?;
    if fitted.0.is_empty() {
        return Err(seen.nothing(paths.first().map_or(Path::new(""), PathBuf::as_path)));
    }
    Ok(fitted)
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
