//! From a text to its words, and from these to a query.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde_json::{Value, json};
use tantivy::Term;
use tantivy::query::{EmptyQuery, Occur, PhraseQuery, Query, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::tokenizer::{MAX_TOKEN_LEN, TextAnalyzer};

use super::expand::{Bounds, MOST, Others, others};
use super::{Operator, Words};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, QUERY_BYTES, QUERY_CLAUSES};
use crate::search::alternatives::{AlternativesQuery, Other as Stand, shown as shown_synonym, synonyms_of};
use crate::search::budget::Budget;
use crate::search::grammar::{AskedWord, Grammar, WordField};
use crate::search::ordered::OrderedQuery;
use crate::search::view::shard::Shards;

/// Words of one text that are looked for at most; what is pasted is longer at times.
const MOST_WORDS: usize = 1024;
/// Words of one text that typing errors are let through in at most: each is compared with the dictionaries.
const MOST_WITH_ERRORS: usize = 64;
/// Typing errors of a word at most.
const MOST_ERRORS: u8 = 2;
/// Letters of the shortest word that one error, and two, are let through in: most shorter words have others that near.
const LETTERS: [usize; 2] = [5, 9];
/// Words and others that an explanation names.
const SHOWN: usize = 10;
/// Signs that stand inside of words.
const APOSTROPHES: [char; 3] = ['\'', '\u{2019}', '\u{2bc}'];

/// Plain words as they were read.
pub(in crate::search) struct Read {
    pub(in crate::search) query: Box<dyn Query>,
    /// How each word was read.
    pub(in crate::search) explained: Value,
    /// What was left out that a user may wonder about.
    pub(in crate::search) warnings: Vec<String>,
    /// Words that nothing but themselves and synonyms stands for.
    pub(in crate::search) asked: Vec<AskedWord>,
}

/// What a field makes of one word: terms with their places.
type Terms = Vec<(usize, String)>;

/// A word: the bytes that some field takes as one, and what each field makes of them.
struct Word {
    from: usize,
    to: usize,
    terms: Vec<Terms>,
}

/// Reads `words` in the fields of `grammar`, with the dictionaries of all indexes. Where a required filter `hides` documents no
/// warning says how many words there are, nor where.
///
/// # Errors
/// Those of [`Grammar::word_fields`]; [`ErrorCode::BadArgument`] for more typing errors than two; [`ErrorCode::TooLarge`].
pub(in crate::search) fn read(
    shards: &Shards,
    grammar: &Grammar,
    words: &Words,
    budget: &Budget,
    hides: bool,
) -> Result<Read> {
    if words.typos > MOST_ERRORS {
        return Err(Error::new(ErrorCode::BadArgument, "too many typing errors of a word are asked for")
            .expected(format!("`typos` from 0 to {MOST_ERRORS}"))
            .got(words.typos));
    }
    let text = words.text.as_str();
    if text.len() > QUERY_BYTES {
        let error = limits::over("the words of the query are too long", QUERY_BYTES, text.len(), "bytes");
        return Err(error.hint("ask with a part of them"));
    }
    let mut fields = grammar.word_fields(&words.fields)?;
    let Found { words: mut found, last, left_out } = find(&mut fields, text);
    let mut warnings = Vec::new();
    let room = cut(&mut found, fields.len(), &mut warnings);
    if words.typos > 0 && found.len() > MOST_WITH_ERRORS {
        warnings.push(format!("typing errors are let through in the first {MOST_WITH_ERRORS} words alone"));
    }
    let ends = |c: char| c.is_alphanumeric() || c.is_whitespace();
    let in_progress = last.filter(|_| words.prefix).and_then(|(at, from, to)| {
        let word = found.get_mut(at).filter(|_| !text[to..].contains(ends))?;
        // What is being typed, not what it is equal to so far.
        (word.from, word.to) = (from, to);
        Some(at)
    });
    let (clauses, told, asked) = (Vec::new(), Vec::new(), Vec::new());
    let mut reader = Reader { shards, words, budget, fields, room, hides, clauses, told, warnings, asked };
    for (at, word) in found.iter().enumerate() {
        let with_errors = at < MOST_WITH_ERRORS;
        reader.word(word, with_errors, in_progress == Some(at))?;
    }
    Ok(reader.finish(left_out))
}

