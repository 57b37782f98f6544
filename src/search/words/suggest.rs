//! Words of the dictionaries for words that no document has.

use serde::Serialize;

use super::expand::{Bounds, Other, others};
use crate::error::Result;
use crate::search::budget::Budget;
use crate::search::grammar::AskedWord;
use crate::search::view::shard::Shards;
use tantivy::Term;
use tantivy::query::Bm25StatisticsProvider;

/// Words of one query that others are looked for: each reads a part of the dictionaries.
const MOST_WORDS: usize = 4;
/// Others that are named for a word.
const MOST_NAMED: usize = 3;
/// Letters of the shortest word that others within one edit, and within two, are named for.
const LETTERS: [usize; 2] = [3, 6];

/// A word that no document has in the fields that it was looked for in, and words that they have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DidYouMean {
    /// As it was typed.
    pub word: String,
    /// Nearest first, then those of most documents; as the dictionary of a field writes them.
    pub instead: Vec<String>,
}

/// Others for those of `words` that no document has, where there are some.
///
/// Cost: a look into each dictionary for each word; for a word without documents, the part of the dictionaries that begins like it, until
/// the budget is spent.
///
/// # Errors
/// [`ErrorCode::Interrupted`](crate::ErrorCode::Interrupted) after a cancellation.
pub(in crate::search) fn did_you_mean(
    shards: &Shards,
    words: &[AskedWord],
    budget: &Budget,
) -> Result<Vec<DidYouMean>> {
    let mut out: Vec<DidYouMean> = Vec::new();
    let mut looked = 0;
    for asked in words {
        let letters = asked.written.chars().count();
        let edits = LETTERS.iter().filter(|least| letters >= **least).count() as u8;
        // Of numbers the next one is another thing, not a typing error.
        let spelled = !asked.written.chars().any(char::is_numeric);
        let again = out.iter().any(|known| known.word == asked.written);
        if edits == 0 || !spelled || again || looked == MOST_WORDS || !is_unknown(shards, asked)? {
            continue;
        }
        looked += 1;
        let bounds = Bounds { most: MOST_NAMED, budget };
        let mut near: Vec<Other> = Vec::new();
        for (field, term, _) in asked.terms.iter().filter(|(_, _, as_written)| *as_written) {
            near.extend(others(shards, *field, (term, edits), None, &bounds)?.kept);
        }
        near.sort();
        let mut instead: Vec<String> = Vec::new();
        for other in near {
            if instead.len() < MOST_NAMED && !instead.contains(&other.word) {
                instead.push(other.word);
            }
        }
        if !instead.is_empty() {
            out.push(DidYouMean { word: asked.written.clone(), instead });
        }
    }
    Ok(out)
}

fn is_unknown(shards: &Shards, asked: &AskedWord) -> Result<bool> {
    for (field, term, _) in &asked.terms {
        if shards.doc_freq(&Term::from_field_text(*field, term))? > 0 {
            return Ok(false);
        }
    }
    Ok(true)
}
