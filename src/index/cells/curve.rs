//! How many rows have to be looked at to find the best ones: measured with sample queries when cells are made.
//!
//! For each of a sample query's true best rows two numbers are taken: the rows that are visited until its cell has been, in
//! the order of the centres, and its rank by code among all rows. Their quantiles are the curve.

use rayon::prelude::*;
use uncsm_format::cells::{CURVE_COLUMNS, MISSES};

use super::centres::Centres;
use super::code::{Basis, CodeQuery, Coder};
use super::rows::RowSource;
use crate::encode::kernel::{GROUP, Rows, dot, products};
use crate::model::{Bundle, ItemRows, Target};

/// Numbers of best rows that curves are measured for.
const DEPTHS: [usize; 3] = [10, 100, 1000];
/// Sample queries of a media type at most, and at least: fewer say nothing of rare misses.
const QUERIES: usize = 64;
const LEAST_QUERIES: usize = 32;
/// Rows that are scored together.
const BLOCK: usize = 2048;

/// What a curve is of, as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ranking {
    /// The metric network.
    Metric(Target),
    /// Cosine.
    Cosine,
}

impl Ranking {
    pub(crate) fn code(self) -> f32 {
        match self {
            Self::Metric(Target::Class) => 0.0,
            Self::Metric(Target::Pair) => 1.0,
            Self::Cosine => 2.0,
        }
    }
}

/// The sample queries of one media type under one ranking, and what is found for them.
struct Family<'a> {
    ranking: Ranking,
    media: usize,
    /// `[q, d]`.
    vectors: &'a [f32],
    queries: Vec<Sample>,
}

struct Sample {
    code: CodeQuery,
    /// Exact score and row.
    best: Vec<(f32, u32)>,
    /// Above it a score may still be among the best.
    floor: f32,
    /// Values of `best` by code, and the same descending.
    values: Vec<f32>,
    sorted: Vec<f32>,
    /// By position in `sorted`: rows whose value is above that one and not above the one before.
    above: Vec<u32>,
}

/// Measures the curves of one media type of items.
pub(crate) struct Measure<'a> {
    bundle: &'a Bundle,
    media: usize,
    families: Vec<Family<'a>>,
    depth: usize,
}

impl<'a> Measure<'a> {
    /// For items of `media`. Finds the best rows of each sample query: one exact pass.
    pub(crate) fn new(bundle: &'a Bundle, media: usize, rows: &dyn RowSource, basis: Basis<'_>) -> Self {
        let dim = bundle.metric().dim();
        let mut families = Vec::new();
        for query_media in 0..bundle.media().len() {
            let all = bundle.samples(query_media);
            let vectors = &all[..all.len().min(QUERIES * dim)];
            let heads = bundle.metric().targets().iter().map(|&target| Ranking::Metric(target));
            for ranking in heads.chain([Ranking::Cosine]) {
                let of = |u: &[f32]| form(bundle, ranking, query_media, media, u);
                let forms: Option<Vec<Vec<f32>>> = vectors.chunks_exact(dim).map(of).collect();
                let Some(forms) = forms.filter(|forms| forms.len() >= LEAST_QUERIES) else { continue };
                let sample = |g: Vec<f32>| Sample {
                    code: CodeQuery::new(&g, basis),
                    best: Vec::new(),
                    floor: f32::NEG_INFINITY,
                    values: Vec::new(),
                    sorted: Vec::new(),
                    above: Vec::new(),
                };
                let queries = forms.into_iter().map(sample).collect();
                families.push(Family { ranking, media: query_media, vectors, queries });
            }
        }
        let depth = DEPTHS[DEPTHS.len() - 1].min(rows.len() / 4).max(1);
        let mut measure = Self { bundle, media, families, depth };
        measure.find(rows);
        measure.by_code(rows, basis);
        measure
    }

