//! Which documents a media leg scores, segment by segment: the step before the collector.
//!
//! Those that the cells of a segment say are worth it ([`Cells`]), all of them where there are no cells, or what a request's own
//! source names: a source is a file with an implementation of [`Candidates`].

mod cells;
mod combined;
mod matching;
mod passed;
mod tally;

use std::fmt;
use std::sync::atomic::AtomicU64;

use tantivy::query::{Query, Weight};
use tantivy::{DocId, SegmentReader};

use super::scorer::DocScorer;
use crate::index::SegmentVectors;

pub(super) use cells::Cells;
pub(super) use passed::{Passed, Reached};
pub(super) use tally::{Tally, Why};

/// A source of the documents that a media leg scores.
///
/// What it gives is cut by filter, keywords (where they restrict) and deletes afterwards, and scored as ever: a source decides
/// who is looked at, never how a document scores.
pub trait Candidates: fmt::Debug + Send + Sync {
    /// Whether it gives all documents; then [`Candidates::of`] is not asked, and the response is exact.
    fn exact(&self) -> bool;

    /// Whether [`CandidateDocs::All`] of every segment makes the response exact: that nothing was left out then, and not that the source
    /// knows no better.
    fn all_is_exact(&self) -> bool {
        false
    }

    /// The documents of one segment that are scored. A pure function of its arguments.
    ///
    /// # Errors
    /// Those of the source; they end the query.
    fn of(&self, probe: &Probe<'_>) -> crate::Result<CandidateDocs>;
}

/// What a source is asked about one segment.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Probe<'a> {
    /// The compiled query; [`DocScorer::parts`] are its vectors.
    pub scorer: &'a DocScorer,
    /// The rows of the segment.
    pub vectors: &'a SegmentVectors,
    /// The segment itself.
    pub reader: &'a SegmentReader,
    /// What cuts the candidates down afterwards: a source may give more where little passes it.
    pub filter: Option<&'a dyn Query>,
    /// The same, compiled without scores.
    pub weight: Option<&'a dyn Weight>,
    /// How many documents the leg must find in all segments together.
    pub k: usize,
    /// Where a source says how many live documents the filter lets through, if it has counted; else it stays [`NOT_COUNTED`].
    pub(super) matched: &'a AtomicU64,
}

/// Nobody has counted.
pub(super) const NOT_COUNTED: u64 = u64::MAX;

/// Documents of one segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CandidateDocs {
    /// All.
    All,
    /// These, in any order; one that the segment does not have is passed over.
    Only(Vec<DocId>),
}

/// The exact source: all documents.
#[derive(Debug, Clone, Copy, Default)]
pub struct AllDocuments;

impl Candidates for AllDocuments {
    fn exact(&self) -> bool {
        true
    }

    fn of(&self, _: &Probe<'_>) -> crate::Result<CandidateDocs> {
        Ok(CandidateDocs::All)
    }
}
