//! The media leg: candidates, cut by filter and keywords, ranked by their items.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::{Query, Weight};
use tantivy::{DocId, DocSet, SegmentOrdinal, SegmentReader, TERMINATED};

use super::restrict::query_of;
use super::scan::{BATCH, MetricFruit, Scan, ScanCollector, Scanned, joined};
use crate::error::Result;
use crate::search::candidates::{CandidateDocs, NOT_COUNTED, Probe};
use crate::search::plan::Plan;
use crate::search::scorer::DocScorer;
use crate::search::view::View;
use crate::search::view::shard::Shard;

/// Candidates that are scored between two looks at the floor.
const PIECE: usize = 512;

/// What the media leg found.
pub(super) struct Found {
    pub(super) fruit: MetricFruit,
    /// Documents that filter and keywords let through, candidates or not.
    pub(super) matched: u64,
    /// Whether all of them were candidates.
    pub(super) exact: bool,
}

impl From<MetricFruit> for Found {
    /// Of a pass over all documents.
    fn from(fruit: MetricFruit) -> Self {
        Self { matched: fruit.matched, exact: true, fruit }
    }
}

/// The best `k` by `scorer` of the plan's candidates that `query` matches, in all shards.
pub(super) fn run(
    plan: &Plan,
    scorer: &Arc<DocScorer>,
    query: Option<Box<dyn Query>>,
    k: usize,
) -> Result<Found> {
    let scan = scan_of(plan, scorer, k);
    if plan.candidates.exact() {
        return Ok(pass(&plan.view, &query, &[scan])?.pop().unwrap_or_default().into());
    }
    let shards = &plan.view.shards;
    let weights = shards.silent_weights(query_of(&query))?;
    let leg = CandidateLeg { plan, query: query.as_deref(), scan };
    let segments: Vec<(&Shard, &dyn Weight, SegmentOrdinal)> = shards
        .iter()
        .zip(&weights)
        .flat_map(|(shard, weight)| {
            (0..shard.searcher.segment_readers().len() as u32).map(move |segment| (shard, &**weight, segment))
        })
        .collect();
    let one = |&(shard, weight, segment): &(&Shard, &dyn Weight, SegmentOrdinal)| {
        leg.segment(shard, weight, segment)
    };
    let found: Vec<OfSegment> = match segments.len() {
        0 | 1 => segments.iter().map(one).collect::<Result<_>>()?,
        _ if rayon::current_num_threads() == 1 => segments.iter().map(one).collect::<Result<_>>()?,
        _ => segments.par_iter().map(one).collect::<Result<_>>()?,
    };
    let (mut all, mut matched, mut exact) = (Scanned::default(), 0, true);
    for of_segment in found {
        all = all.join(of_segment.found);
        matched += of_segment.matched;
        exact &= of_segment.exact;
    }
    Ok(Found { fruit: all.ranked(k, &plan.view)?, matched, exact })
}

pub(in crate::search) fn scan_of(plan: &Plan, scorer: &Arc<DocScorer>, k: usize) -> Scan {
    let (ids, budget) = (plan.view.ids.clone(), plan.budget.clone());
    Scan { scorer: scorer.clone(), k, ids, budget, floor: Some(Arc::default()) }
}

/// A leg whose candidates are not all documents.
struct CandidateLeg<'p> {
    plan: &'p Plan,
    query: Option<&'p dyn Query>,
    scan: Scan,
}

struct OfSegment {
    found: Scanned,
    matched: u64,
    exact: bool,
}

impl CandidateLeg<'_> {
    fn segment(&self, shard: &Shard, weight: &dyn Weight, segment: SegmentOrdinal) -> Result<OfSegment> {
        let (plan, scan) = (self.plan, &self.scan);
        let cache = &plan.view.shards.cache;
        let reader = shard.searcher.segment_reader(segment);
        let collector = ScanCollector::new(vec![scan.clone()], cache);
        let whole = |exact: bool| -> Result<OfSegment> {
            let found = collector.collect_segment(weight, segment, reader)?.pop().unwrap_or_default();
            Ok(OfSegment { matched: found.matched(), found: found.moved(shard.base()), exact })
        };
        // The collector stops at the first documents then, and says so.
        if plan.budget.is_spent() {
            return whole(true);
        }
        let vectors = cache.get(reader)?;
        scan.scorer.check(&vectors)?;
        let counted = AtomicU64::new(NOT_COUNTED);
        let probe = Probe {
            scorer: &scan.scorer,
            vectors: &vectors,
            reader,
            filter: self.query,
            weight: self.query.map(|_| weight),
            k: scan.k,
            matched: &counted,
        };
        let mut docs = match plan.candidates.of(&probe)? {
            CandidateDocs::All => return whole(plan.candidates.all_is_exact()),
            CandidateDocs::Only(docs) => docs,
        };
        if plan.candidates_match {
            // A damaged file may name others.
            docs.truncate(docs.partition_point(|&doc| doc < reader.max_doc()));
        } else {
            cut(&mut docs, self.query.map(|_| weight), reader)?;
        }
        let mut child = collector.for_segment(segment, reader)?;
        // The floor rises between pieces; tasks of several threads want larger ones.
        let piece = if rayon::current_num_threads() == 1 { PIECE } else { BATCH };
        for docs in docs.chunks(piece) {
            child.collect_block(docs);
            child.flush();
        }
        let found = child.harvest().pop().unwrap_or_default();
        let matched = match counted.load(Ordering::Relaxed) {
            NOT_COUNTED if self.query.is_some() => weight.count(reader)?.into(),
            NOT_COUNTED => reader.num_docs().into(),
            counted => counted,
        };
        Ok(OfSegment { found: found.moved(shard.base()), matched, exact: false })
    }
}

/// Leaves the live documents of `docs` that `weight` matches, ascending, each once.
fn cut(docs: &mut Vec<DocId>, weight: Option<&dyn Weight>, reader: &SegmentReader) -> Result<()> {
    docs.sort_unstable();
    docs.dedup();
    docs.retain(|&doc| doc < reader.max_doc() && !reader.is_deleted(doc));
    if let Some(weight) = weight {
        let mut matching = weight.scorer(reader, 1.0)?;
        let mut at = matching.doc();
        docs.retain(|&doc| {
            if at < doc && at != TERMINATED {
                at = matching.seek(doc);
            }
            at == doc
        });
    }
    Ok(())
}

/// Ranks what `query` matches in all shards by every one of `scans`, in one walk.
pub(in crate::search) fn pass(
    view: &View,
    query: &Option<Box<dyn Query>>,
    scans: &[Scan],
) -> Result<Vec<MetricFruit>> {
    let parts =
        view.shards.search(query_of(query), |shard| ScanCollector::new(scans.to_vec(), &shard.cache))?;
    let moved =
        |(base, found): (u32, Vec<Scanned>)| found.into_iter().map(|found| found.moved(base)).collect();
    let found = joined(parts.into_iter().map(moved).collect(), scans.len());
    found.into_iter().zip(scans).map(|(found, scan)| found.ranked(scan.k, view)).collect()
}
