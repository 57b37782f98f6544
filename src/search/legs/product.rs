//! Every keyword match with its BM25 score and its media value, scored by itself.

use std::sync::Arc;

use rayon::prelude::*;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::Query;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::restrict::query_of;
use super::scan::{BATCH, MetricFruit, Scanned, TASK};
use crate::error::Result;
use crate::index::{SegmentCache, SegmentVectors};
use crate::search::budget::Budget;
use crate::search::fusion::{Joined, Settings, Share};
use crate::search::plan::Plan;
use crate::search::scorer::DocScorer;
use crate::search::top::{Floor, SegmentTop};
use crate::search::view::ids::Columns;

/// The score of one document: [`Score::Together`](crate::search::fusion::Score::Together).
pub(super) type Together = fn(f32, f32, &Settings) -> Joined;

/// The best `k` of what `query` (keywords and filter) matches in all shards.
pub(super) fn run(
    plan: &Plan,
    scorer: &Arc<DocScorer>,
    together: Together,
    query: Option<Box<dyn Query>>,
    k: usize,
) -> Result<MetricFruit> {
    let floor: Arc<Floor> = Arc::default();
    let parts = plan.view.shards.search(query_of(&query), |shard| ProductCollector {
        scorer: scorer.clone(),
        cache: shard.cache.clone(),
        k,
        ids: plan.view.ids.clone(),
        floor: floor.clone(),
        together,
        settings: plan.settings,
        budget: plan.budget.clone(),
    })?;
    let found = parts.into_iter().map(|(base, found)| found.moved(base));
    found.reduce(Scanned::join).unwrap_or_default().ranked(k, &plan.view)
}

/// The shares of a document, from the scores of its two legs, which a ranking of whole documents does not keep.
pub(super) fn shares(
    plan: &Plan,
    together: Together,
    keyword: Option<f32>,
    media: Option<f32>,
) -> Option<Vec<Share>> {
    let measure = plan.media.as_ref()?.similarity().measure();
    let unit = media.map_or(0.0, |value| measure.unit_interval(value));
    let [of_keyword, of_media] = together(keyword.unwrap_or(0.0), unit, &plan.settings).contributions;
    let share = |score: Option<f32>, normalised: Option<f32>, contribution: f32| Share {
        rank: None,
        score,
        normalised,
        contribution,
    };
    Some(vec![share(keyword, keyword, of_keyword), share(media, media.map(|_| unit), of_media)])
}

/// Keeps the best k by the fusion's score, ties by id. A score of a document needs no other document, so that it may be
/// computed inside a segment.
#[derive(Clone)]
struct ProductCollector {
    scorer: Arc<DocScorer>,
    cache: SegmentCache,
    k: usize,
    ids: Columns,
    /// Of all that one query searches.
    floor: Arc<Floor>,
    together: Together,
    settings: Settings,
    budget: Budget,
}

impl Collector for ProductCollector {
    type Fruit = Scanned;
    type Child = ProductSegmentCollector;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        let open = || -> Result<ProductSegmentCollector> {
            let vectors = self.cache.get(reader)?;
            self.scorer.check(&vectors)?;
            Ok(ProductSegmentCollector {
                vectors,
                top: SegmentTop::new(self.k, segment, self.ids.of(reader)?, Some(self.floor.clone())),
                buffer: Vec::with_capacity(BATCH),
                matched: 0,
                scored: 0,
                partial: false,
                of: self.clone(),
            })
        };
        open().map_err(crate::index::to_tantivy)
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, fruits: Vec<Scanned>) -> tantivy::Result<Scanned> {
        Ok(fruits.into_iter().reduce(Scanned::join).unwrap_or_default())
    }
}

/// The part of a [`ProductCollector`] that works on one segment.
struct ProductSegmentCollector {
    of: ProductCollector,
    vectors: Arc<SegmentVectors>,
    top: SegmentTop,
    buffer: Vec<(DocId, Score)>,
    matched: u64,
    scored: u64,
    partial: bool,
}

impl ProductSegmentCollector {
    fn flush(&mut self) {
        self.matched += self.buffer.len() as u64;
        if !self.buffer.is_empty() && self.of.budget.is_spent() {
            self.partial = true;
        }
        if !self.partial {
            let (scorer, vectors) = (&*self.of.scorer, &*self.vectors);
            let docs: Vec<DocId> = self.buffer.iter().map(|(doc, _)| *doc).collect();
            let values: Vec<Option<f32>> = docs
                .par_chunks(TASK)
                .flat_map_iter(|docs| DocScorer::values_of(&[scorer], vectors, docs))
                .collect();
            let measure = scorer.similarity().measure();
            for ((doc, keyword), value) in self.buffer.iter().zip(values) {
                self.scored += u64::from(value.is_some());
                let media = value.map_or(0.0, |value| measure.unit_interval(value));
                self.top.push(*doc, (self.of.together)(*keyword, media, &self.of.settings).score);
            }
        }
        self.buffer.clear();
    }
}

impl SegmentCollector for ProductSegmentCollector {
    type Fruit = Scanned;

    fn collect(&mut self, doc: DocId, score: Score) {
        self.buffer.push((doc, score));
        if self.buffer.len() >= BATCH {
            self.flush();
        }
    }

    fn harvest(mut self) -> Self::Fruit {
        self.flush();
        Scanned::new(self.top.finish(), self.matched, self.scored, self.partial)
    }
}