    /// The exact pass.
    fn find(&mut self, rows: &dyn RowSource) {
        let metric = self.bundle.metric();
        let (dim, half, columns) = (metric.dim(), metric.half(), metric.hub_columns());
        let (bundle, media, depth) = (self.bundle, self.media, self.depth);
        let most = rows.len().min(BLOCK);
        let (mut vectors, mut halves) = (vec![0.0; most * dim], vec![0.0; most * half]);
        let (mut hubs, mut norms) = (vec![0.0; most * columns], vec![0.0; most]);
        for start in (0..rows.len()).step_by(BLOCK) {
            let count = BLOCK.min(rows.len() - start);
            let mut read = |i: usize| {
                let row = start + i;
                rows.vector(row, &mut vectors[i * dim..][..dim]);
                rows.rest(row, &mut halves[i * half..][..half], &mut hubs[i * columns..][..columns]);
                norms[i] = rows.inverse_norm(row);
            };
            (0..count).for_each(&mut read);
            let items = ItemRows {
                vectors: &vectors[..count * dim],
                halves: &halves[..count * half],
                hubs: &hubs[..count * columns],
            };
            let norms = &norms[..count];
            self.families.par_iter_mut().for_each(|family| {
                let mut out = vec![0.0; family.queries.len() * count];
                match family.ranking {
                    Ranking::Metric(target) => {
                        let (queries, items) = ((family.media, family.vectors), (media, items));
                        bundle.metric().logits(target, queries, items, &mut out);
                    }
                    Ranking::Cosine => {
                        products(Rows::new(family.vectors, dim), Rows::new(items.vectors, dim), &mut out);
                        for scores in out.chunks_exact_mut(count) {
                            scores.iter_mut().zip(norms).for_each(|(score, norm)| *score *= norm);
                        }
                    }
                }
                for (sample, scores) in family.queries.iter_mut().zip(out.chunks_exact(count)) {
                    sample.take(scores, start, depth);
                }
            });
        }
        for sample in self.families.iter_mut().flat_map(|family| &mut family.queries) {
            sample.prune(depth);
            sample.best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        }
    }

    /// What the codes say of the best rows.
    fn by_code(&mut self, rows: &dyn RowSource, basis: Basis<'_>) {
        let dim = basis.mean.len();
        self.families.par_iter_mut().for_each(|family| {
            let is_cosine = family.ranking == Ranking::Cosine;
            let (mut x, mut coder) = (vec![0.0; dim], Coder::new(basis));
            for sample in &mut family.queries {
                let mut group = vec![0; sample.code.group_bytes()];
                let mut sums = [[0; GROUP]];
                for &(_, row) in &sample.best {
                    rows.vector(row as usize, &mut x);
                    group.fill(0);
                    let scale = coder.put(&x, 0, &mut group);
                    sample.code.sums(&group, &mut sums);
                    let norm = if is_cosine { rows.inverse_norm(row as usize) } else { 1.0 };
                    sample.values.push(sample.code.value(sums[0][0], scale) * norm);
                }
                sample.sorted = sample.values.clone();
                sample.sorted.sort_unstable_by(|a, b| b.total_cmp(a));
                sample.above = vec![0; sample.values.len() + 1];
            }
        });
    }

    /// Counts coded rows: whole groups with the scales and inverse norms `[n, 2]` of the rows that are there.
    pub(crate) fn count(&mut self, codes: &[u8], scales: &[[f32; 2]]) {
        let groups = scales.len().div_ceil(GROUP);
        self.families.par_iter_mut().for_each(|family| {
            let is_cosine = family.ranking == Ranking::Cosine;
            let mut sums = vec![[0; GROUP]; groups];
            for sample in &mut family.queries {
                let Some(&least) = sample.sorted.last() else { continue };
                sample.code.sums(codes, &mut sums);
                for (&sum, [scale, norm]) in sums.as_flattened().iter().zip(scales) {
                    let value = sample.code.value(sum, *scale) * if is_cosine { *norm } else { 1.0 };
                    if value >= least {
                        sample.above[sample.sorted.partition_point(|other| *other > value)] += 1;
                    }
                }
            }
        });
    }

