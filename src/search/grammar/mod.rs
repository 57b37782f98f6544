//! From what a user typed to a tantivy query: tantivy's grammar, read by a parser of our own that knows the bytes, and the
//! rule that no clause of a filter is ever left out.
//!
//! `lex` and `parse` make the clauses of `ast`; `build` turns them into queries for each `target` (a field), by
//! `words` (what an analysis makes of them), `values` (numbers and the like), `dates`, `ranges`, `exists`, `wildcard` and `fuzzy`.
//! `told` is what is found out about words on the way, `forms` says in an error what to write instead; `fields` serves plain words, which need no grammar.

mod analysed;
mod ast;
mod build;
mod dates;
mod errors;
mod exists;
mod fields;
mod forms;
mod fuzzy;
mod lex;
mod parse;
mod ranges;
mod target;
#[cfg(test)]
mod tests;
mod told;
mod values;
mod wildcard;
mod words;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::Searcher;
use tantivy::query::{Query, QueryParser};
use tantivy::schema::{Field, FieldType, Schema};
use tantivy::tokenizer::TokenizerManager;

use self::lex::Spent;
use super::budget::Budget;
use super::scorer::MAX_WEIGHT;
use super::top::ID_FIELD;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, QUERY_BYTES};
use crate::schema::SynonymMap;

pub use ast::Mode;
pub(in crate::search) use errors::unknown_field;
pub(in crate::search) use fields::WordField;
pub(in crate::search) use told::{AskedWord, Told};

/// Parses queries in tantivy's grammar; words without a field search every tokenised text field.
///
/// Beside that grammar:
/// - `word~` and `word~2` match words within one or two edits (a swap of neighbours is one), each with the score of its
///   boost alone; they are for single words in text fields.
/// - `bir*`, `b?rd` and `*ird` match words of text fields by `*` (any letters) and `?` (one letter inside of a word), up to
///   10,000 different words, each with the score of its boost alone. A word is compared as the field writes words (case,
///   accents); in fields of stems, n-grams or prefixes it is an error. In fields that keep a value whole (`id`, exact twins) both are plain letters.
/// - A group that only excludes, as in `red AND (NOT circle)`, stands for all documents but those. The whole query must
///   still name something to look for.
/// - `&&`, `||` between clauses and `!` before one are AND, OR and NOT. The first two need no blanks: `a&&b` is two words.
/// - In filters a word without quotes is an error where it begins with `=`, `!`, AND, OR or NOT and a sign, or (in
///   tokenised text fields) `-`, and where a typographic quote stands at an end of it. A backslash makes the sign a letter.
/// - In a group of a field of numbers (`_extra` too) `-5` is a value: `n:(-5 OR 7)` asks for two. In all other groups, and
///   without a field, `-` before a clause excludes it. Filters want an operator beside such a number.
/// - In filters a clause without a sign beside one with `+` is an error: it would leave nothing out.
/// - `IN [a, b]` takes commas or blanks; a comma of a value stands in quotes or after a backslash.
/// - `field:*` and `field:[* TO *]` match documents that have the field. Where it has no column, the documents without a
///   term of it are read from the store.
/// - Bounds of ranges may stand in quotes. Over text, numbers as bounds must: texts compare letter by letter.
/// - In a field of dates a value is an instant of RFC 3339, or all of a day, month or year in UTC: `taken:2024-05`,
///   `taken:[2020-01-01 TO 2021-06-30]` with the whole last day, `taken:"2024-05-01T10:00:00+02:00"` in any offset.
///   Instants are told apart as the column does: to the microsecond in fields of this crate.
/// - Ranges over text compare its words, in a field with a column too; ranges over `_extra.KEY` compare numbers, or words.
///
/// In keywords a word alone, without quotes and marks, also finds what the synonyms of a field say, at 0.8 of what the word itself would
/// score there; `Engine` knows the synonyms of an index. A word in quotes is looked for as it is, and so is everything in a filter.
///
/// A phrase out of which the analysis dropped a word keeps its place in keywords, where it is inside; at an edge of the
/// phrase, and in filters, the field does not take part, and where no field is left it is an error. Under an exclusion in a
/// filter every field that is asked must take part. Emoji and other pictures beside a word count as words there.
///
/// What one query may ask for has limits: `QUERY_BYTES`, `QUERY_DEPTH`, `QUERY_CLAUSES` and `QUERY_PATTERNS` of
/// [`crate::limits`].
#[derive(Clone)]
pub struct Grammar {
    schema: Schema,
    tokenizers: TokenizerManager,
    defaults: Vec<Field>,
    boosts: BTreeMap<Field, f32>,
    /// What stands for words of a field, by the rules of each index.
    synonyms: BTreeMap<Field, Vec<Arc<SynonymMap>>>,
    /// All that is searched, where that is known: patterns are bounded over it.
    searchers: Vec<Searcher>,
    /// Asked while the words of a pattern are looked for.
    budget: Budget,
    /// What the filters of a query took, where they are bounded together.
    together: Option<Arc<Mutex<Spent>>>,
    /// For values of types that only an app's own index has.
    parser: QueryParser,
}

impl Grammar {
    /// The grammar over the fields of `index`.
    pub fn new(index: &tantivy::Index) -> Self {
        let schema = index.schema();
        let defaults = tokenised_fields(&schema);
        let parser = QueryParser::for_index(index, defaults.clone());
        Self {
            schema,
            tokenizers: index.tokenizers().clone(),
            defaults,
            boosts: BTreeMap::new(),
            synonyms: BTreeMap::new(),
            searchers: Vec::new(),
            budget: Budget::default(),
            together: None,
            parser,
        }
    }

