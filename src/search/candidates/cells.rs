//! The documents that the cells and codes of a segment say are best, as many as a share of the true ones asks for.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tantivy::DocId;

use super::combined::{self, Goal};
use super::matching::Matching;
use super::tally::{Tally, Why};
use super::{CandidateDocs, Candidates, Probe};
use crate::index::SegmentVectors;
use crate::index::cells::{Effort, Form, LEAST_ROWS, Ranking, best_rows, effort, reach};
use crate::media::Fingerprint;
use crate::search::scorer::DocScorer;
use crate::search::similarity::Similarity;

/// What a row costs whose short code is compared, one whose long code is, and one whose document is scored out of order, beside
/// one that is scored in order.
const VISIT: f64 = 0.04;
const REFINE: f64 = 0.5;
const KEEP: f64 = 2.5;

/// Looks where the best documents are with a given share of the true ones, by the curves of each segment; looks at everything
/// where a segment has no curve for the query.
#[derive(Debug, Clone)]
pub(in crate::search) struct Cells {
    /// Share of the true best documents that are to be found, above 0 and below 1.
    pub(in crate::search) recall: f32,
    /// `score` fingerprint of the bundle that scores: curves of other heads say nothing.
    pub(in crate::search) model: Fingerprint,
    /// Of a query that is explained.
    pub(in crate::search) tally: Option<Arc<Tally>>,
}

impl Cells {
    /// Why the segment is not worth asking for `k` documents without a filter; `None` where it is.
    pub(in crate::search) fn useless(
        &self,
        scorer: &DocScorer,
        vectors: &SegmentVectors,
        k: usize,
    ) -> Option<Why> {
        let Some(ranking) = ranking(scorer) else {
            return combined::useless(self, scorer, vectors, Goal::Best(k));
        };
        let mut why = Why::FewRows;
        for &media in scorer.wanted() {
            let n = vectors.view(media).len();
            let cells = vectors.uvec().cells(media).ok().flatten();
            let effort = cells.map(|cells| effort(&cells, self.model, ranking, k, self.recall));
            why = why.max(match effort {
                Some(Some(effort)) if cost(effort) < n as f64 => return None,
                Some(Some(_)) => Why::Cheaper,
                Some(None) => Why::NoCurve,
                None if n < LEAST_ROWS => Why::FewRows,
                None => Why::NoCells,
            });
        }
        Some(why)
    }

    /// The documents of a segment whose value may be `least` or more: the share of them.
    ///
    /// # Errors
    /// Those of the filter.
    pub(in crate::search) fn above(&self, probe: &Probe<'_>, least: f32) -> crate::Result<CandidateDocs> {
        Ok(self.combined(probe, &Matching::of(probe)?, Goal::Above(least)))
    }

    /// What several forms say together.
    fn combined(&self, probe: &Probe<'_>, matching: &Matching<'_>, goal: Goal) -> CandidateDocs {
        match combined::find(self, probe, matching, goal) {
            Ok(docs) => CandidateDocs::Only(docs),
            Err(why) => {
                if let Some(tally) = &self.tally {
                    tally.whole(why);
                }
                CandidateDocs::All
            }
        }
    }

