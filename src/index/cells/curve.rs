//! How many rows have to be looked at to find the best ones: measured with sample queries when cells are made.
//!
//! For each of a sample query's true best rows three numbers are taken: the rows that are visited until its cell has been, in
//! the order of the centres, its rank by short code among all rows, and that by both codes. Their quantiles are the curve.

use rayon::prelude::*;
use uncsm_format::cells::{CURVE_COLUMNS, MISSES};

use super::centres::Centres;
use super::code::CodeQuery;
use super::rows::RowSource;
use super::space::Space;
use crate::encode::kernel::{GROUP, Rows, dot, products};
use crate::model::{Bundle, ItemRows, Target};

/// Numbers of best rows that curves are measured for.
const DEPTHS: [usize; 3] = [10, 100, 1000];
/// Sample queries of a media type at most, and at least: fewer say nothing of rare misses.
const QUERIES: usize = 64;
const LEAST_QUERIES: usize = 32;
/// Rows that are scored together.
const BLOCK: usize = 2048;
/// Best rows that are coded in one task.
const TASK: usize = 1024;

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

/// The sample queries of one media type under one ranking.
struct Family<'a> {
    ranking: Ranking,
    media: usize,
    /// `[q, d]`.
    vectors: &'a [f32],
    queries: Vec<Sample>,
}

/// A sample query, and what is found for it.
struct Sample {
    code: CodeQuery,
    by_norm: bool,
    /// Exact score and row.
    best: Vec<(f32, u32)>,
    /// Above it a score may still be among the best.
    floor: f32,
    /// Values of `best` by short codes, and by both.
    short: Values,
    both: Values,
}

/// Values of the best rows.
#[derive(Default)]
struct Values {
    of_best: Vec<f32>,
    descending: Vec<f32>,
    /// By position in `descending`: rows whose value is not below that one, and below the one before.
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
    pub(crate) fn new(bundle: &'a Bundle, media: usize, rows: &dyn RowSource, space: &Space) -> Self {
        let dim = bundle.metric().dim();
        let basis = space.basis();
        let family = |(ranking, query_media)| {
            let all = bundle.samples(query_media);
            let vectors = &all[..all.len().min(QUERIES * dim)];
            let of = |u: &[f32]| form(bundle, ranking, query_media, media, u);
            let forms: Option<Vec<Vec<f32>>> = vectors.chunks_exact(dim).map(of).collect();
            let forms = forms.filter(|forms| forms.len() >= LEAST_QUERIES)?;
            let sample = |g: Vec<f32>| Sample {
                code: CodeQuery::new(&g, basis),
                by_norm: ranking == Ranking::Cosine,
                best: Vec::new(),
                floor: f32::NEG_INFINITY,
                short: Values::default(),
                both: Values::default(),
            };
            let queries = forms.into_iter().map(sample).collect();
            Some(Family { ranking, media: query_media, vectors, queries })
        };
        let families = rankings(bundle).filter_map(family).collect();
        let depth = DEPTHS[DEPTHS.len() - 1].min(rows.len() / 4).max(1);
        let mut measure = Self { bundle, media, families, depth };
        measure.find(rows);
        measure.by_code(rows, space);
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

    fn samples(&mut self) -> Vec<&mut Sample> {
        self.families.iter_mut().flat_map(|family| &mut family.queries).collect()
    }

    /// What the codes say of the best rows.
    fn by_code(&mut self, rows: &dyn RowSource, space: &Space) {
        let mut samples = self.samples();
        // By row: many are among the best of several queries.
        let mut asked: Vec<(u32, u32, u32)> = Vec::new();
        for (at, sample) in samples.iter().enumerate() {
            asked.extend(sample.best.iter().enumerate().map(|(i, (_, row))| (*row, at as u32, i as u32)));
        }
        asked.sort_unstable();
        let tasks = asked.par_chunks(TASK).flat_map_iter(|asked| {
            let mut which: Vec<u32> = asked.iter().map(|(row, ..)| *row).collect();
            which.dedup();
            let (short, long) = space.codes(rows, &which);
            let width = space.elements.group_bytes();
            let mut at = 0;
            let mut of = |&(row, sample, i): &(u32, u32, u32)| {
                at += usize::from(which[at] != row);
                let asking = &samples[sample as usize];
                let (mut sums, mut more) = ([[0; GROUP]], [0]);
                asking.code.sums(&short[at / GROUP * width..][..width], &mut sums);
                asking.code.long_sums(&long, &[at as u32], &mut more);
                let norm = if asking.by_norm { rows.inverse_norm(row as usize) } else { 1.0 };
                let value = asking.code.value(sums[0][at % GROUP]);
                (sample, i, value * norm, (value + asking.code.more(more[0])) * norm)
            };
            asked.iter().map(&mut of).collect::<Vec<_>>()
        });
        let found: Vec<(u32, u32, f32, f32)> = tasks.collect();
        for sample in &mut samples {
            sample.short.of_best = vec![0.0; sample.best.len()];
            sample.both.of_best = vec![0.0; sample.best.len()];
        }
        for (sample, i, short, both) in found {
            let sample = &mut samples[sample as usize];
            (sample.short.of_best[i as usize], sample.both.of_best[i as usize]) = (short, both);
        }
        for sample in samples {
            sample.short.sort();
            sample.both.sort();
        }
    }

    /// Counts coded rows: whole groups of short codes, long codes, and inverse norms `[n]` of the rows that are there.
    pub(crate) fn count(&mut self, short: &[u8], long: &[u8], norms: &[f32]) {
        self.samples().into_par_iter().for_each(|sample| sample.count(short, long, norms));
    }

    /// The curves. `cells` is the cell of each row, `sizes` the rows of each cell.
    pub(crate) fn finish(
        self,
        centres: &Centres<'_>,
        cells: &[u32],
        sizes: &[u32],
    ) -> Vec<[f32; CURVE_COLUMNS]> {
        let mut out = Vec::new();
        for family in &self.families {
            let found: Vec<Vec<[f32; 3]>> =
                family.queries.par_iter().map(|sample| sample.needs(centres, cells, sizes)).collect();
            for depth in DEPTHS.into_iter().filter(|&depth| depth <= self.depth) {
                let mut curve = [0.0; CURVE_COLUMNS];
                let (head, numbers) = curve.split_at_mut(3);
                head.copy_from_slice(&[family.ranking.code(), family.media as f32, depth as f32]);
                for (part, out) in numbers.as_chunks_mut::<{ MISSES.len() }>().0.iter_mut().enumerate() {
                    let best = found.iter().flat_map(|rows| rows.iter().take(depth));
                    let mut all: Vec<f32> = best.map(|need| need[part]).collect();
                    all.sort_unstable_by(f32::total_cmp);
                    for (out, miss) in out.iter_mut().zip(MISSES) {
                        let lost = (f64::from(miss) * all.len() as f64).floor() as usize;
                        *out = all.iter().rev().nth(lost).copied().unwrap_or(0.0);
                    }
                }
                out.push(curve);
            }
        }
        out
    }
}

impl Values {
    fn sort(&mut self) {
        self.descending = self.of_best.clone();
        self.descending.sort_unstable_by(|a, b| b.total_cmp(a));
        self.above = vec![0; self.descending.len() + 1];
    }