    /// Bounds patterns by the words of all `searchers` together, and says so with their byte. Without it they are bounded
    /// when they run, in each index for itself.
    pub(in crate::search) fn over(self, searchers: Vec<Searcher>) -> Self {
        Self { searchers, ..self }
    }

    /// Ends with the query that `budget` is of, and bounds what it parses of filters together.
    pub(in crate::search) fn within(self, budget: Budget) -> Self {
        Self { budget, together: Some(Arc::default()), ..self }
    }

    /// Widens single words of keywords, and plain words, by synonyms.
    pub(in crate::search) fn widened_by(mut self, synonyms: Vec<(Field, Arc<SynonymMap>)>) -> Self {
        for (field, map) in synonyms {
            let known = self.synonyms.entry(field).or_default();
            if !known.iter().any(|other| Arc::ptr_eq(other, &map)) {
                known.push(map);
            }
        }
        self
    }

    /// Multiplies the scores of words in `field`.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownField`] with near names; [`ErrorCode::BadArgument`] for a boost that is not 0 to 1e6.
    pub fn boost(mut self, field: &str, boost: f32) -> Result<Self> {
        let found = self.schema.get_field(field).map_err(|_| unknown_field(&self.schema, field))?;
        // NaN is in no range.
        if !(0.0..=MAX_WEIGHT).contains(&boost) {
            return Err(Error::new(
                ErrorCode::BadArgument,
                format!("the boost of field `{field}` is unusable"),
            )
            .expected(format!("0 to {MAX_WEIGHT}"))
            .got(boost));
        }
        self.boosts.insert(found, boost);
        Ok(self)
    }

    /// Parses keywords: [`Mode::Keywords`].
    ///
    /// # Errors
    /// [`ErrorCode::BadQuery`] with the byte offset, for syntax, values of the wrong type, and where no word is left;
    /// [`ErrorCode::UnknownField`] with near names; [`ErrorCode::TooLarge`] above the limits on queries.
    pub fn keywords(&self, text: &str) -> Result<Box<dyn Query>> {
        self.parse(Mode::Keywords, text)
    }

    /// Parses a filter: [`Mode::Filter`].
    ///
    /// # Errors
    /// Those of [`Grammar::keywords`]; [`ErrorCode::BadQuery`] for a clause that gives no term, which it names.
    pub fn filter(&self, text: &str) -> Result<Box<dyn Query>> {
        self.parse(Mode::Filter, text)
    }

    /// Parses `text` as what `mode` says.
    ///
    /// # Errors
    /// Those of [`Grammar::keywords`] and [`Grammar::filter`].
    pub fn parse(&self, mode: Mode, text: &str) -> Result<Box<dyn Query>> {
        Ok(self.told(mode, text)?.0)
    }

    /// [`Grammar::parse`], with what was found out about the words.
    pub(in crate::search) fn told(&self, mode: Mode, text: &str) -> Result<(Box<dyn Query>, Told)> {
        if text.trim().is_empty() {
            return Err(Error::new(ErrorCode::BadQuery, format!("the {} query is blank", mode.as_str()))
                .offset(0)
                .hint("leave it out, or ask for all documents with *"));
        }
        if text.len() > QUERY_BYTES {
            let whose = if mode == Mode::Filter { "filter" } else { "keywords" };
            let what = format!("the query string of the {whose} is too long");
            return Err(limits::over(what, QUERY_BYTES, text.len(), "bytes").hint("ask in several queries"));
        }
        self.read(mode, text).map_err(|error| self.with_form(mode, text, error))
    }

    /// [`Grammar::parse`] of a text of a length that is let through.
    fn read(&self, mode: Mode, text: &str) -> Result<(Box<dyn Query>, Told)> {
        let holds_numbers = |name: &str| {
            self.schema.find_field(name).is_some_and(|(field, _)| {
                let kind = self.schema.get_field_entry(field).field_type();
                matches!(
                    kind,
                    FieldType::I64(_) | FieldType::U64(_) | FieldType::F64(_) | FieldType::JsonObject(_)
                )
            })
        };
        self.budget.check_cancelled()?;
        let mut spent = Spent::default();
        let together = self.together.as_ref().filter(|_| mode == Mode::Filter);
        let mut together = together.map(|all| all.lock().unwrap_or_else(PoisonError::into_inner));
        let all = together.as_deref_mut().unwrap_or(&mut spent);
        let node = parse::parse(mode, text, &holds_numbers, self.defaults.len(), all)?;
        drop(together);
        self.build(mode, text, node)
    }
}

/// Parses `text` with [`Grammar`].
///
/// # Errors
/// Those of [`Grammar::parse`].
pub fn parse(index: &tantivy::Index, mode: Mode, text: &str) -> Result<Box<dyn Query>> {
    Grammar::new(index).parse(mode, text)
}

/// Whether an analysis keeps a value as one term, as `raw` and `raw+lower` do.
fn is_whole(tokenizer: &str) -> bool {
    tokenizer.split('+').any(|part| part == "raw")
}

fn tokenised_fields(schema: &Schema) -> Vec<Field> {
    let tokenised = |kind: &FieldType| match kind {
        FieldType::Str(options) => {
            options.get_indexing_options().is_some_and(|indexing| !is_whole(indexing.tokenizer()))
        }
        _ => false,
    };
    let fields =
        schema.fields().filter(|(_, entry)| entry.name() != ID_FIELD && tokenised(entry.field_type()));
    fields.map(|(field, _)| field).collect()
}
