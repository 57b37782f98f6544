//! The keyword leg: tantivy's query grammar and BM25, ties by id.

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::{Query, QueryParser};
use tantivy::schema::{FieldType, Schema};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::top::{self, ID_FIELD, RankedDoc, SegmentTop};
use crate::error::{Error, ErrorCode, Result};

/// Parses `text` in tantivy's query grammar; words without a field search every tokenised text field.
///
/// # Errors
/// [`ErrorCode::BadQuery`] for a syntax error or a value of the wrong type, [`ErrorCode::UnknownField`].
pub fn parse(index: &tantivy::Index, what: &str, text: &str) -> Result<Box<dyn Query>> {
    let schema = index.schema();
    let parser = QueryParser::for_index(index, tokenised_fields(&schema));
    parser.parse_query(text).map_err(|e| {
        use tantivy::query::QueryParserError as Q;
        let code =
            if matches!(e, Q::FieldDoesNotExist(_)) { ErrorCode::UnknownField } else { ErrorCode::BadQuery };
        let error =
            Error::new(code, format!("the {what} query does not parse: {e}")).got(format!("{text:?}"));
        let fields: Vec<&str> =
            schema.fields().map(|(_, e)| e.name()).filter(|n| !n.starts_with('_')).collect();
        match code {
            ErrorCode::UnknownField => error.hint(format!("the index has the fields {}", fields.join(", "))),
            _ => error.hint("quote phrases, and put a backslash before special characters"),
        }
        .source(e)
    })
}

fn tokenised_fields(schema: &Schema) -> Vec<tantivy::schema::Field> {
    let tokenised = |kind: &FieldType| match kind {
        FieldType::Str(options) => {
            options.get_indexing_options().is_some_and(|indexing| indexing.tokenizer() != "raw")
        }
        _ => false,
    };
    let fields =
        schema.fields().filter(|(_, entry)| entry.name() != ID_FIELD && tokenised(entry.field_type()));
    fields.map(|(field, _)| field).collect()
}

/// Keeps the best k by the query's own score, ties by id (tantivy's `TopDocs` breaks them by address).
#[derive(Debug, Clone)]
pub struct KeywordCollector {
    k: usize,
}

impl KeywordCollector {
    /// Keeps the best `k`.
    pub fn new(k: usize) -> Self {
        Self { k }
    }
}

/// What a [`KeywordCollector`] brings home.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct KeywordFruit {
    /// The best k documents, best first.
    pub docs: Vec<RankedDoc>,
    /// Documents that the query matched.
    pub matched: u64,
}

impl Collector for KeywordCollector {
    type Fruit = KeywordFruit;
    type Child = KeywordSegmentCollector;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        let top = SegmentTop::new(self.k, segment, reader).map_err(crate::index::to_tantivy)?;
        Ok(KeywordSegmentCollector { top, matched: 0 })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, fruits: Vec<Result<KeywordFruit>>) -> tantivy::Result<KeywordFruit> {
        let fruits: Vec<KeywordFruit> =
            fruits.into_iter().collect::<Result<_>>().map_err(crate::index::to_tantivy)?;
        let matched = fruits.iter().map(|fruit| fruit.matched).sum();
        Ok(KeywordFruit { docs: top::merge(fruits.into_iter().map(|fruit| fruit.docs), self.k), matched })
    }
}

/// The part of a [`KeywordCollector`] that works on one segment.
pub struct KeywordSegmentCollector {
    top: SegmentTop,
    matched: u64,
}

impl SegmentCollector for KeywordSegmentCollector {
    type Fruit = Result<KeywordFruit>;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.matched += 1;
        self.top.push(doc, score);
    }

    fn harvest(self) -> Self::Fruit {
        Ok(KeywordFruit { docs: self.top.finish()?, matched: self.matched })
    }
}
