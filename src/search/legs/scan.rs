//! Scoring what a query matches by one scorer or several, in one pass over the stored rows.

use std::sync::Arc;

use rayon::prelude::*;
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::schema::Schema;
use tantivy::{DocId, Score, SegmentOrdinal, SegmentReader};

use crate::error::Result;
use crate::index::{MediaField, SegmentCache, SegmentVectors};
use crate::search::budget::Budget;
use crate::search::scorer::{BLOCK, DocScorer, Items, Single};
use crate::search::top::{self, Floor, RankedDoc, SegmentBest, SegmentTop};
use crate::search::view::View;
use crate::search::view::ids::Columns;

/// Documents that are buffered before they are scored together.
pub(super) const BATCH: usize = 4096;
/// Documents of one rayon task.
pub(super) const TASK: usize = BLOCK;
/// Documents times scorers up to which the calling thread is done before others would have begun.
const ALONE: usize = 1024;

/// What a [`MetricCollector`](super::MetricCollector) finds.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct MetricFruit {
    /// The best k documents, best first.
    pub docs: Vec<RankedDoc>,
    /// Documents that the query matched.
    pub matched: u64,
    /// Documents of these that had an item to score.
    pub scored: u64,
    /// Whether a time budget ended before all were scored.
    pub partial: bool,
}

/// One ranking of a pass.
#[derive(Clone)]
pub(in crate::search) struct Scan {
    pub(in crate::search) scorer: Arc<DocScorer>,
    pub(in crate::search) k: usize,
    /// What breaks ties.
    pub(in crate::search) ids: Columns,
    pub(in crate::search) budget: Budget,
    /// Of all segments that are searched together; `None` where it is not known which are.
    pub(in crate::search) floor: Option<Arc<Floor>>,
}

/// What one ranking of a pass found, segment by segment.
#[derive(Default)]
pub(in crate::search) struct Scanned {
    best: Vec<SegmentBest>,
    matched: u64,
    scored: u64,
    partial: bool,
}

impl Scanned {
    pub(in crate::search) fn new(best: SegmentBest, matched: u64, scored: u64, partial: bool) -> Self {
        Self { best: vec![best], matched, scored, partial }
    }

    /// Documents that the query matched.
    pub(super) fn matched(&self) -> u64 {
        self.matched
    }

    /// Of segments that other ones stand before.
    pub(super) fn moved(self, base: u32) -> Self {
        Self { best: self.best.into_iter().map(|best| best.moved(base)).collect(), ..self }
    }

    /// With what others have found.
    pub(super) fn join(mut self, other: Self) -> Self {
        self.best.extend(other.best);
        Self {
            matched: self.matched + other.matched,
            scored: self.scored + other.scored,
            partial: self.partial || other.partial,
            ..self
        }
    }

    /// The best `k`; most come without ids.
    pub(super) fn ranked(self, k: usize, view: &View) -> Result<MetricFruit> {
        self.by(k, |best, k| top::merge(best, k, &|docs| view.sort_equals(docs)))
    }

    /// The best `k`.
    pub(super) fn named(self, k: usize) -> Result<MetricFruit> {
        self.by(k, top::merge_named)
    }

    fn by(
        self,
        k: usize,
        merge: impl Fn(Vec<SegmentBest>, usize) -> Result<Vec<RankedDoc>>,
    ) -> Result<MetricFruit> {
        let Self { best, matched, scored, partial } = self;
        Ok(MetricFruit { docs: merge(best, k)?, matched, scored, partial })
    }
}

/// Ranks the same documents by several scorers in one pass over the stored rows.
#[derive(Clone)]
pub(in crate::search) struct ScanCollector {
    scans: Arc<[Scan]>,
    cache: SegmentCache,
}

impl ScanCollector {
    pub(in crate::search) fn new(scans: Vec<Scan>, cache: &SegmentCache) -> Self {
        Self { scans: scans.into(), cache: cache.clone() }
    }

    /// Breaks ties by the field `name`.
    pub(super) fn id_field(&self, name: &Arc<str>) -> Self {
        let named = |scan: &Scan| Scan { ids: Columns::new(name.clone()), ..scan.clone() };
        Self { scans: self.scans.iter().map(named).collect(), cache: self.cache.clone() }
    }
}

impl Collector for ScanCollector {
    /// By scorer.
    type Fruit = Vec<Scanned>;
    type Child = ScanSegmentCollector;

    /// Of an index without documents, too.
    fn check_schema(&self, schema: &Schema) -> tantivy::Result<()> {
        let check = |scan: &Scan| MediaField::of(schema)?.check_space(scan.scorer.space());
        self.scans.iter().try_for_each(check).map_err(crate::index::to_tantivy)
    }

