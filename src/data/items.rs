//! Items of some rows as an index stores them, and their scores by each similarity.

use std::collections::HashMap;
use std::ops::Range;

use rayon::prelude::*;

use super::rows::TrainingData;
use crate::encode::kernel::{Rows, products};
use crate::error::Result;
use crate::model::{Bundle, ItemRows, Target};

/// Rows whose features are in memory at once, where a row is projected to the same bits in any batch.
const TOGETHER_READ: usize = 1024;
/// Queries that are scored together on one core.
const TOGETHER: usize = 48;
/// Scores that are in memory at once where all queries are measured: 64 MiB.
const SCORES: usize = 1 << 24;

/// A way to score two shared vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Similarity {
    Cosine,
    /// Dot product of the class posteriors.
    Posterior,
    /// Dot product of the unit parts.
    #[cfg(feature = "train")]
    Unit,
    Metric(Target),
}

/// The items of one media type; all numbers are rounded to f16 as an index stores them.
pub(crate) struct MediaItems {
    /// Row of each item.
    pub(crate) rows: Vec<usize>,
    /// Items of equal number hold byte-equal features.
    pub(crate) content: Vec<u32>,
    vectors: Vec<f32>,
    halves: Vec<f32>,
    hubs: Vec<f32>,
    inverse_norms: Vec<f32>,
}

/// Shared vectors `[n, d]` of features `[n, d_in]` of a media type.
type Project<'p> = &'p dyn Fn(usize, &[f32]) -> Result<Vec<f32>>;

/// The items of some rows, per media type.
pub(crate) struct Items<'a> {
    pub(crate) bundle: &'a Bundle,
    pub(crate) media: Vec<MediaItems>,
    /// Scores that are in memory at once where all queries are measured; those of one block of queries are more if they have to.
    pub(crate) at_once: usize,
}

impl MediaItems {
    fn scored(&self) -> ItemRows<'_> {
        ItemRows { vectors: &self.vectors, halves: &self.halves, hubs: &self.hubs }
    }
}

impl<'a> Items<'a> {
    /// Projects and rounds the items of `rows`; features must be finite.
    pub(crate) fn new(bundle: &'a Bundle, data: &TrainingData, rows: &[usize]) -> Result<Self> {
        Self::made(bundle, data, rows, TOGETHER_READ, &|m, features| bundle.project(m, features))
    }

    /// Rounds what `project` makes of the features `[n, d_in]` of a media type: shared vectors `[n, d]`.
    pub(crate) fn projected(
        bundle: &'a Bundle,
        data: &TrainingData,
        rows: &[usize],
        project: Project<'_>,
    ) -> Result<Self> {
        Self::made(bundle, data, rows, rows.len().max(1), project)
    }

    /// The same with the features of so many rows in memory at once.
    fn made(
        bundle: &'a Bundle,
        data: &TrainingData,
        rows: &[usize],
        together: usize,
        project: Project<'_>,
    ) -> Result<Self> {
        let media = data
            .media
            .iter()
            .enumerate()
            .map(|(m, media)| {
                let rows: Vec<usize> = rows.iter().copied().filter(|&row| media.present[row]).collect();
                let mut shared = Vec::with_capacity(rows.len() * bundle.dim());
                for part in rows.chunks(together) {
                    shared.extend(project(m, &media.gather(part))?);
                }
                let stored = bundle.store(m, &shared);
                Ok(MediaItems {
                    content: media.contents(&rows),
                    rows,
                    vectors: stored.vectors.iter().map(|x| x.to_f32()).collect(),
                    halves: stored.halves.iter().map(|x| x.to_f32()).collect(),
                    hubs: stored.hubs,
                    inverse_norms: stored.inverse_norms,
                })
            })
            .collect::<Result<_>>()?;
        Ok(Self { bundle, media, at_once: SCORES })
    }

    /// Scores `[q, n]` of all items of media type `a` as queries over all of `b` of other rows, which the same bundle made; `None` where there
    /// is no such similarity. Cost: `q * n * (d + h)`, on all cores.
    pub(crate) fn scores_over(
        &self,
        found: &Items<'_>,
        similarity: Similarity,
        a: usize,
        b: usize,
    ) -> Option<Vec<f32>> {
        self.scores_of(0..self.media[a].rows.len(), found, similarity, a, b)
    }

    /// The same of some queries alone: the bits do not depend on which are asked together.
    pub(crate) fn scores_of(
        &self,
        asked: Range<usize>,
        found: &Items<'_>,
        similarity: Similarity,
        a: usize,
        b: usize,
    ) -> Option<Vec<f32>> {
        let bundle = self.bundle;
        let d = bundle.dim();
        let (queries, items) = (&self.media[a], &found.media[b]);
        let part = match similarity {
            Similarity::Posterior => bundle.posterior()?,
            #[cfg(feature = "train")]
            Similarity::Unit => bundle.posterior().map_or(0, |range| range.end)..d,
            _ => 0..d,
        };
        if let Similarity::Metric(target) = similarity {
            bundle.metric().head(target, a, b)?;
        }
        let n = items.rows.len();
        let mut scores = vec![0.0f32; asked.len() * n];
        scores.par_chunks_mut(TOGETHER * n.max(1)).enumerate().for_each(|(block, scores)| {
            let from = asked.start + block * TOGETHER;
            let rows = from..from + scores.len() / n;
            let vectors = &queries.vectors[rows.start * d..rows.end * d];
            if let Similarity::Metric(target) = similarity {
                bundle.metric().logits(target, (a, vectors), (b, items.scored()), scores);
                return;
            }
            let part = |vectors| Rows::part(vectors, d, part.clone());
            products(part(vectors), part(&items.vectors), scores);
            if similarity == Similarity::Cosine {
                for (scores, query) in scores.chunks_exact_mut(n).zip(&queries.inverse_norms[rows]) {
                    for (score, item) in scores.iter_mut().zip(&items.inverse_norms) {
                        *score *= query * item;
                    }
                }
            }
        });
        Some(scores)
    }

    /// The queries of `a` in blocks whose scores over all items of `b` are in memory at once, by so many similarities `together`.
    pub(crate) fn blocks(
        &self,
        a: usize,
        b: usize,
        together: usize,
    ) -> impl Iterator<Item = Range<usize>> + use<> {
        let fit = self.at_once / together.max(1) / self.media[b].rows.len().max(1);
        cut(self.media[a].rows.len(), (fit / TOGETHER * TOGETHER).max(TOGETHER))
    }

    /// For each query of `a`: the content number of the paired item of `b`, where its row has one.
    pub(crate) fn paired_content(&self, a: usize, b: usize) -> Vec<Option<u32>> {
        let items = &self.media[b];
        let of_row: HashMap<usize, u32> =
            items.rows.iter().copied().zip(items.content.iter().copied()).collect();
        self.media[a].rows.iter().map(|row| of_row.get(row).copied()).collect()
    }
}

/// `0..n` in ranges of `size`, the last one shorter.
fn cut(n: usize, size: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(size).map(move |from| from..n.min(from + size))
}
