//! `word~N`: words within N edits.

use tantivy::Term;
use tantivy::query::{FuzzyTermQuery, Query};
use tantivy::schema::FieldType;

use super::Grammar;
use super::analysed::Analysed;
use super::ast::{Leaf, Value};
use super::errors::{Place, shown};
use super::target::{Found, Target};
use crate::error::{Error, Result};

/// Edits that a fuzzy term allows at most; automata for more are too large.
const MAX_EDITS: u8 = 2;

/// The word and the edits of `word~N`.
pub(super) fn parts<'v>(place: Place<'_>, leaf: &Leaf, value: &'v Value) -> Result<Option<(&'v str, u8)>> {
    let tilde = value.marks.iter().copied().rfind(|&at| value.text[at..].starts_with('~'));
    let Some((word, edits)) = tilde.map(|at| (&value.text[..at], &value.text[at + 1..])) else {
        return Ok(None);
    };
    if word.is_empty() || !edits.chars().all(|c| c.is_ascii_digit()) {
        return Ok(None);
    }
    if value.marks.iter().any(|&at| !value.text[at..].starts_with('~')) {
        return Err(fault(place, leaf, "a word is either fuzzy or has * and ?"));
    }
    match if edits.is_empty() { Ok(1) } else { edits.parse::<u8>() } {
        Ok(edits) if edits <= MAX_EDITS => Ok(Some((word, edits))),
        _ => Err(fault(place, leaf, &format!("it allows more than {MAX_EDITS} edits"))),
    }
}

fn fault(place: Place<'_>, leaf: &Leaf, why: &str) -> Error {
    place
        .error(&leaf.span, why)
        .expected("one word of a text field, then ~, ~1 or ~2")
        .hint("put words with a plain ~ into quotes")
}

impl Grammar {
    /// The fuzzy word in one field, analysed like any word.
    pub(super) fn fuzzy(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        word: &str,
        edits: u8,
    ) -> Result<Found> {
        if !matches!(target.entry.field_type(), FieldType::Str(_)) {
            return Err(fault(place, leaf, &format!("`{}` is no text field", target.name())));
        }
        let analysed = Analysed::of(&mut self.analyzer(place, leaf, target)?, word);
        if let Some(lost) = analysed.lost(place.mode, word) {
            return Ok(Found::Nothing(lost));
        }
        match analysed.terms.as_slice() {
            [(_, term)] => {
                let term = Term::from_field_text(target.field, term);
                let query: Box<dyn Query> = Box::new(FuzzyTermQuery::new(term, edits, true));
                Ok(Found::Query(query))
            }
            terms => {
                let why = format!("{:?} is {} words in `{}`", shown(word), terms.len(), target.name());
                Err(fault(place, leaf, &why))
            }
        }
    }
}