    fn for_segment(&self, segment: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<Self::Child> {
        let open = || -> Result<ScanSegmentCollector> {
            let vectors = self.cache.get(reader)?;
            self.scans.iter().try_for_each(|scan| scan.scorer.check(&vectors))?;
            let progress = |scan: &Scan| -> Result<Progress> {
                let ids = scan.ids.of(reader)?;
                Ok(Progress {
                    top: SegmentTop::new(scan.k, segment, ids, scan.floor.clone()),
                    scored: 0,
                    partial: false,
                })
            };
            Ok(ScanSegmentCollector {
                progress: self.scans.iter().map(progress).collect::<Result<_>>()?,
                scans: self.scans.clone(),
                vectors,
                buffer: Vec::with_capacity(BATCH),
                matched: 0,
            })
        };
        open().map_err(crate::index::to_tantivy)
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Vec<Scanned>>) -> tantivy::Result<Vec<Scanned>> {
        Ok(joined(fruits, self.scans.len()))
    }
}

/// Joins what segments (or indexes) found, by scorer.
pub(super) fn joined(fruits: Vec<Vec<Scanned>>, scorers: usize) -> Vec<Scanned> {
    let mut by_scorer: Vec<Scanned> = (0..scorers).map(|_| Scanned::default()).collect();
    for fruit in fruits {
        for (one, all) in fruit.into_iter().zip(&mut by_scorer) {
            *all = std::mem::take(all).join(one);
        }
    }
    by_scorer
}

/// The part of a [`ScanCollector`] that works on one segment.
pub(in crate::search) struct ScanSegmentCollector {
    scans: Arc<[Scan]>,
    vectors: Arc<SegmentVectors>,
    /// By scan.
    progress: Vec<Progress>,
    buffer: Vec<DocId>,
    matched: u64,
}

struct Progress {
    top: SegmentTop,
    scored: u64,
    partial: bool,
}

impl ScanSegmentCollector {
    pub(super) fn flush(&mut self) {
        self.matched += self.buffer.len() as u64;
        if self.buffer.is_empty() {
            return;
        }
        for (scan, progress) in self.scans.iter().zip(&mut self.progress) {
            progress.partial = progress.partial || scan.budget.is_spent();
        }
        let docs = std::mem::take(&mut self.buffer);
        if self.progress.iter().any(|progress| !progress.partial) {
            // Without a last score every document is pushed: some are enough to have one.
            let k = self.scans.iter().map(|scan| scan.k).max().unwrap_or(0);
            let scans = self.scans.iter().zip(&mut self.progress);
            let mut gains = scans.filter(|(scan, progress)| {
                scan.k > 0
                    && !progress.partial
                    && progress.scored == 0
                    && scan.scorer.single(&self.vectors).is_some()
            });
            // A floor of other segments is one already.
            let is_new = gains.any(|(_, progress)| progress.top.last().is_none());
            let some = if is_new { k.max(TASK).min(docs.len()) } else { 0 };
            self.score(&docs[..some]);
            self.score(&docs[some..]);
        }
        self.buffer = docs;
        self.buffer.clear();
    }

    /// Scores `docs` and keeps the best.
    fn score(&mut self, docs: &[DocId]) {
        let vectors = &*self.vectors;
        let (mut fast, mut slow) = (Vec::new(), Vec::new());
        let (mut scorers, mut running) = (Vec::new(), Vec::new());
        for (scan, progress) in
            self.scans.iter().zip(&mut self.progress).filter(|(_, progress)| !progress.partial)
        {
            match scan.scorer.single(vectors) {
                Some(single) => {
                    let floor = progress.top.last().and_then(|last| single.floor(last));
                    fast.push((single, floor));
                    running.push(progress);
                }
                None => {
                    scorers.push(&*scan.scorer);
                    slow.push(progress);
                }
            }
        }
        let found = in_tasks(docs, self.scans.len(), |docs| {
            (docs, above(&fast, vectors, docs), DocScorer::values_of(&scorers, vectors, docs))
        });
        for (docs, found, values) in found {
            for ((found, scored), progress) in found.into_iter().zip(&mut running) {
                progress.scored += scored;
                found.into_iter().for_each(|(doc, value)| progress.top.push(doc, value));
            }
            for (&doc, values) in docs.iter().zip(values.chunks(scorers.len().max(1))) {
                for (value, progress) in values.iter().zip(&mut slow) {
                    if let Some(value) = value {
                        progress.scored += 1;
                        progress.top.push(doc, *value);
                    }
                }
            }
        }
    }
}

/// [`Single::above`] of each of `fast`, which come with their floors.
fn above(
    fast: &[(Single<'_>, Option<f32>)],
    vectors: &SegmentVectors,
    docs: &[DocId],
) -> Vec<(Vec<(DocId, f32)>, u64)> {
    let (mut items, mut media) = (Items::default(), None);
    let one = |(single, floor): &(Single<'_>, Option<f32>)| {
        let view = vectors.view(single.media);
        if media.replace(single.media) != Some(single.media) {
            items.find(&view, docs);
        }
        single.above(&view, docs, &items, *floor)
    };
    fast.iter().map(one).collect()
}

/// What `task` makes of each [`TASK`] of `docs`, in order.
fn in_tasks<'d, T: Send>(
    docs: &'d [DocId],
    scorers: usize,
    task: impl Fn(&'d [DocId]) -> T + Send + Sync,
) -> Vec<T> {
    if docs.len() * scorers <= ALONE || rayon::current_num_threads() == 1 {
        return docs.chunks(TASK).map(task).collect();
    }
    docs.par_chunks(TASK).map(task).collect()
}

impl SegmentCollector for ScanSegmentCollector {
    type Fruit = Vec<Scanned>;

    fn collect(&mut self, doc: DocId, _: Score) {
        self.buffer.push(doc);
        if self.buffer.len() >= BATCH {
            self.flush();
        }
    }

    fn collect_block(&mut self, docs: &[DocId]) {
        self.buffer.extend_from_slice(docs);
        if self.buffer.len() >= BATCH {
            self.flush();
        }
    }

    fn harvest(mut self) -> Self::Fruit {
        self.flush();
        let matched = self.matched;
        let fruit = |Progress { top, scored, partial }: Progress| {
            Scanned::new(top.finish(), matched, scored, partial)
        };
        self.progress.into_iter().map(fruit).collect()
    }
}