    /// The curves. `cells` is the cell of each row, `sizes` the rows of each cell.
    pub(crate) fn finish(self, centres: &Centres, cells: &[u32], sizes: &[u32]) -> Vec<[f32; CURVE_COLUMNS]> {
        let mut out = Vec::new();
        for family in &self.families {
            let found: Vec<Vec<(f32, f32)>> =
                family.queries.par_iter().map(|sample| sample.needs(centres, cells, sizes)).collect();
            for depth in DEPTHS.into_iter().filter(|&depth| depth <= self.depth) {
                let part = |pick: fn(&(f32, f32)) -> f32| {
                    let mut all: Vec<f32> =
                        found.iter().flat_map(|rows| rows.iter().take(depth)).map(pick).collect();
                    all.sort_unstable_by(f32::total_cmp);
                    all
                };
                let mut curve = [0.0; CURVE_COLUMNS];
                curve[..3].copy_from_slice(&[family.ranking.code(), family.media as f32, depth as f32]);
                let (head, ranks) = curve.split_at_mut(3 + MISSES.len());
                for (part, out) in [(part(|need| need.0), &mut head[3..]), (part(|need| need.1), ranks)] {
                    for (out, miss) in out.iter_mut().zip(MISSES) {
                        let lost = (f64::from(miss) * part.len() as f64).floor() as usize;
                        *out = part.iter().rev().nth(lost).copied().unwrap_or(0.0);
                    }
                }
                out.push(curve);
            }
        }
        out
    }
}

impl Sample {
    fn take(&mut self, scores: &[f32], start: usize, depth: usize) {
        for (i, &score) in scores.iter().enumerate() {
            if score > self.floor {
                self.best.push((score, (start + i) as u32));
                if self.best.len() >= 2 * depth + 64 {
                    self.prune(depth);
                }
            }
        }
    }

    fn prune(&mut self, depth: usize) {
        if self.best.len() > depth {
            self.best.select_nth_unstable_by(depth - 1, |a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            self.best.truncate(depth);
            self.floor = self.best[depth - 1].0;
        }
    }

    /// Of each of the best rows: rows visited until its cell has been, and rank by code.
    fn needs(&self, centres: &Centres, cells: &[u32], sizes: &[u32]) -> Vec<(f32, f32)> {
        let mut sums = vec![[0; GROUP]; centres.len().div_ceil(GROUP)];
        self.code.sums(&centres.codes, &mut sums);
        let values: Vec<f32> = sums
            .as_flattened()
            .iter()
            .zip(&centres.scales)
            .map(|(&sum, &scale)| self.code.value(sum, scale))
            .collect();
        let mut order: Vec<usize> = (0..centres.len()).collect();
        order.sort_unstable_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
        let mut visited = vec![0u32; centres.len()];
        let mut before = 0;
        for cell in order {
            before += sizes[cell];
            visited[cell] = before;
        }
        let mut rank = 0;
        let ranks: Vec<u32> = self
            .above
            .iter()
            .map(|count| {
                rank += count;
                rank
            })
            .collect();
        let need = |(&(_, row), value): (&(f32, u32), &f32)| {
            let at = self.sorted.partition_point(|other| other > value);
            (visited[cells[row as usize] as usize] as f32, ranks[at] as f32)
        };
        self.best.iter().zip(&self.values).map(need).collect()
    }
}

/// The linear part of a ranking for one query: `g [d]`; `None` where the bundle has no head for the pair.
pub(crate) fn form(
    bundle: &Bundle,
    ranking: Ranking,
    query_media: usize,
    media: usize,
    u: &[f32],
) -> Option<Vec<f32>> {
    match ranking {
        Ranking::Metric(target) => {
            bundle.metric().query_half(target, query_media, media, u).map(|query| query.bilinear)
        }
        Ranking::Cosine => {
            let norm = dot(u, u).sqrt();
            let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            Some(u.iter().map(|x| x * inverse).collect())
        }
    }
}