    /// Adds the documents of one media type.
    fn add(
        &self,
        probe: &Probe<'_>,
        ranking: (Ranking, usize),
        matching: &Matching<'_>,
        media: usize,
        docs: &mut Vec<DocId>,
    ) -> Looked {
        let view = probe.vectors.view(media);
        // Where the bundle cannot compare, there is nothing to find.
        let Some(weights) = probe.scorer.weights(media) else { return Looked::Whole(Why::NoForm) };
        if view.len() < LEAST_ROWS {
            docs.extend(view.docs.iter().copied().filter(|&doc| matching.has(doc)));
            return Looked::Whole(Why::FewRows);
        }
        let Some(cells) = probe.vectors.uvec().cells(media).ok().flatten() else {
            return Looked::Unknown(Why::NoCells);
        };
        let documents = f64::from(probe.reader.max_doc().max(1));
        // Of rows: what passes may have items of this media type more often than others.
        let share = matching.rows(&view) as f64 / view.len() as f64;
        let per_doc = (view.len() as f64 / documents).max(1.0);
        // The best k of the documents that match are among the best k / share of all, each may come with several rows, and of
        // what the effort counts, only what matches counts.
        let of = |k: f64| effort(&cells, self.model, ranking, k.ceil() as usize, self.recall);
        let k = probe.k as f64 * per_doc;
        let (Some(least), Some(all)) = (of(k), of(k / share)) else { return Looked::Unknown(Why::NoCurve) };
        let scaled = |n: usize| (n as f64 * share).ceil() as usize;
        let effort = Effort {
            visit: scaled(all.visit),
            least: least.visit,
            refine: scaled(all.refine).max(least.refine),
            keep: scaled(all.keep).max(least.keep),
        };
        let rows_that_match = view.len() as f64 * share;
        if cost(Effort { visit: all.visit, ..effort }) >= rows_that_match {
            return Looked::Unknown(Why::Cheaper);
        }
        let form = Form { weights: &weights, by_norm: ranking.0 == Ranking::Cosine };
        let passes = |row: u32| view.docs.get(row as usize).is_some_and(|&doc| matching.has(doc));
        let passes: Option<&dyn Fn(u32) -> bool> = if matching.is_all() { None } else { Some(&passes) };
        let depths = k.ceil() as usize..=(k / share).ceil() as usize;
        // Of documents of several rows the best rows are of fewer documents: ranks leave more beside them.
        let reach = match per_doc <= 1.0 {
            true => reach(&cells, self.model, ranking, depths, self.recall),
            false => None,
        };
        let (rows, visit) = best_rows(&cells, form, effort, reach, passes);
        if let Some(tally) = &self.tally {
            tally.cells(visit.cells, visit.rows, rows.len());
        }
        let before = docs.len();
        docs.extend(rows.into_iter().filter_map(|row| view.docs.get(row as usize)));
        docs[before..].sort_unstable();
        let found = docs[before..].chunk_by(|a, b| a == b).count();
        // Many rows of few documents: there may be more.
        if found < probe.k.min(matching.count) { Looked::Unknown(Why::FewFound) } else { Looked::Part }
    }
}

/// What was looked at of one media type.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// All that matches.
    Whole(Why),
    /// Enough.
    Part,
    /// It is not known what is enough, or looking at all is cheaper.
    Unknown(Why),
}

/// In rows that are scored in order.
fn cost(effort: Effort) -> f64 {
    effort.visit as f64 * VISIT + effort.refine as f64 * REFINE + effort.keep as f64 * KEEP
}

/// What curves are of for a query of one wanted part and one form: its ranking, and the media type of the part.
fn ranking(scorer: &DocScorer) -> Option<(Ranking, usize)> {
    let part = scorer.only_part()?;
    let ranking = match scorer.similarity() {
        Similarity::Metric(target) => Ranking::Metric(target),
        Similarity::Cosine => Ranking::Cosine,
        Similarity::Posterior => Ranking::Posterior,
        Similarity::Both => return None,
    };
    Some((ranking, part.media))
}

impl Candidates for Cells {
    fn exact(&self) -> bool {
        false
    }

    fn all_is_exact(&self) -> bool {
        true
    }

    fn of(&self, probe: &Probe<'_>) -> crate::Result<CandidateDocs> {
        let told = |why| {
            if let Some(tally) = &self.tally {
                tally.whole(why);
            }
        };
        let matching = Matching::of(probe)?;
        probe.matched.store(matching.count as u64, Ordering::Relaxed);
        let Some(ranking) = ranking(probe.scorer) else {
            return Ok(self.combined(probe, &matching, Goal::Best(probe.k)));
        };
        let mut docs = Vec::new();
        let mut left_out = false;
        for &media in probe.scorer.wanted() {
            match self.add(probe, ranking, &matching, media, &mut docs) {
                Looked::Whole(why) => told(why),
                Looked::Part => left_out = true,
                Looked::Unknown(why) => {
                    told(why);
                    return Ok(CandidateDocs::All);
                }
            }
        }
        if !left_out {
            return Ok(CandidateDocs::All);
        }
        docs.sort_unstable();
        docs.dedup();
        Ok(CandidateDocs::Only(docs))
    }
}
