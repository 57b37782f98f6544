//! The documents that reach a minimum probability, where codes said which had to be scored: kept, so that all walks of a query see the same ones.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::DocId;
use tantivy::index::SegmentId;

/// Documents of a segment and their probabilities.
#[derive(Debug, Default)]
pub(in crate::search) struct Reached {
    pub(in crate::search) docs: Vec<DocId>,
    pub(in crate::search) scores: Vec<f32>,
}

/// What reached the minimum of a query, by segment; only those of which some documents were left out.
#[derive(Debug, Default)]
pub(in crate::search) struct Passed(Mutex<HashMap<SegmentId, Arc<Reached>>>);

impl Passed {
    pub(in crate::search) fn get(&self, segment: SegmentId) -> Option<Arc<Reached>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&segment).cloned()
    }

    /// The first that was put stays: they are the same.
    pub(in crate::search) fn put(&self, segment: SegmentId, reached: Reached) -> Arc<Reached> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.entry(segment).or_insert_with(|| Arc::new(reached)).clone()
    }

    /// Whether some segment was not scored whole.
    pub(in crate::search) fn left_out(&self) -> bool {
        !self.0.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}
