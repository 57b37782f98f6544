//! What an analysis makes of words and phrases, and what it leaves out of them.

use tantivy::Term;
use tantivy::json_utils::convert_to_fast_value_and_append_to_json_term;
use tantivy::query::{ConstScoreQuery, Occur, PhrasePrefixQuery, PhraseQuery, Query, TermQuery};
use tantivy::schema::{FieldType, IndexRecordOption};
use tantivy::tokenizer::{MAX_TOKEN_LEN, TextAnalyzer};

use unicode_normalization::UnicodeNormalization;

use super::ast::{Leaf, Value};
use super::build::{Found, Target};
use super::errors::Place;
use super::wildcard::{Beginning, MAX_WORDS};
use super::{Grammar, Mode, fuzzy};
use crate::error::Result;
use crate::schema::{EXACT_LIMIT, exact_name};
use crate::search::ordered::OrderedQuery;

/// Why a field has no term for a clause.
pub(super) enum Lost {
    /// Nothing stands in the quotes.
    Blank,
    /// Signs alone, no letter and no digit.
    Signs,
    /// The analysis leaves out every word.
    Words(Vec<String>),
    /// The analysis leaves these words out of a phrase.
    Some(Vec<String>),
    /// The field holds no value of more bytes.
    TooLong(usize),
}

/// The terms of a text with their places, and the words that became none.
#[derive(Default)]
pub(super) struct Analysed {
    pub(super) terms: Vec<(usize, String)>,
    /// Left out between two terms, so that their places tell.
    inside: Vec<String>,
    /// Left out before the first or after the last term, where no place tells.
    edges: Vec<String>,
    /// Pictures and the like that no term covers: keywords go without them.
    symbols: Vec<String>,
}

impl Analysed {
    pub(super) fn of(analyzer: &mut TextAnalyzer, text: &str) -> Self {
        let mut out = Self::default();
        let mut covered: Vec<(usize, usize)> = Vec::new();
        analyzer.token_stream(text).process(&mut |token| {
            // The host leaves longer ones out of the index.
            if token.text.len() <= MAX_TOKEN_LEN {
                out.terms.push((token.position, token.text.clone()));
                covered.push((token.offset_from, token.offset_to));
            }
        });
        covered.sort_unstable();
        let covered = joined(&covered);
        let first = covered.first().map_or(text.len(), |span| span.0);
        let last = covered.last().map_or(0, |span| span.1);
        let uncovered = |runs: Vec<(usize, usize)>| {
            let (mut at, covered) = (0, &covered);
            // Both are in order, and each side is passed over once.
            let free = move |run: &(usize, usize)| {
                while covered.get(at).is_some_and(|span| span.1 <= run.0) {
                    at += 1;
                }
                covered.get(at).is_none_or(|span| span.0 >= run.1)
            };
            runs.into_iter().filter(free).collect::<Vec<_>>()
        };
        // A run that a term touches was cut, not left out.
        for (from, to) in uncovered(runs(text, char::is_alphanumeric)) {
            let word = text[from..to].to_owned();
            if from >= first && to <= last { out.inside.push(word) } else { out.edges.push(word) }
        }
        let symbols = uncovered(runs(text, is_symbol)).into_iter();
        out.symbols = symbols.map(|(from, to)| text[from..to].to_owned()).collect();
        out
    }

    /// Why this cannot be asked, if so.
    pub(super) fn lost(&self, mode: Mode, text: &str) -> Option<Lost> {
        let all = || self.edges.iter().chain(&self.inside).map(|word| shortened(word)).collect::<Vec<_>>();
        if self.terms.is_empty() {
            return Some(match (all(), text.trim().is_empty()) {
                (words, _) if !words.is_empty() => Lost::Words(words),
                (_, true) => Lost::Blank,
                (_, false) => Lost::Signs,
            });
        }
        let kept = self.inside.is_empty() && self.symbols.is_empty();
        let whole = self.edges.is_empty() && (mode == Mode::Keywords || kept);
        let symbols = || self.symbols.iter().filter(|_| mode == Mode::Filter).map(|word| shortened(word));
        (!whole).then(|| Lost::Some(all().into_iter().chain(symbols()).collect()))
    }
}