/// Cuts `words` to as many as may be looked for, in [`QUERY_CLAUSES`] terms in all; gives how many more terms there may be.
fn cut(words: &mut Vec<Word>, fields: usize, warnings: &mut Vec<String>) -> usize {
    let parts = |word: &Word| word.terms.iter().map(Vec::len).max().unwrap_or(0).max(1);
    // Of a run that is not cut into words each part counts, as signs of Chinese.
    let all: usize = if words.len() > MOST_WORDS { words.len() } else { words.iter().map(parts).sum() };
    let before = words.len();
    words.truncate(MOST_WORDS);
    let (mut room, mut kept, mut is_cut) = (QUERY_CLAUSES, 0, words.len() < before);
    for word in words.iter_mut() {
        let terms: usize = word.terms.iter().map(Vec::len).sum();
        if terms > room {
            is_cut = true;
            let each = room / fields.max(1);
            word.terms.iter_mut().for_each(|terms| terms.truncate(each));
            kept += usize::from(each > 0);
            room = 0;
            break;
        }
        room -= terms;
        kept += 1;
    }
    words.truncate(kept);
    if is_cut {
        let looked = if before > MOST_WORDS { words.len() } else { words.iter().map(parts).sum() };
        warnings.push(format!("of {all} words the first {looked} are looked for"));
    }
    room
}

/// What the fields find in a text.
struct Found {
    /// Each once.
    words: Vec<Word>,
    /// Which of them the last word of the text is, and its bytes.
    last: Option<(usize, usize, usize)>,
    /// The words that every field leaves out.
    left_out: Vec<String>,
}

/// The words of `text`.
fn find(fields: &mut [WordField], text: &str) -> Found {
    let tokens: Vec<Vec<Token>> = fields.iter_mut().map(|field| tokens(&mut field.analyzer, text)).collect();
    let mut spans: Vec<(usize, usize)> =
        tokens.iter().flatten().map(|token| (token.from, token.to)).collect();
    spans.sort_unstable();
    let mut joined: Vec<(usize, usize)> = Vec::new();
    for span in spans {
        match joined.last_mut() {
            Some(last) if span.0 < last.1 => last.1 = last.1.max(span.1),
            _ => joined.push(span),
        }
    }
    let mut seen: HashMap<Vec<Terms>, usize> = HashMap::new();
    let mut last = None;
    let mut words = Vec::new();
    let mut at = vec![0; fields.len()];
    for &(from, to) in &joined {
        let mut terms: Vec<Terms> = Vec::new();
        for (tokens, at) in tokens.iter().zip(&mut at) {
            let begin = *at;
            while tokens.get(*at).is_some_and(|token| token.from < to) {
                *at += 1;
            }
            let first = tokens.get(begin).map_or(0, |token| token.position);
            let place = |token: &Token| (token.position.saturating_sub(first), token.text.clone());
            terms.push(tokens[begin..*at].iter().map(place).collect());
        }
        // Said twice it would count twice.
        let same = match seen.entry(terms) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => {
                words.push(Word { from, to, terms: new.key().clone() });
                *new.insert(words.len() - 1)
            }
        };
        last = Some((same, from, to));
    }
    let mut left_out = Vec::new();
    let mut next = joined.iter().peekable();
    for (from, run) in runs(text) {
        while next.peek().is_some_and(|span| span.1 <= from) {
            next.next();
        }
        if next.peek().is_none_or(|span| span.0 >= from + run.len()) {
            left_out.push(shortened(run));
        }
    }
    Found { words, last, left_out }
}

