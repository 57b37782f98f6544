//! `bir*`, `b?rd`: words by their letters.

use std::collections::BTreeSet;

use tantivy::query::{
    BitSetDocSet, ConstScorer, EnableScoring, Explanation, PhrasePrefixQuery, Query, Scorer, Weight,
};
use tantivy::schema::{Field, FieldType, IndexRecordOption};
use tantivy::tokenizer::TextAnalyzer;
use tantivy::{BitSet, DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError, Term};

use super::Grammar;
use super::ast::{Leaf, Value};
use super::errors::Place;
use super::target::Target;
use crate::error::{Error, ErrorCode, Result};
use crate::index::whole;
use crate::schema::{Analysis, exact_name};
use crate::search::budget::Budget;

/// Different words that one pattern stands for at most.
pub(super) const MAX_WORDS: usize = 10_000;

/// Words that are looked at between two looks whether somebody still waits.
const LOOK: usize = 4096;

/// Parts of an analysis that leave words out.
const NOT_SPELLING: [&str; 2] = ["stop:", "limit:"];

/// Parts of an analysis whose terms are others than the words that are written.
const OTHER_TERMS: [&str; 4] = ["stem:", "ngram:", "prefix:", "en_stem"];

/// A part of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Letter(char),
    /// `?`
    One,
    /// `*`
    Any,
}

impl Grammar {
    /// The query of a word with `*` or `?`; `None` where they are plain signs beside a word.
    pub(super) fn glob(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        value: &Value,
    ) -> Result<Option<Box<dyn Query>>> {
        let text = value.text.as_str();
        let is = |at: &usize, sign: char| text[*at..].starts_with(sign);
        let stars = value.marks.iter().any(|at| is(at, '*'));
        let inside = value.marks.iter().any(|at| {
            is(at, '?') && text[at + 1..].trim_start_matches('?').starts_with(char::is_alphanumeric)
        });
        if !text.contains(char::is_alphanumeric) {
            return Ok(None);
        }
        if !stars && !inside {
            let ends = value.marks.last().is_some_and(|at| is(at, '?') && at + 1 == text.len());
            if !ends {
                return Ok(None);
            }
            let bare = text.trim_end_matches('?');
            return Err(place
                .error(&leaf.span, "a ? at the end of a word is a letter or a question")
                .expected("* for any letters at the end of a word, or the word in quotes")
                .hint(format!("write {bare}*, or \"{text}\"")));
        }
        if !matches!(target.entry.field_type(), FieldType::Str(_)) {
            return Err(place
                .error(
                    &leaf.span,
                    &format!("`{}` is no text field, and * and ? are for words", target.name()),
                )
                .expected("a text field")
                .hint("put a plain * or ? into quotes"));
        }
        let mut parts = Vec::new();
        let mut from = 0;
        for &at in value.marks.iter().filter(|at| !is(at, '~')) {
            parts.extend(self.spelled(place, leaf, target, &text[from..at])?);
            parts.push(if is(&at, '*') { Part::Any } else { Part::One });
            from = at + 1;
        }
        parts.extend(self.spelled(place, leaf, target, &text[from..])?);
        parts.dedup_by(|a, b| *a == Part::Any && *b == Part::Any);
        self.bounded(place, leaf, WildcardQuery::new(target, parts, text, self.budget.clone())).map(Some)
    }

    /// The query of the beginning of one word: `"bir"*`; `None` without a letter.
    pub(super) fn prefix(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        value: &Value,
    ) -> Result<Option<Box<dyn Query>>> {
        let written = if target.is_whole() { value.text.as_str() } else { value.text.trim() };
        let mut parts = self.spelled(place, leaf, target, written)?;
        if parts.is_empty() {
            return Ok(None);
        }
        parts.push(Part::Any);
        self.bounded(place, leaf, WildcardQuery::new(target, parts, &value.text, self.budget.clone()))
            .map(Some)
    }

    /// `query`, whose words are counted in all indexes together where these are known.
    fn bounded(&self, place: Place<'_>, leaf: &Leaf, mut query: WildcardQuery) -> Result<Box<dyn Query>> {
        if !self.searchers.is_empty() {
            if !query.is_bounded(&mut self.segments())? {
                return Err(many(place, leaf));
            }
            query.counted = true;
        }
        Ok(Box::new(query))
    }

    /// A phrase whose last word is a beginning, counted as those are.
    pub(super) fn bounded_beginning(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        mut query: Beginning,
    ) -> Result<Beginning> {
        if !self.searchers.is_empty() {
            if !query.is_bounded(&mut self.segments())? {
                return Err(many(place, leaf));
            }
            query.counted = true;
        }
        Ok(query)
    }

    fn segments(&self) -> impl Iterator<Item = &SegmentReader> {
        self.searchers.iter().flat_map(|searcher| searcher.segment_readers())
    }

