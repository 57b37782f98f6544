//! Which documents a media leg scores, segment by segment: the step before the collector.
//!
//! Those that the cells of a segment say are worth it ([`Cells`]), all of them where there are no cells, or what a request's own
//! source names: a source is a file with an implementation of [`Candidates`].

mod cells;
mod tally;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tantivy::query::{
    AllScorer, BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight,
};
use tantivy::{BitSet, DocId, DocSet, Score, SegmentReader, TantivyError};

use super::budget::Budget;
use super::scorer::DocScorer;
use crate::index::{SegmentCache, SegmentVectors, whole};

pub(super) use cells::Cells;
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
}

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

/// The candidates as a query, which the host joins with the filter's.
#[derive(Clone)]
pub(super) struct CandidateQuery {
    pub(super) source: Arc<dyn Candidates>,
    pub(super) scorer: Arc<DocScorer>,
    pub(super) cache: SegmentCache,
    pub(super) filter: Option<Arc<dyn Query>>,
    pub(super) k: usize,
    pub(super) budget: Budget,
    /// Set where some segment is not looked at whole.
    pub(super) inexact: Arc<AtomicBool>,
}

impl fmt::Debug for CandidateQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CandidateQuery").field(&self.source).finish()
    }
}

impl Query for CandidateQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let scoring = match scoring.searcher() {
            Some(searcher) => EnableScoring::disabled_from_searcher(searcher),
            None => EnableScoring::disabled_from_schema(scoring.schema()),
        };
        let filter = self.filter.as_ref().map(|filter| filter.weight(scoring)).transpose()?;
        Ok(Box::new(CandidateWeight { query: self.clone(), filter }))
    }
}

struct CandidateWeight {
    query: CandidateQuery,
    filter: Option<Box<dyn Weight>>,
}

impl CandidateWeight {
    fn docs(&self, reader: &SegmentReader) -> crate::Result<CandidateDocs> {
        let CandidateQuery { source, scorer, cache, filter, k, budget, inexact } = &self.query;
        // The collector stops at the first documents then, and says so.
        if budget.is_spent() {
            return Ok(CandidateDocs::All);
        }
        let vectors = cache.get(reader)?;
        scorer.check(&vectors)?;
        let (filter, weight) = (filter.as_deref(), self.filter.as_deref());
        let docs = source.of(&Probe { scorer, vectors: &vectors, reader, filter, weight, k: *k })?;
        if docs != CandidateDocs::All || !source.all_is_exact() {
            inexact.store(true, Ordering::Relaxed);
        }
        Ok(docs)
    }
}

impl Weight for CandidateWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let end = reader.max_doc();
        Ok(match self.docs(reader).map_err(whole)? {
            CandidateDocs::All => Box::new(AllScorer::new(end)),
            CandidateDocs::Only(docs) => {
                let mut set = BitSet::with_max_value(end);
                for doc in docs.into_iter().filter(|&doc| doc < end) {
                    set.insert(doc);
                }
                Box::new(ConstScorer::new(BitSetDocSet::from(set), boost))
            }
        })
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.doc() > doc || scorer.seek(doc) != doc {
            return Err(TantivyError::InvalidArgument(format!("Document #({doc}) does not match")));
        }
        Ok(Explanation::new("a candidate", 1.0))
    }
}
