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
use crate::search::top::{self, ID_FIELD, RankedDoc, SegmentTop};
use crate::search::view::shard::moved;

/// Keeps the best k by the query's own score, ties by id (tantivy's `TopDocs` breaks them by address).
#[derive(Debug, Clone)]
pub(super) struct KeywordCollector {
    k: usize,
    id: Arc<str>,
    budget: Budget,
}

impl KeywordCollector {
    /// Keeps the best `k`.
    pub(super) fn new(k: usize) -> Self {
        Self { k, id: ID_FIELD.into(), budget: Budget::default() }
    }

    /// Breaks ties by the field `name`, in place of [`ID_FIELD`].
    #[must_use]
    pub(super) fn id_field(self, name: impl Into<Arc<str>>) -> Self {
        Self { id: name.into(), ..self }
    }

    /// Stops where the budget is spent.
    pub(in crate::search) fn within(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }
}

/// What a [`KeywordCollector`] finds.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct KeywordFruit {
    /// The best k documents, best first.
    pub(super) docs: Vec<RankedDoc>,
    /// Documents that the query matched.
    pub(super) matched: u64,
    /// Whether a time budget ended before all were ranked.
    pub(super) partial: bool,
}

/// The best `k` of what `query` matches in all shards.
pub(super) fn run(plan: &Plan, query: Option<Box<dyn Query>>, k: usize) -> Result<KeywordFruit> {
    let collector = KeywordCollector::new(k).id_field(plan.view.id.clone()).within(plan.budget.clone());
    let parts = plan.view.shards.search(query_of(&query), |_| collector.clone())?;
    let moved = |(base, fruit): (u32, KeywordFruit)| KeywordFruit { docs: moved(fruit.docs, base), ..fruit };
    Ok(merge(parts.into_iter().map(moved).collect(), k))
}

/// Joins what segments (or indexes) found.
fn merge(fruits: Vec<KeywordFruit>, k: usize) -> KeywordFruit {
    KeywordFruit {
        matched: fruits.iter().map(|fruit| fruit.matched).sum(),
        partial: fruits.iter().any(|fruit| fruit.partial),
        docs: top::merge(fruits.into_iter().map(|fruit| fruit.docs), k),
    }
}

impl Collector for KeywordCollector {
    type Fruit = KeywordFruit;
    type Child = KeywordSegmentCollector;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        let top = SegmentTop::new(self.k, segment, reader, &self.id).map_err(crate::index::to_tantivy)?;
        Ok(KeywordSegmentCollector { top, budget: self.budget.clone(), matched: 0, partial: false })
    }

    fn requires_scoring(&self) -> bool {
        true
    }

    fn merge_fruits(&self, fruits: Vec<Result<KeywordFruit>>) -> tantivy::Result<KeywordFruit> {
        let fruits: Vec<KeywordFruit> =
            fruits.into_iter().collect::<Result<_>>().map_err(crate::index::to_tantivy)?;
        Ok(merge(fruits, self.k))
    }
}

/// The part of a [`KeywordCollector`] that works on one segment.
pub(super) struct KeywordSegmentCollector {
    top: SegmentTop,
    budget: Budget,
    matched: u64,
    partial: bool,
}

impl SegmentCollector for KeywordSegmentCollector {
    type Fruit = Result<KeywordFruit>;

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
        Ok(KeywordFruit { docs: self.top.finish()?, matched: self.matched, partial: self.partial })
    }
}
