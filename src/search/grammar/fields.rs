//! Fields of words, for those who look for words without the grammar.

use std::sync::Arc;

use tantivy::query::{BoostQuery, Query};
use tantivy::schema::{Field, FieldType};
use tantivy::tokenizer::TextAnalyzer;

use super::wildcard::{has_other_terms, spelling};
use super::{Grammar, is_whole, unknown_field};
use crate::error::{Error, ErrorCode, Result};
use crate::schema::{SynonymMap, exact_name};

/// A part of the analyses whose terms overlap, each a word of its own.
const PAIRS: &str = "cjk_bigram";
/// Parts of the analyses whose terms are pieces of words.
const PIECES: [&str; 2] = ["ngram:", "prefix:"];

/// A text field whose terms are words, with what it makes of a text.
pub(in crate::search) struct WordField {
    pub(in crate::search) field: Field,
    pub(in crate::search) name: String,
    pub(in crate::search) analyzer: TextAnalyzer,
    /// The analysis without stems, for the letters of a beginning; `None` where terms are pieces of words.
    pub(in crate::search) spelling: Option<TextAnalyzer>,
    /// Whether terms overlap, so that several of them are no phrase.
    pub(in crate::search) overlaps: bool,
    pub(in crate::search) has_positions: bool,
    /// Whether terms are words as people write them: no stems, no pieces.
    pub(in crate::search) as_written: bool,
    /// What stands for its words.
    pub(in crate::search) synonyms: Vec<Arc<SynonymMap>>,
    boost: f32,
}

impl WordField {
    /// `query` with the boost of the field.
    pub(in crate::search) fn boosted(&self, query: Box<dyn Query>) -> Box<dyn Query> {
        if self.boost == 1.0 { query } else { Box::new(BoostQuery::new(query, self.boost)) }
    }
}

impl Grammar {
    /// The fields `names`; every default field where there is none.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownField`] with near names; [`ErrorCode::BadArgument`] for a field that holds no words, or an index
    /// without any that does.
    pub(in crate::search) fn word_fields(&self, names: &[String]) -> Result<Vec<WordField>> {
        let mut fields: Vec<Field> = Vec::new();
        for name in names {
            let field = self.schema.get_field(name).map_err(|_| unknown_field(&self.schema, name))?;
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
        if names.is_empty() {
            fields.clone_from(&self.defaults);
        }
        if fields.is_empty() {
            return Err(Error::new(ErrorCode::BadArgument, "the index has no text to look for words in")
                .expected("a text field that is indexed"));
        }
        fields.into_iter().map(|field| self.word_field(field)).collect()
    }

    fn word_field(&self, field: Field) -> Result<WordField> {
        let entry = self.schema.get_field_entry(field);
        let name = entry.name().to_owned();
        let no_words = |why: &str| {
            let error = Error::new(ErrorCode::BadArgument, format!("the field `{name}` {why}"))
                .expected("a text field that is indexed by words");
            let twin = name.strip_suffix(&exact_name("")).filter(|base| self.schema.get_field(base).is_ok());
            match twin {
                Some(base) => error.hint(format!("words are looked for in `{base}`")),
                None => error.hint(self.words_are_in()),
            }
        };
        if let FieldType::Date(_) = entry.field_type() {
            let way = format!("dates are asked for in a filter, such as {name}:2024-05-01 or {name}:2024");
            return Err(no_words("holds dates").hint(way));
        }
        let FieldType::Str(options) = entry.field_type() else { return Err(no_words("holds no text")) };
        let Some(indexing) = options.get_indexing_options() else {
            return Err(no_words("is kept and not indexed"));
        };
        let analysis = indexing.tokenizer();
        if is_whole(analysis) {
            return Err(no_words("holds whole values"));
        }
        let analyzer = self.tokenizers.get(analysis).ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, format!("the analysis `{analysis}` of `{name}` is not there"))
                .hint("register it before the query is parsed")
        })?;
        let has = |part: &str| analysis.split('+').any(|own| own.starts_with(part));
        let spelling = match PIECES.into_iter().any(has) {
            true => None,
            false if has_other_terms(analysis) => spelling(analysis),
            false => Some(analyzer.clone()),
        };
        Ok(WordField {
            field,
            analyzer,
            spelling,
            overlaps: has(PAIRS),
            has_positions: indexing.index_option().has_positions(),
            as_written: !has_other_terms(analysis),
            synonyms: self.synonyms.get(&field).cloned().unwrap_or_default(),
            boost: self.boosts.get(&field).copied().unwrap_or(1.0),
            name,
        })
    }

    fn words_are_in(&self) -> String {
        let names: Vec<String> =
            self.defaults.iter().map(|field| format!("`{}`", self.schema.get_field_name(*field))).collect();
        match names.is_empty() {
            true => "the index has no field of words".to_owned(),
            false => format!("fields of words are {}", names.join(", ")),
        }
    }
}