    /// The error of a pattern over stems or pieces of words.
    fn other_terms(&self, place: Place<'_>, leaf: &Leaf, target: Target<'_>) -> Error {
        let name = target.name();
        let why = format!("`{name}` keeps stems or pieces of words, which * and ? cannot be compared with");
        let exact = exact_name(target.entry.name());
        let error = place.error(&leaf.span, &why).expected("a field that keeps words as they are written");
        match self.schema.get_field(&exact) {
            Ok(_) => error.hint(format!(
                "name another field, or compare whole values: {exact}:\"..\"* by their beginning, {exact}:/.*../ by a pattern"
            )),
            Err(_) => error.hint("name another field, such as one with the tokenizer `default`, or leave the signs out"),
        }
    }

    /// The letters of a piece as the analysis writes them: its case and accents, not its stem.
    fn spelled(&self, place: Place<'_>, leaf: &Leaf, target: Target<'_>, piece: &str) -> Result<Vec<Part>> {
        if piece.is_empty() {
            return Ok(vec![]);
        }
        let name = target.tokenizer().unwrap_or_default();
        if has_other_terms(name) {
            return Err(self.other_terms(place, leaf, target));
        }
        let kept = name.split('+').filter(|part| !NOT_SPELLING.iter().any(|known| part.starts_with(known)));
        let mut kept: Vec<&str> = kept.collect();
        let longest = format!("limit:{}", tantivy::tokenizer::MAX_TOKEN_LEN);
        kept.push(&longest);
        let analyzer = Analysis::parse(&kept.join("+")).and_then(|analysis| analysis.analyzer());
        let mut analyzer = analyzer.map_err(|error| {
            place
                .error(&leaf.span, &format!("the analysis `{name}` of `{}` knows no * and ?", target.name()))
                .expected("a field with an analysis of this crate")
                .source(error)
        })?;
        let mut tokens = Vec::new();
        analyzer.token_stream(piece).process(&mut |token| {
            tokens.push((token.offset_from, token.offset_to, token.text.clone()));
        });
        match tokens.as_slice() {
            [(0, to, text)] if *to == piece.len() => Ok(text.chars().map(Part::Letter).collect()),
            _ => Err(place
                .error(&leaf.span, &format!("`{piece}` beside a * or ? is no single word in `{}`", target.name()))
                .expected("letters and digits of one word")
                .hint("phrases whose last word is a beginning are written as \"red ba\"*; put a plain * or ? into quotes")),
        }
    }
}

/// Whether terms of an analysis are stems or pieces of words.
pub(super) fn has_other_terms(analysis: &str) -> bool {
    analysis.split('+').any(|part| OTHER_TERMS.iter().any(|other| part.starts_with(other)))
}

/// An analysis without what makes stems of words; `None` for one that is not of this crate.
pub(super) fn spelling(analysis: &str) -> Option<TextAnalyzer> {
    let other = |part: &&str| OTHER_TERMS.iter().any(|other| part.starts_with(other));
    let kept: Vec<&str> = analysis.split('+').filter(|part| !other(part)).collect();
    Analysis::parse(&kept.join("+")).and_then(|analysis| analysis.analyzer()).ok()
}

/// Documents with a word that the pattern fits, each with the score of its boost.
#[derive(Debug, Clone)]
struct WildcardQuery {
    field: Field,
    parts: Vec<Part>,
    written: String,
    /// Whether the words of all indexes were counted.
    counted: bool,
    budget: Budget,
}

impl WildcardQuery {
    fn new(target: Target<'_>, parts: Vec<Part>, written: &str, budget: Budget) -> Self {
        Self { field: target.field, parts, written: written.to_owned(), counted: false, budget }
    }

    /// Whether it stands for no more words than may be, in all of `readers` together.
    fn is_bounded(&self, readers: &mut dyn Iterator<Item = &SegmentReader>) -> tantivy::Result<bool> {
        let (mut seen, mut room) = (Different::default(), true);
        for reader in readers {
            self.words(reader, &mut |word, _| {
                room = seen.take(word.as_bytes());
                Ok(room)
            })?;
            if !room {
                break;
            }
        }
        Ok(room)
    }

    /// The letters that every word begins with.
    fn head(&self) -> String {
        let letter = |part: &Part| match part {
            Part::Letter(c) => Some(*c),
            Part::One | Part::Any => None,
        };
        self.parts.iter().map_while(letter).collect()
    }

    /// Gives every word that fits, with its postings, until `each` says stop.
    fn words(
        &self,
        reader: &SegmentReader,
        each: &mut dyn FnMut(&str, &tantivy::postings::TermInfo) -> tantivy::Result<bool>,
    ) -> tantivy::Result<()> {
        let inverted = reader.inverted_index(self.field)?;
        let head = self.head();
        let mut stream = inverted.terms().range().ge(head.as_bytes()).into_stream()?;
        let mut looked = 0_usize;
        while stream.advance() {
            // A pattern without a beginning looks at every word.
            if looked.is_multiple_of(LOOK) {
                self.budget.check_cancelled().map_err(whole)?;
            }
            looked += 1;
            // Terms of text are UTF-8, unless a file is damaged.
            let Ok(word) = std::str::from_utf8(stream.key()) else { continue };
            if !word.starts_with(&head) {
                break;
            }
            if fits(&self.parts, word) && !each(word, stream.value())? {
                break;
            }
        }
        Ok(())
    }
}

