//! `field:*`: documents that have a value of a field, whatever it is.

use std::ops::Bound;

use tantivy::query::{
    BitSetDocSet, ConstScorer, EnableScoring, ExistsQuery, Explanation, InvertedIndexRangeQuery, Query,
    Scorer, Weight,
};
use tantivy::schema::document::OwnedValue;
use tantivy::schema::{Field, FieldType, IndexRecordOption};
use tantivy::{BitSet, DocId, DocSet, Score, SegmentReader, TERMINATED, Term};

use super::ast::Leaf;
use super::errors::Place;
use super::target::Target;
use super::wildcard::explain;
use super::{Grammar, is_whole};
use crate::error::Result;
use crate::index::{Documents, whole};

/// Blocks of the store that are kept while it is read in order.
const BLOCKS: usize = 4;
/// Ends the path of a key in the terms of a JSON field; the next byte parts a key from the key inside of it.
const END_OF_PATH: u8 = 0;

impl Grammar {
    /// Documents that have a value of the field.
    pub(super) fn exists(&self, place: Place<'_>, leaf: &Leaf, target: Target<'_>) -> Result<Box<dyn Query>> {
        let (field, entry) = (target.field, target.entry);
        let column = entry.is_fast()
            && match entry.field_type() {
                // A column of words lacks values without one.
                FieldType::Str(options) => options.get_fast_field_tokenizer_name().is_some_and(is_whole),
                _ => true,
            };
        if column {
            let name = match target.path {
                "" => entry.name().to_owned(),
                path => format!("{}.{path}", entry.name()),
            };
            return Ok(Box::new(ExistsQuery::new(name, true)));
        }
        let present = |terms| -> Box<dyn Query> {
            Box::new(PresentQuery { field, path: target.path.to_owned(), terms })
        };
        match entry.field_type() {
            FieldType::Str(_) if entry.is_stored() => {
                Ok(present(if entry.is_indexed() { Terms::Of(vec![], None) } else { Terms::None }))
            }
            FieldType::JsonObject(options) if entry.is_stored() => {
                let terms = match (entry.is_indexed(), target.path) {
                    (false, _) => Terms::None,
                    (true, "") => Terms::Of(vec![], None),
                    (true, path) => {
                        let path = Term::from_field_json_path(field, path, options.is_expand_dots_enabled());
                        let lower = path.serialized_value_bytes().to_vec();
                        let mut upper = lower.clone();
                        if upper.last() == Some(&END_OF_PATH) {
                            upper.pop();
                        }
                        // Above the keys inside of this one.
                        upper.push(2);
                        Terms::Of(lower, Some(upper))
                    }
                };
                Ok(present(terms))
            }
            FieldType::Str(_) | FieldType::JsonObject(_) | FieldType::Custom(_) => {
                Err(self.cannot(place, leaf, target))
            }
            // Every value of the other types is a term.
            _ if entry.is_indexed() => {
                let least = Bound::Included(Term::from_field_text(field, ""));
                Ok(Box::new(InvertedIndexRangeQuery::new(least, Bound::Unbounded)))
            }
            _ => Err(self.cannot(place, leaf, target)),
        }
    }

    fn cannot(&self, place: Place<'_>, leaf: &Leaf, target: Target<'_>) -> crate::Error {
        let why = format!("the index does not keep which documents have `{}`", target.name());
        place
            .error(&leaf.span, &why)
            .expected("a field with a column, or whose values are stored")
            .hint("build the index with `fast = true` or `stored = true` for the field")
    }
}

/// The terms that tell that a value is there.
#[derive(Debug, Clone)]
enum Terms {
    None,
    /// From the first up to the second, which is left out.
    Of(Vec<u8>, Option<Vec<u8>>),
}

/// Documents with a term of the field, and those whose stored value gave no term: blank, signs alone, very long words.
///
/// Cost: the postings of the field, and the stored documents that have no term of it.
#[derive(Debug, Clone)]
struct PresentQuery {
    field: Field,
    path: String,
    terms: Terms,
}

impl Query for PresentQuery {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(PresentWeight(self.clone())))
    }
}

struct PresentWeight(PresentQuery);

impl Weight for PresentWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut docs = BitSet::with_max_value(reader.max_doc());
        self.0.with_terms(reader, &mut docs)?;
        let store = Documents::open(reader, BLOCKS).map_err(whole)?;
        let without: Vec<DocId> = reader.doc_ids_alive().filter(|&doc| !docs.contains(doc)).collect();
        for doc in without {
            let document = store.get(doc).map_err(whole)?;
            if document.get_all(self.0.field).any(|value| present(&OwnedValue::from(value), &self.0.path)) {
                docs.insert(doc);
            }
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(docs), boost)))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        explain(self, reader, doc, "the field is there")
    }
}

impl PresentQuery {
    fn with_terms(&self, reader: &SegmentReader, docs: &mut BitSet) -> tantivy::Result<()> {
        let Terms::Of(lower, upper) = &self.terms else { return Ok(()) };
        // A text has a length where it has a term.
        if let (true, Some(norms)) = (lower.is_empty(), reader.fieldnorms_readers().get_field(self.field)?) {
            for doc in (0..reader.max_doc()).filter(|&doc| norms.fieldnorm_id(doc) > 0) {
                docs.insert(doc);
            }
            return Ok(());
        }
        let inverted = reader.inverted_index(self.field)?;
        let mut range = inverted.terms().range().ge(lower);
        if let Some(upper) = upper {
            range = range.lt(upper);
        }
        let mut stream = range.into_stream()?;
        while stream.advance() {
            let mut postings =
                inverted.read_postings_from_terminfo(stream.value(), IndexRecordOption::Basic)?;
            while postings.doc() != TERMINATED {
                docs.insert(postings.doc());
                postings.advance();
            }
        }
        Ok(())
    }
}

/// Whether something but null stands at `path`, whose keys are joined by dots, as the index reads them.
fn present(value: &OwnedValue, path: &str) -> bool {
    match value {
        OwnedValue::Null => false,
        OwnedValue::Array(list) => list.iter().any(|value| present(value, path)),
        OwnedValue::Object(map) => map.iter().any(|(key, value)| {
            if path.is_empty() {
                return present(value, "");
            }
            let rest = path.strip_prefix(key.as_str());
            rest.is_some_and(|rest| match rest.strip_prefix('.') {
                Some(rest) => present(value, rest),
                None => rest.is_empty() && present(value, ""),
            })
        }),
        _ => path.is_empty(),
    }
}
