//! The words of the dictionaries that stand for one that was typed.

use std::collections::BTreeMap;

use tantivy::schema::Field;

use super::typo::Near;
use crate::error::Result;
use crate::search::view::shard::Shards;

/// Words that stand for one at most, in each field: the nearest ones, then those of most documents.
pub(super) const MOST: usize = 1000;
/// What a typing error, and a beginning in place of a word, leave of a score.
const FACTOR: f32 = 0.5;

/// A word of the dictionaries in place of the one that was typed.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Other {
    pub(super) word: String,
    /// Documents that have it, deleted ones too, as BM25 counts them.
    pub(super) documents: u64,
    pub(super) edits: u8,
    /// Whether it only begins so.
    pub(super) longer: bool,
}

impl Other {
    pub(super) fn factor(&self) -> f32 {
        FACTOR.powi(i32::from(self.edits) + i32::from(self.longer))
    }
}

/// What was looked for in a field.
#[derive(Debug, Default)]
pub(super) struct Others {
    /// Nearest first, [`MOST`] at most.
    pub(super) kept: Vec<Other>,
    /// How many more there are.
    pub(super) cut: usize,
}

/// The words of `field` in all segments of all indexes that are within `edits` errors of `word`, or, where there is a
/// `beginning`, begin with it or with one within as many errors of it; `word` itself is not among them.
///
/// Cost: the part of each dictionary that has a beginning in common with such a word.
pub(super) fn others(
    shards: &Shards,
    field: Field,
    word: &str,
    edits: u8,
    beginning: Option<&str>,
) -> Result<Others> {
    let mut found: BTreeMap<String, Other> = BTreeMap::new();
    if edits > 0
        && let Some(near) = Near::new(word, edits, false)
    {
        walk(
            shards,
            field,
            &near,
            &mut |word, documents| {
                let (whole, _) = near.distances(word);
                whole.map(|edits| Other { word: word.to_owned(), documents, edits, longer: false })
            },
            &mut found,
        )?;
    }
    if let Some(beginning) = beginning {
        match Near::new(beginning, edits, true) {
            Some(near) => walk(
                shards,
                field,
                &near,
                &mut |word, documents| {
                    let (_, begins) = near.distances(word);
                    begins.map(|edits| Other { word: word.to_owned(), documents, edits, longer: true })
                },
                &mut found,
            )?,
            None => begin_with(shards, field, beginning, &mut found)?,
        }
    }
    found.remove(word);
    let mut kept: Vec<Other> = found.into_values().collect();
    kept.sort_by(|a, b| {
        b.factor()
            .total_cmp(&a.factor())
            .then(b.documents.cmp(&a.documents))
            .then_with(|| a.word.cmp(&b.word))
    });
    let cut = kept.len().saturating_sub(MOST);
    kept.truncate(MOST);
    Ok(Others { kept, cut })
}

/// Adds what `make` makes of every word that `near` takes; of two for one word the better stays.
fn walk(
    shards: &Shards,
    field: Field,
    near: &Near,
    make: &mut dyn FnMut(&str, u64) -> Option<Other>,
    found: &mut BTreeMap<String, Other>,
) -> Result<()> {
    let mut here: BTreeMap<String, Other> = BTreeMap::new();
    for reader in shards.iter().flat_map(|shard| shard.searcher.segment_readers()) {
        let inverted = reader.inverted_index(field)?;
        let mut stream = inverted.terms().search(near).into_stream().map_err(tantivy::TantivyError::from)?;
        while stream.advance() {
            let documents = u64::from(stream.value().doc_freq);
            // Terms of text are UTF-8, unless a file is damaged.
            let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
            add(word, documents, make, &mut here);
        }
    }
    join(here, found);
    Ok(())
}

/// The words that begin with what is too long to compare.
fn begin_with(shards: &Shards, field: Field, head: &str, found: &mut BTreeMap<String, Other>) -> Result<()> {
    let mut here: BTreeMap<String, Other> = BTreeMap::new();
    for reader in shards.iter().flat_map(|shard| shard.searcher.segment_readers()) {
        let inverted = reader.inverted_index(field)?;
        let range = inverted.terms().range().ge(head.as_bytes());
        let mut stream = range.into_stream().map_err(tantivy::TantivyError::from)?;
        while stream.advance() && stream.key().starts_with(head.as_bytes()) {
            let documents = u64::from(stream.value().doc_freq);
            let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
            let mut make = |word: &str, documents| {
                Some(Other { word: word.to_owned(), documents, edits: 0, longer: true })
            };
            add(word, documents, &mut make, &mut here);
        }
    }
    join(here, found);
    Ok(())
}

fn add(
    word: &str,
    documents: u64,
    make: &mut dyn FnMut(&str, u64) -> Option<Other>,
    here: &mut BTreeMap<String, Other>,
) {
    if let Some(other) = here.get_mut(word) {
        other.documents += documents;
    } else if let Some(other) = make(word, documents) {
        here.insert(word.to_owned(), other);
    }
}

fn join(here: BTreeMap<String, Other>, found: &mut BTreeMap<String, Other>) {
    for (word, other) in here {
        match found.get(&word) {
            Some(known) if known.factor() >= other.factor() => {}
            _ => drop(found.insert(word, other)),
        }
    }
}