struct Token {
    from: usize,
    to: usize,
    position: usize,
    text: String,
}

/// In order of their first byte, as words are read.
fn tokens(analyzer: &mut TextAnalyzer, text: &str) -> Vec<Token> {
    let mut out = Vec::new();
    analyzer.token_stream(text).process(&mut |token| {
        // The host leaves longer ones out of the index.
        if token.text.len() <= MAX_TOKEN_LEN && token.offset_from < token.offset_to {
            let (from, to) = (token.offset_from, token.offset_to);
            out.push(Token { from, to, position: token.position, text: token.text.clone() });
        }
    });
    out.sort_by_key(|token| token.from);
    out
}

/// Runs of letters and digits with their first bytes.
fn runs(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let runs = text.split(|c: char| !c.is_alphanumeric()).filter(|run| !run.is_empty());
    runs.map(move |run| (run.as_ptr().addr() - text.as_ptr().addr(), run))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((at, _)) => format!("{}..", &text[..at]),
        None => text.to_owned(),
    }
}

/// What becomes of the words one after the other.
struct Reader<'a> {
    shards: &'a Shards,
    words: &'a Words,
    budget: &'a Budget,
    fields: Vec<WordField>,
    /// Terms that there may be beside those that were typed.
    room: usize,
    /// Whether some documents, and their words, are hidden.
    hides: bool,
    /// With whether a document may be what was asked for without matching it.
    clauses: Vec<(bool, Box<dyn Query>)>,
    told: Vec<Value>,
    warnings: Vec<String>,
    asked: Vec<AskedWord>,
}

/// The query of a word in one field, what is told of it, and whether words that look like it stand for it.
struct InField {
    query: Box<dyn Query>,
    about: Value,
    is_widened: bool,
}

