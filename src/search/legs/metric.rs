//! A tantivy collector that scores what any query matches.

use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::schema::Schema;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::scan::{MetricFruit, Scan, ScanCollector, ScanSegmentCollector, Scanned};
use crate::index::SegmentCache;
use crate::search::budget::Budget;
use crate::search::scorer::DocScorer;
use crate::search::top::ID_FIELD;
use crate::search::view::ids::Columns;

/// Ranks the documents that a query matches by the metric network (or the scorer's other similarity) and keeps the best k.
///
/// Works alone, in tuples and in tantivy's `MultiCollector`; it asks for no BM25 scores. A scorer of another space than the
/// index is an error of the search, which [`crate::Error`] made from it gives as [`crate::ErrorCode::SpaceMismatch`].
#[derive(Clone)]
pub struct MetricCollector(ScanCollector, usize);

impl MetricCollector {
    /// Keeps the best `k`. `cache` is that of the index's plugin.
    pub fn new(scorer: Arc<DocScorer>, cache: &SegmentCache, k: usize) -> Self {
        let ids = Columns::new(ID_FIELD.into());
        // Which segments a search has together, only its end tells.
        let scan = Scan { scorer, k, ids, budget: Budget::default(), floor: None };
        Self(ScanCollector::new(vec![scan], cache), k)
    }

    /// Breaks ties by the field `name`, in place of [`ID_FIELD`].
    #[must_use]
    pub fn id_field(self, name: impl Into<Arc<str>>) -> Self {
        Self(self.0.id_field(&name.into()), self.1)
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

    fn merge_fruits(&self, fruits: Vec<MetricSegmentFruit>) -> tantivy::Result<MetricFruit> {
        let fruits = fruits.into_iter().map(|fruit| fruit.0).collect();
        let found = self.0.merge_fruits(fruits)?.pop().unwrap_or_default();
        found.named(self.1).map_err(crate::index::to_tantivy)
    }
}

/// The part of a [`MetricCollector`] that works on one segment.
pub struct MetricSegmentCollector(ScanSegmentCollector);

/// What a [`MetricSegmentCollector`] finds, for its collector.
pub struct MetricSegmentFruit(Vec<Scanned>);

impl SegmentCollector for MetricSegmentCollector {
    type Fruit = MetricSegmentFruit;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.0.collect(doc, score);
    }

    fn collect_block(&mut self, docs: &[DocId]) {
        self.0.collect_block(docs);
    }

    fn harvest(self) -> Self::Fruit {
        MetricSegmentFruit(self.0.harvest())
    }
}