/// Spans in order, with those that touch made one.
fn joined(spans: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for span in spans {
        match out.last_mut() {
            Some(last) if span.0 <= last.1 => last.1 = last.1.max(span.1),
            _ => out.push(*span),
        }
    }
    out
}

/// Arrows, technical signs, dingbats, emoji: they mean something, and no analysis of words keeps them.
fn is_symbol(c: char) -> bool {
    let operators = ('\u{2200}'..='\u{22ff}').contains(&c);
    !operators && matches!(c, '\u{2190}'..='\u{2bff}' | '\u{1f000}'..='\u{1faff}') && !c.is_alphanumeric()
}

/// The runs of characters that `is` takes, in bytes.
fn runs(text: &str, is: fn(char) -> bool) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for (at, c) in text.char_indices().filter(|(_, c)| is(*c)) {
        match out.last_mut() {
            Some(last) if last.1 == at => last.1 = at + c.len_utf8(),
            _ => out.push((at, at + c.len_utf8())),
        }
    }
    out
}

/// Bytes of a whole value, as the field composes its letters.
fn length(target: Target<'_>, text: &str) -> usize {
    let composes = target.tokenizer().is_some_and(|name| name.split('+').any(|part| part == "nfc"));
    if composes { text.nfc().map(char::len_utf8).sum() } else { text.len() }
}

fn shortened(word: &str) -> String {
    match word.char_indices().nth(40) {
        Some((at, _)) => format!("`{}..` of {} bytes", &word[..at], word.len()),
        None => format!("`{word}`"),
    }
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

    /// Bytes of the longest value that is a term of a field of whole values.
    pub(super) fn longest(&self, target: Target<'_>) -> Option<usize> {
        if !target.is_whole() {
            return None;
        }
        let base = target.entry.name().strip_suffix(&exact_name(""));
        let of_text = |base: &str| {
            let field = self.schema.get_field(base).ok()?;
            let entry = self.schema.get_field_entry(field);
            (matches!(entry.field_type(), FieldType::Str(_)) && entry.is_indexed()).then_some(())
        };
        let twin = target.entry.is_fast() && !target.entry.is_stored() && base.and_then(of_text).is_some();
        Some(if twin { EXACT_LIMIT } else { MAX_TOKEN_LEN })
    }

    /// The analysis of a field of text or nested values.
    pub(super) fn analyzer(&self, place: Place<'_>, leaf: &Leaf, target: Target<'_>) -> Result<TextAnalyzer> {
        let Some(name) = target.tokenizer() else {
            return Err(place
                .error(&leaf.span, &format!("`{}` is kept and not indexed", target.name()))
                .expected("a field that is indexed"));
        };
        if matches!(target.entry.field_type(), FieldType::JsonObject(_)) && target.path.is_empty() {
            return Err(place
                .error(&leaf.span, &format!("`{}` holds nested values, and none is named", target.name()))
                .hint(format!("name a key: {}.KEY", target.name())));
        }
        self.tokenizers.get(name).ok_or_else(|| {
            place
                .error(&leaf.span, &format!("the analysis `{name}` of `{}` is not there", target.name()))
                .hint("register it before the query is parsed")
        })
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
        let whole = Beginning { field: target.field, head, written, inner: whole };
        if terms.len() == 1 {
            // After one word tantivy gives 1 to all.
            return Ok(Box::new(ConstScoreQuery::new(Box::new(whole), 1.0)));
        }
        let scored: Box<dyn Query> = Box::new(PhraseQuery::new_with_offset(terms));
        let matching: Box<dyn Query> = Box::new(ConstScoreQuery::new(Box::new(whole), 0.0));
        Ok(Box::new(OrderedQuery::new(vec![(Occur::Must, matching), (Occur::Should, scored)])))
    }
}
