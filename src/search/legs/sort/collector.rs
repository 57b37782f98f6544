//! Walks all that a query matches, and keeps what comes first.

use std::sync::Arc;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use super::segment::{Asked, By, Entry, Opened, Top};
use crate::error::Result;
use crate::search::budget::Budget;
use crate::search::legs::scan::BATCH;
use crate::search::top::Ids;
use crate::search::view::ids::Columns;

#[derive(Clone)]
pub(super) struct SortCollector {
    pub(super) asked: Arc<Asked>,
    pub(super) ids: Columns,
    pub(super) budget: Budget,
}

/// What a segment found.
pub(super) struct Found {
    pub(super) segment: SegmentOrdinal,
    pub(super) opened: Opened,
    /// In no order.
    pub(super) entries: Vec<Entry>,
    pub(super) matched: u64,
    pub(super) partial: bool,
}

impl Collector for SortCollector {
    type Fruit = Vec<Found>;
    type Child = SortSegmentCollector;

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        let ids = self.ids.of(reader).map_err(crate::index::to_tantivy)?;
        let mut child = SortSegmentCollector {
            top: Top::new(self.asked.k),
            values: Open::Later(reader.clone(), ids.clone(), Vec::new()),
            asked: self.asked.clone(),
            budget: self.budget.clone(),
            segment,
            matched: 0,
            partial: false,
        };
        if !self.asked.reads_store() {
            let opened = Opened::new(&self.asked, reader, ids, &[], &self.budget);
            child.values = Open::Now(opened.map_err(crate::index::to_tantivy)?.0);
        }
        Ok(child)
    }

    fn requires_scoring(&self) -> bool {
        self.asked.levels.iter().any(|(by, _)| matches!(by, By::Score))
    }

    fn merge_fruits(&self, fruits: Vec<Result<Found>>) -> tantivy::Result<Vec<Found>> {
        fruits.into_iter().collect::<Result<_>>().map_err(crate::index::whole)
    }
}

/// The part of a [`SortCollector`] that works on one segment.
pub(super) struct SortSegmentCollector {
    asked: Arc<Asked>,
    top: Top,
    values: Open,
    budget: Budget,
    segment: SegmentOrdinal,
    matched: u64,
    partial: bool,
}

#[allow(clippy::large_enum_variant, reason = "one for each segment")]
/// Values out of a store are opened once it is known of which documents.
enum Open {
    Now(Opened),
    Later(SegmentReader, Ids, Vec<(DocId, Score)>),
}

impl SegmentCollector for SortSegmentCollector {
    type Fruit = Result<Found>;

    fn collect(&mut self, doc: DocId, score: Score) {
        if self.matched.is_multiple_of(BATCH as u64) && self.budget.is_spent() {
            self.partial = true;
        }
        self.matched += 1;
        if self.partial {
            return;
        }
        match &mut self.values {
            Open::Now(opened) => self.top.push(opened, doc, score),
            Open::Later(.., docs) => docs.push((doc, score)),
        }
    }

    fn harvest(self) -> Self::Fruit {
        let Self { asked, mut top, values, budget, segment, matched, mut partial } = self;
        let opened = match values {
            Open::Now(opened) => opened,
            Open::Later(reader, ids, scored) => {
                let docs: Vec<DocId> = scored.iter().map(|(doc, _)| *doc).collect();
                let (opened, ended) = Opened::new(&asked, &reader, ids, &docs, &budget)?;
                partial |= ended;
                scored.into_iter().for_each(|(doc, score)| top.push(&opened, doc, score));
                opened
            }
        };
        Ok(Found { segment, opened, entries: top.finish(), matched, partial })
    }
}
