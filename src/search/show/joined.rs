//! What facets and aggregations count in each segment, joined segment by segment.

use tantivy::aggregation::agg_req::Aggregations;
use tantivy::aggregation::intermediate_agg_result::IntermediateAggregationResults;
use tantivy::aggregation::{
    AggContextParams, AggregationError, AggregationLimitsGuard, DistributedAggregationCollector,
};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::{EnableScoring, Query};
use tantivy::{DocId, TantivyError};

use super::bytes::bytes_of;
use super::facets::{BySegment, not_run};
use crate::error::Result;
use crate::search::view::shard::Shard;

/// What was counted so far, and the bytes that counting may take.
///
/// The host bounds what one segment takes while it is counted, and forgets it with the segment: what is kept of all of them is held against
/// the same bound here, and a segment may take what it leaves.
pub(super) struct Joined<'a> {
    all: &'a Aggregations,
    most: u64,
    joined: Option<IntermediateAggregationResults>,
    /// Bytes of what is joined, or more.
    kept: u64,
}

impl<'a> Joined<'a> {
    pub(super) fn new(all: &'a Aggregations, most: u64) -> Self {
        Self { all, most, joined: None, kept: 0 }
    }

    /// Counts what matches in all segments of a shard.
    ///
    /// # Errors
    /// Those of [`not_run`].
    pub(super) fn matching(&mut self, shard: &Shard, query: &dyn Query) -> Result<()> {
        let weight = query.weight(EnableScoring::disabled_from_searcher(&shard.searcher)).map_err(not_run)?;
        for (segment, reader) in (0..).zip(shard.searcher.segment_readers()) {
            let collector = self.collector(shard);
            let part = collector.collect_segment(&*weight, segment, reader).flatten();
            part.and_then(|part| self.add(part)).map_err(|e| not_run(self.whole(e)))?;
        }
        Ok(())
    }

    /// Counts these documents of a shard.
    ///
    /// # Errors
    /// Those of [`not_run`].
    pub(super) fn ranked(&mut self, shard: &Shard, docs: BySegment) -> Result<()> {
        for (segment, docs) in docs {
            let part = self.of_segment(shard, segment, docs);
            part.and_then(|part| self.add(part)).map_err(|e| not_run(self.whole(e)))?;
        }
        Ok(())
    }

    fn of_segment(
        &self,
        shard: &Shard,
        segment: u32,
        docs: Vec<DocId>,
    ) -> tantivy::Result<IntermediateAggregationResults> {
        let reader = shard.searcher.segment_reader(segment);
        let mut child = self.collector(shard).for_segment(segment, reader)?;
        docs.into_iter().for_each(|doc| child.collect(doc, 0.0));
        child.harvest()
    }

    /// Of one segment, which may take what is left. Too many values are an error of their facet; tantivy's own limit of these is for all together.
    fn collector(&self, shard: &Shard) -> DistributedAggregationCollector {
        let limits = AggregationLimitsGuard::new(Some(self.most - self.kept), Some(u32::MAX));
        let context = AggContextParams::new(limits, shard.tantivy.tokenizers().clone());
        DistributedAggregationCollector::from_aggs(self.all.clone(), context)
    }

    fn add(&mut self, part: IntermediateAggregationResults) -> tantivy::Result<()> {
        self.kept = self.kept.saturating_add(bytes_of(&part));
        let Some(joined) = &mut self.joined else {
            // What one segment gives was bounded while it was counted.
            self.kept = self.kept.min(self.most);
            self.joined = Some(part);
            return Ok(());
        };
        joined.merge_fruits(part)?;
        // Values that several segments have were counted for each.
        if self.kept > self.most / 2 {
            self.kept = bytes_of(joined);
        }
        match self.kept > self.most {
            true => {
                Err(AggregationError::MemoryExceeded { limit: self.most.into(), current: self.kept.into() }
                    .into())
            }
            false => Ok(()),
        }
    }

    /// The error with the bound of all segments.
    fn whole(&self, error: TantivyError) -> TantivyError {
        match error {
            TantivyError::AggregationError(AggregationError::MemoryExceeded { current, .. }) => {
                AggregationError::MemoryExceeded { limit: self.most.into(), current }.into()
            }
            other => other,
        }
    }

    /// What was counted in all.
    pub(super) fn into_results(self) -> IntermediateAggregationResults {
        self.joined.unwrap_or_default()
    }
}