    fn least(&self) -> f32 {
        self.descending.last().copied().unwrap_or(f32::INFINITY)
    }

    fn count(&mut self, value: f32) {
        self.above[self.descending.partition_point(|other| *other > value)] += 1;
    }

    /// The rank of each of the best rows.
    fn ranks(&self) -> Vec<u32> {
        let mut rank = 0;
        let up = |count: &u32| {
            rank += count;
            rank
        };
        let ranks: Vec<u32> = self.above.iter().map(up).collect();
        let at = |value: &f32| self.descending.partition_point(|other| other > value);
        self.of_best.iter().map(|value| ranks[at(value)]).collect()
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

    fn count(&mut self, short: &[u8], long: &[u8], norms: &[f32]) {
        let mut sums = vec![[0; GROUP]; norms.len().div_ceil(GROUP)];
        self.code.sums(short, &mut sums);
        let sums = sums.as_flattened();
        let norm = |at: usize| if self.by_norm { norms[at] } else { 1.0 };
        let least = self.short.least();
        let value = |at: usize| (at, self.code.value(sums[at]) * norm(at));
        let near: Vec<(usize, f32)> =
            (0..norms.len()).map(value).filter(|(_, value)| *value >= least).collect();
        // A row that short codes leave behind all of the best is not looked at again.
        let which: Vec<u32> = near.iter().map(|(at, _)| *at as u32).collect();
        let mut more = vec![0; which.len()];
        self.code.long_sums(long, &which, &mut more);
        let least = self.both.least();
        for (&(at, short), more) in near.iter().zip(more) {
            self.short.count(short);
            let norm = if self.by_norm { norms[at] } else { 1.0 };
            let both = (self.code.value(sums[at]) + self.code.more(more)) * norm;
            if both >= least {
                self.both.count(both);
            }
        }
    }

    /// Of each of the best rows: rows visited until its cell has been, and ranks by short code and by both.
    fn needs(&self, centres: &Centres<'_>, cells: &[u32], sizes: &[u32]) -> Vec<[f32; 3]> {
        let mut sums = vec![[0; GROUP]; centres.len().div_ceil(GROUP)];
        self.code.sums(&centres.codes, &mut sums);
        let sums = sums.as_flattened();
        let mut order: Vec<usize> = (0..centres.len()).collect();
        order.sort_unstable_by(|&a, &b| {
            self.code.value(sums[b]).total_cmp(&self.code.value(sums[a])).then(a.cmp(&b))
        });
        let mut visited = vec![0u32; centres.len()];
        let mut before = 0;
        for cell in order {
            before += sizes[cell];
            visited[cell] = before;
        }
        let ranks = self.short.ranks().into_iter().zip(self.both.ranks());
        let need = |((_, row), (short, both)): (&(f32, u32), (u32, u32))| {
            [visited[cells[*row as usize] as usize] as f32, short as f32, both as f32]
        };
        self.best.iter().zip(ranks).map(need).collect()
    }
}

/// The rankings that are measured, by media type of the query.
fn rankings(bundle: &Bundle) -> impl Iterator<Item = (Ranking, usize)> {
    (0..bundle.media().len()).flat_map(|media| {
        let heads = bundle.metric().targets().iter().map(|&target| Ranking::Metric(target));
        heads.chain([Ranking::Cosine]).map(move |ranking| (ranking, media))
    })
}

/// The linear parts of all sample queries over items of `media`, `[q, d]` for each ranking.
pub(crate) fn forms(bundle: &Bundle, media: usize) -> Vec<Vec<f32>> {
    let dim = bundle.metric().dim();
    let of = |(ranking, query_media)| {
        let all = bundle.samples(query_media).chunks_exact(dim.max(1));
        all.filter_map(|u| form(bundle, ranking, query_media, media, u)).flatten().collect()
    };
    rankings(bundle).map(of).collect()
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