impl Reader<'_> {
    fn word(&mut self, word: &Word, with_errors: bool, in_progress: bool) -> Result<()> {
        let written = &self.words.text[word.from..word.to];
        let letters = written.chars().count();
        let by_length = LETTERS.iter().filter(|least| letters >= **least).count() as u8;
        let typos = if with_errors { by_length.min(self.words.typos) } else { 0 };
        let mut either: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        let mut told = serde_json::Map::new();
        let mut optional = is_beside_apostrophe(&self.words.text, word);
        let mut asked = Some(Vec::new()).filter(|_| !in_progress && !optional);
        for (at, terms) in word.terms.iter().enumerate() {
            if terms.is_empty() {
                // This field leaves the word out: a document that has it there does not match, and is meant.
                optional = true;
                continue;
            }
            let InField { query, about, is_widened } =
                self.in_field(at, written, terms, typos, in_progress)?;
            let field = &self.fields[at];
            match terms.as_slice() {
                [(_, only)] if !is_widened => {
                    if let Some(asked) = &mut asked {
                        asked.push((field.field, only.clone(), field.as_written));
                    }
                }
                _ => asked = None,
            }
            told.insert(field.name.clone(), about);
            either.push((Occur::Should, field.boosted(query)));
        }
        if self.told.len() < SHOWN {
            let word = json!({
                "word": shortened(written), "typos": typos, "prefix": in_progress, "required": !optional, "fields": told,
            });
            self.told.push(word);
        }
        if let Some(terms) = asked.filter(|terms| !terms.is_empty()) {
            self.asked.push(AskedWord { written: written.to_owned(), terms });
        }
        let query = match either.len() {
            1 => either.swap_remove(0).1,
            _ => Box::new(OrderedQuery::new(either)),
        };
        self.clauses.push((optional, query));
        Ok(())
    }

    /// The query of a word in one field, and what is told of it.
    fn in_field(
        &mut self,
        at: usize,
        written: &str,
        terms: &Terms,
        typos: u8,
        in_progress: bool,
    ) -> Result<InField> {
        let field = &mut self.fields[at];
        let texts: Vec<&str> = terms.iter().map(|(_, text)| text.as_str()).collect();
        let term = |text: &str| Term::from_field_text(field.field, text);
        let [(_, only)] = terms.as_slice() else {
            let of = |text: &str| -> Box<dyn Query> {
                Box::new(TermQuery::new(term(text), IndexRecordOption::WithFreqs))
            };
            let phrase = !field.overlaps && field.has_positions;
            let query: Box<dyn Query> = if phrase {
                let terms = terms.iter().map(|(place, text)| (*place, term(text))).collect();
                Box::new(PhraseQuery::new_with_offset(terms))
            } else {
                let any = field.overlaps && self.words.operator == Operator::Or;
                let occur = if any { Occur::Should } else { Occur::Must };
                Box::new(OrderedQuery::new(texts.iter().map(|text| (occur, of(text))).collect()))
            };
            let shown = &texts[..texts.len().min(SHOWN)];
            let about = json!({ "terms": shown, "phrase": phrase });
            return Ok(InField { query, about, is_widened: false });
        };
        let exact = term(only);
        let beginning = match &mut field.spelling {
            Some(spelling) if in_progress => match tokens(spelling, written).as_slice() {
                [token] => Some(token.text.clone()),
                _ => None,
            },
            _ => None,
        };
        let typos = if field.spelling.is_some() { typos } else { 0 };
        // What is being typed is not yet the word that others stand for.
        let mut synonyms = if in_progress { Vec::new() } else { synonyms_of(&field.synonyms, only) };
        if typos == 0 && beginning.is_none() && synonyms.is_empty() {
            let query = Box::new(TermQuery::new(exact, IndexRecordOption::WithFreqs));
            return Ok(InField { query, about: json!({ "terms": texts }), is_widened: false });
        }
        if synonyms.len() > self.room {
            let what = || format!("not all synonyms of `{}` are looked for", shortened(written));
            let counted = || {
                format!(
                    "of {} synonyms of `{}` in `{}` the first {} are looked for",
                    synonyms.len(),
                    shortened(written),
                    field.name,
                    self.room
                )
            };
            self.warnings.push(if self.hides { what() } else { counted() });
            synonyms.truncate(self.room);
        }
        self.room -= synonyms.len();
        let bounds = Bounds { most: MOST.min(self.room), budget: self.budget };
        let Others { kept, cut, spent } = match typos == 0 && beginning.is_none() {
            true => Others::default(),
            false => others(self.shards, field.field, (only, typos), beginning.as_deref(), &bounds)?,
        };
        self.room -= kept.len();
        if cut > 0 && self.hides {
            let word = shortened(written);
            self.warnings.push(format!("many words stand for `{word}`: the nearest ones are looked for"));
        } else if cut > 0 {
            self.warnings.push(format!(
                "more than {} words of `{}` stand for `{}`: the nearest ones in most documents are looked for",
                bounds.most,
                field.name,
                shortened(written)
            ));
        }
        if spent && self.hides {
            self.warnings.push(format!(
                "the time budget ended before all words that stand for `{}` were known",
                shortened(written)
            ));
        } else if spent {
            self.warnings.push(format!(
                "the time budget ended before all words of `{}` that stand for `{}` were known",
                field.name,
                shortened(written)
            ));
        }
        let mut documents = tantivy::query::Bm25StatisticsProvider::doc_freq(self.shards, &exact)?;
        documents += kept.iter().map(|other| other.documents).sum::<u64>();
        let first: Vec<Value> = kept
            .iter()
            .take(SHOWN)
            .map(
                |other| json!({ "term": other.word, "factor": other.factor(), "documents": other.documents }),
            )
            .collect();
        let mut about = json!({ "terms": texts, "others": kept.len(), "nearest": first, "left_out": cut });
        if !synonyms.is_empty() {
            let shown: Vec<String> =
                synonyms.iter().take(SHOWN).map(|phrase| shown_synonym(phrase)).collect();
            about["synonyms"] = shown.into();
        }
        let is_widened = !kept.is_empty();
        let mut stands: Vec<Stand> =
            synonyms.iter().map(|phrase| Stand::synonym(field.field, phrase)).collect();
        for stand in &stands {
            documents += stand
                .documents(|term| tantivy::query::Bm25StatisticsProvider::doc_freq(self.shards, term))?;
        }
        stands.extend(kept.iter().map(|other| Stand::word(term(&other.word), other.factor())));
        let query = Box::new(AlternativesQuery::new(exact, stands, documents));
        Ok(InField { query, about, is_widened })
    }

    fn finish(mut self, left_out: Vec<String>) -> Read {
        let all = self.words.operator == Operator::And;
        // Where no word is asked of all fields, those that must match still must.
        let asked = self.clauses.iter().any(|(optional, _)| !optional);
        let occur = |optional: bool| if all && (!optional || !asked) { Occur::Must } else { Occur::Should };
        let mut clauses: Vec<(Occur, Box<dyn Query>)> =
            self.clauses.into_iter().map(|(optional, query)| (occur(optional), query)).collect();
        let count = clauses.len();
        let query: Box<dyn Query> = match count {
            0 => Box::new(EmptyQuery),
            1 => clauses.swap_remove(0).1,
            _ => Box::new(OrderedQuery::new(clauses)),
        };
        if count == 0 {
            let text = shortened(&self.words.text);
            self.warnings.push(match (text.trim().is_empty(), left_out.is_empty()) {
                (true, _) => "there is no word to look for: the text is blank".to_owned(),
                (_, true) => {
                    format!("there is no word to look for in `{text}`: it has no letter and no digit")
                }
                (_, false) => {
                    format!("there is no word to look for in `{text}`: the fields leave all of it out")
                }
            });
        }
        let shown = left_out.len().min(SHOWN);
        let explained = json!({
            "operator": self.words.operator,
            "fields": self.fields.iter().map(|field| &field.name).collect::<Vec<_>>(),
            "count": count,
            "words": self.told,
            "left_out": &left_out[..shown],
        });
        Read { query, explained, warnings: self.warnings, asked: self.asked }
    }
}

