//! A tantivy collector that scores what any query matches.

use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::schema::Schema;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::scan::{MetricFruit, Scan, ScanCollector, ScanSegmentCollector};
use crate::error::Result;
use crate::index::SegmentCache;
use crate::search::budget::Budget;
use crate::search::scorer::DocScorer;
use crate::search::top::ID_FIELD;

/// Ranks the documents that a query matches by the metric network (or the scorer's other similarity) and keeps the best k.
///
/// Works alone, in tuples and in tantivy's `MultiCollector`; it asks for no BM25 scores. A scorer of another space than the
/// index is an error of the search, which [`crate::Error`] made from it gives as [`crate::ErrorCode::SpaceMismatch`].
#[derive(Clone)]
pub struct MetricCollector(ScanCollector);

impl MetricCollector {
    /// Keeps the best `k`. `cache` is that of the index's plugin.
    pub fn new(scorer: Arc<DocScorer>, cache: &SegmentCache, k: usize) -> Self {
        let scan = Scan { scorer, k, id: ID_FIELD.into(), budget: Budget::default() };
        Self(ScanCollector::new(vec![scan], cache))
    }

    /// Breaks ties by the field `name`, in place of [`ID_FIELD`].
    #[must_use]
    pub fn id_field(self, name: impl Into<Arc<str>>) -> Self {
        Self(self.0.id_field(&name.into()))
    }
}

impl Collector for MetricCollector {
    type Fruit = MetricFruit;
    type Child = MetricSegmentCollector;

    fn check_schema(&self, schema: &Schema) -> tantivy::Result<()> {
        self.0.check_schema(schema)
    }

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        self.0.for_segment(segment, reader).map(MetricSegmentCollector)
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Result<Vec<MetricFruit>>>) -> tantivy::Result<MetricFruit> {
        Ok(self.0.merge_fruits(fruits)?.pop().unwrap_or_default())
    }
}

/// The part of a [`MetricCollector`] that works on one segment.
pub struct MetricSegmentCollector(ScanSegmentCollector);

impl SegmentCollector for MetricSegmentCollector {
    type Fruit = Result<Vec<MetricFruit>>;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.0.collect(doc, score);
    }

    fn collect_block(&mut self, docs: &[DocId]) {
        self.0.collect_block(docs);
    }

    fn harvest(self) -> Self::Fruit {
        self.0.harvest()
    }
}
