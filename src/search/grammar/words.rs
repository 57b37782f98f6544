//! Words and phrases in one field.

use tantivy::Term;
use tantivy::json_utils::convert_to_fast_value_and_append_to_json_term;
use tantivy::query::{ConstScoreQuery, Occur, PhrasePrefixQuery, PhraseQuery, Query, TermQuery};
use tantivy::schema::{FieldType, IndexRecordOption};

use unicode_normalization::UnicodeNormalization;

use super::analysed::Analysed;
use super::ast::{Leaf, Value};
use super::errors::Place;
use super::target::{Found, Lost, Target};
use super::wildcard::{Beginning, MAX_WORDS};
use super::{Grammar, Mode, fuzzy};
use crate::error::Result;
use crate::search::ordered::OrderedQuery;

/// Bytes of a whole value, as the field composes its letters.
fn length(target: Target<'_>, text: &str) -> usize {
    let composes = target.tokenizer().is_some_and(|name| name.split('+').any(|part| part == "nfc"));
    if composes { text.nfc().map(char::len_utf8).sum() } else { text.len() }
}

impl Grammar {
    /// The query of words or a phrase in one field.
    pub(super) fn words_in(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        value: &Value,
        slop: u32,
        prefix: bool,
    ) -> Result<Found> {
        match target.entry.field_type() {
            FieldType::Str(_) | FieldType::JsonObject(_) => {}
            FieldType::Date(_) if prefix => {
                return Err(super::dates::no_words(place, leaf, target, value));
            }
            _ if prefix => {
                return Err(place
                    .error(&leaf.span, &format!("`{}` holds no words that could begin so", target.name()))
                    .expected("a text field"));
            }
            _ => return self.typed(place, leaf, target, value).map(Found::Query),
        }
        let text = matches!(target.entry.field_type(), FieldType::Str(_)) && !target.is_whole();
        // The analysis drops the minus, and the clause would keep what it seems to leave out.
        if text && place.mode == Mode::Filter && place.text[value.span.0.clone()].starts_with('-') {
            let why = format!("a value begins with `-`, and `{}` holds words", target.name());
            return Err(place.error(&leaf.span, &why).hint(
                "put the - before the name of the field to leave documents out, or the value into quotes",
            ));
        }
        if !target.is_whole() && !value.marks.is_empty() {
            if let Some((word, edits)) = fuzzy::parts(place, leaf, value)? {
                return self.fuzzy(place, leaf, target, word, edits);
            }
            if let Some(glob) = self.glob(place, leaf, target, value)? {
                return Ok(Found::Query(glob));
            }
        }
        if let Some(most) = self.longest(target).filter(|most| length(target, &value.text) > *most) {
            return Ok(Found::Nothing(Lost::TooLong(most)));
        }
        let analysed = Analysed::of(&mut self.analyzer(place, leaf, target)?, &value.text);
        if let FieldType::JsonObject(options) = target.entry.field_type() {
            let path =
                || Term::from_field_json_path(target.field, target.path, options.is_expand_dots_enabled());
            let number = convert_to_fast_value_and_append_to_json_term(&path(), &value.text, true);
            let lost = analysed.lost(place.mode, &value.text);
            let terms = analysed.terms.into_iter().map(|(position, text)| {
                let mut term = path();
                term.append_type_and_str(&text);
                (position, term)
            });
            let text = match lost {
                Some(lost) if number.is_none() => return Ok(Found::Nothing(lost)),
                Some(_) => None,
                None => Some(self.phrase(place, leaf, target, terms.collect(), slop, prefix)?),
            };
            let number = number.map(|term| Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)) as _);
            let mut either: Vec<(Occur, Box<dyn Query>)> =
                number.into_iter().chain(text).map(|query| (Occur::Should, query)).collect();
            return Ok(Found::Query(match either.len() {
                1 => either.swap_remove(0).1,
                _ => Box::new(OrderedQuery::new(either)),
            }));
        }
        if let Some(lost) = analysed.lost(place.mode, &value.text) {
            return Ok(Found::Nothing(lost));
        }
        if prefix && analysed.terms.len() == 1 {
            // The beginning of nothing is the beginning of all.
            let prefix = self.prefix(place, leaf, target, value)?;
            return Ok(prefix.map_or(Found::Nothing(Lost::Blank), Found::Query));
        }
        let term = |(position, text): (usize, String)| (position, Term::from_field_text(target.field, &text));
        let terms = analysed.terms.into_iter().map(term).collect();
        self.phrase(place, leaf, target, terms, slop, prefix).map(Found::Query)
    }

    /// One term, a phrase, or a phrase whose last word is a beginning.
    fn phrase(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        mut terms: Vec<(usize, Term)>,
        slop: u32,
        prefix: bool,
    ) -> Result<Box<dyn Query>> {
        if terms.len() == 1 && prefix {
            return Err(place
                .error(
                    &leaf.span,
                    &format!("the beginning of one word is not looked for in `{}`", target.name()),
                )
                .expected("a text field, or two words and more in the quotes"));
        }
        if let (1, Some((_, term))) = (terms.len(), terms.first()) {
            return Ok(Box::new(TermQuery::new(term.clone(), IndexRecordOption::WithFreqs)));
        }
        let record = target.entry.field_type().get_index_record_option();
        if !record.is_some_and(IndexRecordOption::has_positions) {
            return Err(place
                .error(
                    &leaf.span,
                    &format!("`{}` keeps no places of words, so it finds no phrases", target.name()),
                )
                .expected("one word, or a field with positions"));
        }
        if !prefix {
            return Ok(Box::new(PhraseQuery::new_with_offset_and_slop(terms, slop)));
        }
        // tantivy scores a phrase with a prefix by its whole words, with the statistics of one index, and expands the
        // prefix to the first fifty words of each segment: the same documents and scores, with the statistics in force,
        // whatever the segments.
        let mut whole = PhrasePrefixQuery::new_with_offset(terms.clone());
        // One more than are let through, so that nothing is ever cut.
        whole.set_max_expansions(MAX_WORDS as u32 + 1);
        terms.sort_by_key(|(position, _)| *position);
        let head = terms.pop().map(|(_, term)| term.serialized_value_bytes().to_vec()).unwrap_or_default();
        let written = place.written(&leaf.span);
        let whole = Beginning { field: target.field, head, written, inner: whole, counted: false };
        let whole = self.bounded_beginning(place, leaf, whole)?;
        if terms.len() == 1 {
            // After one word tantivy gives 1 to all.
            return Ok(Box::new(ConstScoreQuery::new(Box::new(whole), 1.0)));
        }
        let scored: Box<dyn Query> = Box::new(PhraseQuery::new_with_offset(terms));
        let matching: Box<dyn Query> = Box::new(ConstScoreQuery::new(Box::new(whole), 0.0));
        Ok(Box::new(OrderedQuery::new(vec![(Occur::Must, matching), (Occur::Should, scored)])))
    }
}
