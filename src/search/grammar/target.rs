//! A field that a clause asks, its analysis, and what it makes of the clause.

use tantivy::query::Query;
use tantivy::schema::{Field, FieldEntry, FieldType};
use tantivy::tokenizer::{MAX_TOKEN_LEN, TextAnalyzer};

use super::ast::{Leaf, Name};
use super::errors::Place;
use super::lex::SPECIAL;
use super::{Grammar, is_whole};
use crate::error::Result;
use crate::schema::{EXACT_LIMIT, exact_name};

/// A field that a clause asks, and the path into a JSON field.
#[derive(Clone, Copy)]
pub(super) struct Target<'a> {
    pub(super) field: Field,
    pub(super) entry: &'a FieldEntry,
    pub(super) path: &'a str,
}

impl Target<'_> {
    /// The name as it is written in a query.
    pub(super) fn name(&self) -> String {
        let escaped = |name: &str| {
            let special = |c: &char| [' ', '&', '|'].contains(c) || SPECIAL.contains(c);
            name.chars().flat_map(|c| special(&c).then_some('\\').into_iter().chain([c])).collect::<String>()
        };
        if self.path.is_empty() {
            return escaped(self.entry.name());
        }
        format!("{}.{}", escaped(self.entry.name()), escaped(self.path))
    }

    /// The analysis of a text field that is indexed.
    pub(super) fn tokenizer(&self) -> Option<&str> {
        match self.entry.field_type() {
            FieldType::Str(options) => options.get_indexing_options().map(|indexing| indexing.tokenizer()),
            FieldType::JsonObject(options) => {
                options.get_text_indexing_options().map(|indexing| indexing.tokenizer())
            }
            _ => None,
        }
    }

    /// Whether values are terms as a whole, so that marks in a word belong to them: ids, exact twins.
    pub(super) fn is_whole(&self) -> bool {
        matches!(self.entry.field_type(), FieldType::Str(_)) && self.tokenizer().is_some_and(is_whole)
    }
}

/// What a field makes of the words of a clause.
pub(super) enum Found {
    Query(Box<dyn Query>),
    /// No term, or not all of a phrase.
    Nothing(Lost),
}

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

impl Grammar {
    /// The field of a name, and the path in it.
    pub(super) fn target<'t>(&'t self, place: Place<'_>, name: &'t Name) -> Result<Target<'t>> {
        // tantivy ends paths with them.
        if name.path.contains(char::is_control) {
            let why = "the name of a field holds a control character";
            return Err(place
                .error(&name.span, why)
                .hint("name the field as `inspect` and the schema write it"));
        }
        let unknown = || place.no_field(&self.schema, name);
        let (field, path) = self.schema.find_field(&name.path).ok_or_else(unknown)?;
        let entry = self.schema.get_field_entry(field);
        if !path.is_empty() && !matches!(entry.field_type(), FieldType::JsonObject(_)) {
            return Err(unknown());
        }
        Ok(Target { field, entry, path })
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
}
