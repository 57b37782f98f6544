//! Every keyword match with its BM25 score and its value from the metric network, ranked by their product.

use std::sync::Arc;

use rayon::prelude::*;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::budget::Budget;
use super::collector::{BATCH, MetricFruit, merge};
use super::fusion::product_score;
use super::row::unit_interval;
use super::scorer::DocScorer;
use super::top::SegmentTop;
use crate::error::Result;
use crate::index::{SegmentCache, SegmentVectors};

const TASK: usize = 256;

/// Keeps the best k by [`product_score`], ties by id. A score of a document needs no other document, so that it may be
/// computed inside a segment.
#[derive(Clone)]
pub(super) struct ProductCollector {
    pub(super) scorer: Arc<DocScorer>,
    pub(super) cache: SegmentCache,
    pub(super) k: usize,
    /// Exponents of the keyword leg and the media leg.
    pub(super) weights: (f32, f32),
    pub(super) budget: Budget,
}

impl Collector for ProductCollector {
    type Fruit = MetricFruit;
    type Child = ProductSegmentCollector;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        let open = || -> Result<ProductSegmentCollector> {
            let vectors = self.cache.get(reader)?;
            self.scorer.check(&vectors)?;
            Ok(ProductSegmentCollector {
                vectors,
                top: SegmentTop::new(self.k, segment, reader)?,
                buffer: Vec::with_capacity(BATCH),
                fruit: MetricFruit::default(),
                of: self.clone(),
            })
        };
        open().map_err(crate::index::to_tantivy)
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, fruits: Vec<Result<MetricFruit>>) -> tantivy::Result<MetricFruit> {
        let fruits: Vec<Vec<MetricFruit>> = fruits
            .into_iter()
            .map(|f| f.map(|f| vec![f]))
            .collect::<Result<_>>()
            .map_err(crate::index::to_tantivy)?;
        Ok(merge(fruits, &[self.k]).pop().unwrap_or_default())
    }
}

/// The part of a [`ProductCollector`] that works on one segment.
pub(super) struct ProductSegmentCollector {
    of: ProductCollector,
    vectors: Arc<SegmentVectors>,
    top: SegmentTop,
    buffer: Vec<(DocId, Score)>,
    fruit: MetricFruit,
}

impl ProductSegmentCollector {
    fn flush(&mut self) {
        self.fruit.matched += self.buffer.len() as u64;
        if !self.buffer.is_empty() && self.of.budget.is_spent() {
            self.fruit.partial = true;
        }
        if !self.fruit.partial {
            let (scorer, vectors) = (&*self.of.scorer, &*self.vectors);
            let docs: Vec<DocId> = self.buffer.iter().map(|(doc, _)| *doc).collect();
            let values: Vec<Option<f32>> = docs
                .par_chunks(TASK)
                .flat_map_iter(|docs| DocScorer::values_of(&[scorer], vectors, docs))
                .collect();
            for ((doc, keyword), value) in self.buffer.iter().zip(values) {
                self.fruit.scored += u64::from(value.is_some());
                let media = value.map_or(0.0, |value| unit_interval(scorer.similarity(), value));
                self.top.push(*doc, product_score(*keyword, media, self.of.weights));
            }
        }
        self.buffer.clear();
    }
}

impl SegmentCollector for ProductSegmentCollector {
    type Fruit = Result<MetricFruit>;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.buffer.push((doc, score));
        if self.buffer.len() >= BATCH {
            self.flush();
        }
    }

    fn harvest(mut self) -> Self::Fruit {
        self.flush();
        Ok(MetricFruit { docs: self.top.finish()?, ..self.fruit })
    }
}