/// Whether a word is one letter beside an apostrophe, as in O'Brien's and don't: people write it or not.
fn is_beside_apostrophe(text: &str, word: &Word) -> bool {
    let before = text[..word.from].ends_with(APOSTROPHES);
    let after = text[word.to..].starts_with(APOSTROPHES);
    (before || after) && text[word.from..word.to].chars().nth(1).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(parts: usize) -> Word {
        let terms: Terms = (0..parts).map(|at| (at, "x".to_owned())).collect();
        Word { from: 0, to: 1, terms: vec![terms.clone(), terms] }
    }

    #[test]
    fn terms_are_counted_over_words_and_fields() {
        let mut warnings = Vec::new();
        // A run of Chinese is one word of many parts.
        let mut run = vec![word(1), word(300_000), word(1)];
        assert_eq!(cut(&mut run, 2, &mut warnings), 0);
        let left: Vec<usize> = run.iter().map(|word| word.terms[0].len()).collect();
        assert_eq!(left, [1, QUERY_CLAUSES / 2 - 1]);
        assert_eq!(warnings, [format!("of 300002 words the first {} are looked for", QUERY_CLAUSES / 2)]);
        let mut few = vec![word(1), word(3)];
        assert_eq!(cut(&mut few, 2, &mut warnings), QUERY_CLAUSES - 8);
        assert_eq!((few.len(), warnings.len()), (2, 1));
        let mut many: Vec<Word> = (0..MOST_WORDS + 5).map(|_| word(1)).collect();
        cut(&mut many, 2, &mut warnings);
        assert_eq!((many.len(), warnings.len()), (MOST_WORDS, 2));
    }
}