/// The words of a pattern, each once, so that their number does not hang on the segments.
#[derive(Default)]
struct Different(BTreeSet<Vec<u8>>);

impl Different {
    /// Takes a word; false where there are too many now.
    fn take(&mut self, word: &[u8]) -> bool {
        if !self.0.contains(word) {
            self.0.insert(word.to_vec());
        }
        self.0.len() <= MAX_WORDS
    }
}

fn too_many(written: &str) -> TantivyError {
    whole(bound(Error::new(ErrorCode::BadQuery, format!("`{written}` stands for too many words"))))
}

fn many(place: Place<'_>, leaf: &Leaf) -> Error {
    bound(place.error(&leaf.span, "it stands for too many words"))
}

fn bound(error: Error) -> Error {
    error.expected(format!("at most {MAX_WORDS} different words")).hint("write more letters")
}

/// A phrase whose last word is a beginning, and an error where that stands for too many words: tantivy takes the first ones.
#[derive(Debug, Clone)]
pub(super) struct Beginning {
    pub(super) field: Field,
    /// What the terms of those words begin with.
    pub(super) head: Vec<u8>,
    pub(super) written: String,
    pub(super) inner: PhrasePrefixQuery,
    /// Whether the words of all indexes were counted.
    pub(super) counted: bool,
}

impl Beginning {
    /// Whether its last word stands for no more words than may be, in all of `readers` together.
    fn is_bounded(&self, readers: &mut dyn Iterator<Item = &SegmentReader>) -> tantivy::Result<bool> {
        let mut seen = Different::default();
        for reader in readers {
            let inverted = reader.inverted_index(self.field)?;
            let mut stream = inverted.terms().range().ge(&self.head).into_stream()?;
            while stream.advance() && stream.key().starts_with(&self.head) {
                if !seen.take(stream.key()) {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }
}

impl Query for Beginning {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        if let Some(searcher) = scoring.searcher().filter(|_| !self.counted)
            && !self.is_bounded(&mut searcher.segment_readers().iter())?
        {
            return Err(too_many(&self.written));
        }
        self.inner.weight(scoring)
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        self.inner.query_terms(visitor);
    }
}

impl Query for WildcardQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        if let Some(searcher) = scoring.searcher().filter(|_| !self.counted)
            && !self.is_bounded(&mut searcher.segment_readers().iter())?
        {
            return Err(too_many(&self.written));
        }
        Ok(Box::new(WildcardWeight(self.clone())))
    }
}

struct WildcardWeight(WildcardQuery);

impl Weight for WildcardWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut docs = BitSet::with_max_value(reader.max_doc());
        let inverted = reader.inverted_index(self.0.field)?;
        self.0.words(reader, &mut |_, info| {
            let mut postings = inverted.read_postings_from_terminfo(info, IndexRecordOption::Basic)?;
            while postings.doc() != TERMINATED {
                docs.insert(postings.doc());
                postings.advance();
            }
            Ok(true)
        })?;
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(docs), boost)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        explain(self, reader, doc, "a word fits the pattern")
    }
}

/// The explanation of a query that gives each document the score of its boost.
pub(super) fn explain(
    weight: &dyn Weight,
    reader: &SegmentReader,
    doc: DocId,
    why: &'static str,
) -> tantivy::Result<Explanation> {
    let mut scorer = weight.scorer(reader, 1.0)?;
    if scorer.doc() > doc || scorer.seek(doc) != doc {
        return Err(TantivyError::InvalidArgument(format!("Document #({doc}) does not match")));
    }
    Ok(Explanation::new(why, 1.0))
}

/// Whether the whole word is what the pattern says. Cost: letters times parts at most.
fn fits(parts: &[Part], word: &str) -> bool {
    let letters: Vec<char> = word.chars().collect();
    let (mut at, mut part) = (0, 0);
    // Where to go on after the last star, one letter later each time.
    let mut star: Option<(usize, usize)> = None;
    while at < letters.len() {
        match parts.get(part) {
            Some(Part::Any) => {
                star = Some((at, part));
                part += 1;
            }
            Some(Part::One) => (at, part) = (at + 1, part + 1),
            Some(Part::Letter(c)) if *c == letters[at] => (at, part) = (at + 1, part + 1),
            _ => match star {
                None => return false,
                Some((from, after)) => {
                    star = Some((from + 1, after));
                    (at, part) = (from + 1, after + 1);
                }
            },
        }
    }
    parts[part..].iter().all(|part| *part == Part::Any)
}
