//! The keyword leg: tantivy's query grammar and BM25, ties by id.

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::{AllQuery, BooleanQuery, ConstScoreQuery, Occur, Query, QueryParser};
use tantivy::schema::{FieldType, Schema};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::top::{self, ID_FIELD, RankedDoc, SegmentTop};
use crate::error::{Error, ErrorCode, Result};

/// Parses `text` in tantivy's query grammar; words without a field search every tokenised text field.
///
/// A group that only excludes, as in `red AND (NOT circle)`, stands for all documents but those; tantivy's own parser lets
/// it match nothing, and so `red AND NOT circle` too. The whole query must still name something to look for.
///
/// # Errors
/// [`ErrorCode::BadQuery`] for a syntax error or a value of the wrong type, [`ErrorCode::UnknownField`].
pub fn parse(index: &tantivy::Index, what: &str, text: &str) -> Result<Box<dyn Query>> {
    let schema = index.schema();
    let parser = QueryParser::for_index(index, tokenised_fields(&schema));
    parser.parse_query(text).map(all_but_excluded).map_err(|e| {
        use tantivy::query::QueryParserError as Q;
        let code =
            if matches!(e, Q::FieldDoesNotExist(_)) { ErrorCode::UnknownField } else { ErrorCode::BadQuery };
        let error =
            Error::new(code, format!("the {what} query does not parse: {e}")).got(format!("{text:?}"));
        let fields: Vec<&str> =
            schema.fields().map(|(_, e)| e.name()).filter(|n| !n.starts_with('_')).collect();
        match code {
            _ if matches!(e, Q::AllButQueryForbidden) => {
                error.hint("begin with something to exclude from, such as all: * AND NOT ..")
            }
            ErrorCode::UnknownField => error.hint(format!("the index has the fields {}", fields.join(", "))),
            _ => error.hint("quote phrases, and put a backslash before special characters"),
        }
        .source(e)
    })
}

/// Gives every group that only excludes all documents to exclude from, without a score of their own.
fn all_but_excluded(query: Box<dyn Query>) -> Box<dyn Query> {
    let Some(group) = query.downcast_ref::<BooleanQuery>() else { return query };
    let mut clauses: Vec<(Occur, Box<dyn Query>)> =
        group.clauses().iter().map(|(occur, query)| (*occur, all_but_excluded(query.box_clone()))).collect();
    if !clauses.is_empty() && clauses.iter().all(|(occur, _)| *occur == Occur::MustNot) {
        clauses.push((Occur::Must, Box::new(ConstScoreQuery::new(Box::new(AllQuery), 0.0))));
        return Box::new(BooleanQuery::new(clauses));
    }
    let least = group.get_minimum_number_should_match();
    Box::new(BooleanQuery::with_minimum_required_clauses(clauses, least))
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

#[cfg(test)]
mod tests {
    use tantivy::schema::{STRING, TEXT};
    use tantivy::{Index, doc};

    use super::*;

    #[test]
    fn excluding_groups_leave_the_rest() {
        let mut builder = Schema::builder();
        let (id, text) = (builder.add_text_field("id", STRING), builder.add_text_field("text", TEXT));
        let index = Index::create_in_ram(builder.build());
        let mut writer = index.writer_with_num_threads(1, 15 << 20).unwrap();
        for (at, words) in ["red circle", "blue circle", "red square", "blue square"].iter().enumerate() {
            writer.add_document(doc!(id => at.to_string(), text => *words)).unwrap();
        }
        writer.commit().unwrap();
        let searcher = index.reader().unwrap().searcher();
        let found = |query: &str| {
            let query = parse(&index, "keyword", query).unwrap();
            let mut docs: Vec<DocId> = searcher
                .search(&query, &tantivy::collector::DocSetCollector)
                .unwrap()
                .iter()
                .map(|a| a.doc_id)
                .collect();
            docs.sort_unstable();
            docs
        };
        for query in
            ["circle AND NOT red", "circle -red", "circle AND (NOT red)", "circle AND (NOT (NOT blue))"]
        {
            assert_eq!(found(query), [1], "{query}");
        }
        assert_eq!(found("* AND NOT red"), [1, 3]);
        assert_eq!(found("square OR NOT red"), [1, 2, 3]);
        assert_eq!(found("circle AND red"), [0]);
        // What is excluded adds nothing to the score.
        let score = |query: &str| {
            let query = parse(&index, "keyword", query).unwrap();
            let top = tantivy::collector::TopDocs::with_limit(1).order_by_score();
            searcher.search(&query, &top).unwrap()[0].0
        };
        assert_eq!(score("circle AND NOT red"), score("circle"));
        let error = parse(&index, "keyword", "NOT red").err().unwrap();
        assert_eq!(error.code(), ErrorCode::BadQuery);
        assert!(error.facts().hint.as_deref().unwrap().contains("* AND NOT"), "{error}");
    }
}
