//! Passages of stored text with the keywords marked: words and phrases; not what fuzzy words, patterns and ranges match.

use std::collections::{BTreeMap, BTreeSet};

use tantivy::TantivyDocument;
use tantivy::query::{Bm25StatisticsProvider, Query};
use tantivy::schema::FieldType;
use tantivy::snippet::SnippetGenerator;

use crate::error::{Error, ErrorCode, Result};
use crate::search::grammar::unknown_field;
use crate::search::view::shard::Shards;

/// Characters of the longest passage.
const LENGTH: usize = 160;

/// The fields that passages are shown of.
pub(crate) struct Snippets(Vec<(String, SnippetGenerator)>);

impl Snippets {
    /// Words weigh by how rare they are in all indexes together.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownField`]; [`ErrorCode::BadArgument`] for a field that is no stored text.
    pub(super) fn new(shards: &Shards, keywords: Option<&dyn Query>, fields: &[String]) -> Result<Self> {
        let (tantivy, schema) = (&shards.first().tantivy, shards.schema());
        let mut out = Vec::new();
        for name in fields {
            let field = schema.get_field(name).map_err(|_| unknown_field(schema, name))?;
            let entry = schema.get_field_entry(field);
            if !entry.is_stored() || !entry.is_indexed() || !matches!(entry.field_type(), FieldType::Str(_)) {
                return Err(Error::new(
                    ErrorCode::BadArgument,
                    format!("the field `{name}` has no snippets"),
                )
                .expected("a text field that is indexed and stored"));
            }
            let mut terms = BTreeSet::new();
            if let Some(keywords) = keywords {
                keywords.query_terms(&mut |term, _| {
                    if term.field() == field {
                        terms.insert(term.clone());
                    }
                });
            }
            let mut weights = BTreeMap::new();
            for term in terms {
                let documents = shards.doc_freq(&term)?;
                if let (Some(word), true) = (term.value().as_str(), documents > 0) {
                    // tantivy looks words up in lower case.
                    weights.insert(word.to_lowercase(), 1.0 / (1.0 + documents as f32));
                }
            }
            let tokenizer = tantivy.tokenizer_for_field(field)?;
            out.push((name.clone(), SnippetGenerator::new(weights, tokenizer, field, LENGTH)));
        }
        Ok(Self(out))
    }

    /// Whether none is asked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// By field, where a word of the query is in it.
    pub(crate) fn of(&self, document: &TantivyDocument) -> BTreeMap<String, String> {
        let snippet = |(name, generator): &(String, SnippetGenerator)| {
            let snippet = generator.snippet_from_doc(document);
            (!snippet.is_empty()).then(|| (name.clone(), snippet.to_html()))
        };
        self.0.iter().filter_map(snippet).collect()
    }
}
