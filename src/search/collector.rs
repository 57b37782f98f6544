//! A tantivy collector that scores what any query matches.

use std::sync::Arc;

use rayon::prelude::*;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::scorer::DocScorer;
use super::top::{self, RankedDoc, SegmentTop};
use crate::error::Result;
use crate::index::{SegmentCache, SegmentVectors};

/// Documents that are buffered before they are scored together.
const BATCH: usize = 4096;
/// Documents of one rayon task.
const TASK: usize = 256;

/// Ranks the documents that a query matches by the metric network (or the scorer's other similarity) and keeps the best k.
///
/// Works alone, in tuples and in tantivy's `MultiCollector`; it asks for no BM25 scores.
#[derive(Clone)]
pub struct MetricCollector {
    scorer: Arc<DocScorer>,
    cache: SegmentCache,
    k: usize,
}

impl MetricCollector {
    /// Keeps the best `k`. `cache` is that of the index's plugin.
    pub fn new(scorer: Arc<DocScorer>, cache: &SegmentCache, k: usize) -> Self {
        Self { scorer, cache: cache.clone(), k }
    }
}

/// What a [`MetricCollector`] brings home.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct MetricFruit {
    /// The best k documents, best first.
    pub docs: Vec<RankedDoc>,
    /// Documents that the query matched.
    pub matched: u64,
    /// Documents of these that had an item to score.
    pub scored: u64,
}

impl Collector for MetricCollector {
    type Fruit = MetricFruit;
    type Child = MetricSegmentCollector;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        let open = || -> Result<MetricSegmentCollector> {
            Ok(MetricSegmentCollector {
                scorer: self.scorer.clone(),
                vectors: self.cache.get(reader)?,
                top: SegmentTop::new(self.k, segment, reader)?,
                buffer: Vec::with_capacity(BATCH),
                matched: 0,
                scored: 0,
            })
        };
        open().map_err(crate::index::to_tantivy)
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Result<MetricFruit>>) -> tantivy::Result<MetricFruit> {
        let fruits: Vec<MetricFruit> =
            fruits.into_iter().collect::<Result<_>>().map_err(crate::index::to_tantivy)?;
        let matched = fruits.iter().map(|fruit| fruit.matched).sum();
        let scored = fruits.iter().map(|fruit| fruit.scored).sum();
        let docs = top::merge(fruits.into_iter().map(|fruit| fruit.docs), self.k);
        Ok(MetricFruit { docs, matched, scored })
    }
}

/// The part of a [`MetricCollector`] that works on one segment.
pub struct MetricSegmentCollector {
    scorer: Arc<DocScorer>,
    vectors: Arc<SegmentVectors>,
    top: SegmentTop,
    buffer: Vec<DocId>,
    matched: u64,
    scored: u64,
}

impl MetricSegmentCollector {
    fn flush(&mut self) {
        let (scorer, vectors) = (&*self.scorer, &*self.vectors);
        let values: Vec<Option<f32>> =
            self.buffer.par_chunks(TASK).flat_map_iter(|docs| scorer.values(vectors, docs)).collect();
        for (&doc, value) in self.buffer.iter().zip(values) {
            if let Some(value) = value {
                self.scored += 1;
                self.top.push(doc, value);
            }
        }
        self.matched += self.buffer.len() as u64;
        self.buffer.clear();
    }
}

impl SegmentCollector for MetricSegmentCollector {
    type Fruit = Result<MetricFruit>;

    fn collect(&mut self, doc: DocId, _: Score) {
        self.buffer.push(doc);
        if self.buffer.len() >= BATCH {
            self.flush();
        }
    }

    fn collect_block(&mut self, docs: &[DocId]) {
        self.buffer.extend_from_slice(docs);
        if self.buffer.len() >= BATCH {
            self.flush();
        }
    }

    fn harvest(mut self) -> Self::Fruit {
        self.flush();
        Ok(MetricFruit { docs: self.top.finish()?, matched: self.matched, scored: self.scored })
    }
}
