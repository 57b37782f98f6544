//! The keyword leg: BM25, ties by id.

use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::Query;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::restrict::query_of;
use super::scan::BATCH;
use crate::error::Result;
use crate::search::budget::Budget;
use crate::search::plan::Plan;
use crate::search::top::{self, Floor, RankedDoc, SegmentBest, SegmentTop};
use crate::search::view::ids::Columns;

/// Keeps the best k by the query's own score, ties by id (tantivy's `TopDocs` breaks them by address), and counts.
#[derive(Clone)]
struct KeywordCollector {
    k: usize,
    ids: Columns,
    budget: Budget,
    /// Of all that one query searches.
    floor: Arc<Floor>,
}

/// What a segment, or all, found.
#[derive(Default)]
struct Found {
    best: Vec<SegmentBest>,
    matched: u64,
    partial: bool,
}

/// What the keyword leg found.
pub(super) struct KeywordFruit {
    /// The best k documents, best first, without ids.
    pub(super) docs: Vec<RankedDoc>,
    /// Documents that the query matched.
    pub(super) matched: u64,
    /// Whether a time budget ended before all were ranked.
    pub(super) partial: bool,
}

/// The best `k` of what `query` matches in all shards.
pub(super) fn run(plan: &Plan, query: Option<Box<dyn Query>>, k: usize) -> Result<KeywordFruit> {
    let (ids, budget) = (plan.view.ids.clone(), plan.budget.clone());
    let collector = KeywordCollector { k, ids, budget, floor: Arc::default() };
    let mut all = Found::default();
    for (base, found) in plan.view.shards.search(query_of(&query), |_| collector.clone())? {
        all.best.extend(found.best.into_iter().map(|best| best.moved(base)));
        all.matched += found.matched;
        all.partial |= found.partial;
    }
    Ok(KeywordFruit {
        docs: top::merge(all.best, k, &|docs| plan.view.sort_equals(docs))?,
        matched: all.matched,
        partial: all.partial,
    })
}

impl Collector for KeywordCollector {
    type Fruit = Found;
    type Child = KeywordSegmentCollector;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        let ids = self.ids.of(reader).map_err(crate::index::to_tantivy)?;
        let top = SegmentTop::new(self.k, segment, ids, Some(self.floor.clone()));
        Ok(KeywordSegmentCollector { top, budget: self.budget.clone(), matched: 0, partial: false })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, fruits: Vec<Found>) -> tantivy::Result<Found> {
        Ok(Found {
            matched: fruits.iter().map(|found| found.matched).sum(),
            partial: fruits.iter().any(|found| found.partial),
            best: fruits.into_iter().flat_map(|found| found.best).collect(),
        })
    }
}

/// The part of a [`KeywordCollector`] that works on one segment.
struct KeywordSegmentCollector {
    top: SegmentTop,
    budget: Budget,
    matched: u64,
    partial: bool,
}

impl SegmentCollector for KeywordSegmentCollector {
    type Fruit = Found;

    fn collect(&mut self, doc: DocId, score: Score) {
        if self.matched.is_multiple_of(BATCH as u64) && self.budget.is_spent() {
            self.partial = true;
        }
        self.matched += 1;
        if !self.partial {
            self.top.push(doc, score);
        }
    }

    fn harvest(self) -> Self::Fruit {
        Found { best: vec![self.top.finish()], matched: self.matched, partial: self.partial }
    }
}
