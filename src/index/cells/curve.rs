//! How many rows have to be looked at to find the best ones: measured with sample queries when cells are made.
//!
//! For each of a sample query's true best rows three numbers are taken: the rows that are visited until its cell has been, in
//! the order of the centres, its rank by short code among all rows, and that by both codes. Their quantiles are the curve. How far
//! values by code lie off is measured beside, see [`margin`](super::margin).

use std::borrow::Cow;

use rayon::prelude::*;
use uncsm_format::cells::CURVE_COLUMNS;

use super::centres::Centres;
use super::code::CodeQuery;
use super::form::{Ranking, Rest, form, rankings};
use super::margin;
use super::quantile::quantiles;
use super::reach::{self, Told};
use super::rows::{RowSource, spread};
use super::space::Space;
use crate::encode::kernel::{GROUP, Rows, products};
use crate::model::{Bundle, ItemRows};

/// Numbers of best rows that curves are measured for.
const DEPTHS: [usize; 3] = [10, 100, 1000];
/// Sample queries of a media type at most, and at least: fewer say nothing of rare misses.
const QUERIES: usize = 64;
const LEAST_QUERIES: usize = 32;
/// Rows that are scored together.
const BLOCK: usize = 2048;
/// Best rows that are coded in one task.
const TASK: usize = 1024;
/// Rows of each sample query that say how far values by code lie off elsewhere.
const SPREAD: usize = 1024;

/// The sample queries of one media type under one ranking.
struct Family<'a> {
    ranking: Ranking,
    media: usize,
    /// `[q, d]`.
    vectors: Cow<'a, [f32]>,
    queries: Vec<Sample>,
    /// Of rows that are spread over all: how far their values by short codes lie off, and by both.
    off: Vec<[f32; 2]>,
}

/// A sample query, and what is found for it.
struct Sample {
    code: CodeQuery,
    by_norm: bool,
    rest: Rest,
    /// Exact score and row.
    best: Vec<(f32, u32)>,
    /// Above it a score may still be among the best.
    floor: f32,
    /// Values of `best` by short codes, and by both.
    short: Values,
    both: Values,
    /// What scores of `best` have beside.
    beside: Vec<f32>,
}

/// Values of the best rows.
#[derive(Default)]
struct Values {
    of_best: Vec<f32>,
    descending: Vec<f32>,
    /// By position in `descending`: rows whose value is not below that one, and below the one before.
    above: Vec<u32>,
}

/// What it takes to find a true row.
struct Need {
    /// Rows visited until its cell has been, and ranks by short code and by both.
    ranks: [f32; 3],
    /// The value of the centre of its cell.
    centre: f32,
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
            let of = |u: &[f32]| form(bundle, ranking, (query_media, media), u);
            let forms: Option<Vec<(Vec<f32>, Rest)>> = vectors.chunks_exact(dim).map(of).collect();
            let forms = forms.filter(|forms| forms.len() >= LEAST_QUERIES)?;
            let vectors = match ranking {
                Ranking::Posterior => forms.iter().flat_map(|(g, _)| g.iter().copied()).collect(),
                _ => Cow::Borrowed(vectors),
            };
            let sample = |(g, rest): (Vec<f32>, Rest)| Sample {
                code: CodeQuery::new(&g, basis),
                by_norm: ranking == Ranking::Cosine,
                rest,
                best: Vec::new(),
                floor: f32::NEG_INFINITY,
                short: Values::default(),
                both: Values::default(),
                beside: Vec::new(),
            };
            let queries = forms.into_iter().map(sample).collect();
            Some(Family { ranking, media: query_media, vectors, queries, off: Vec::new() })
        };
        let posterior = |media| bundle.posterior().map(|_| (Ranking::Posterior, media));
        let media_types = 0..bundle.media().len();
        let measured = rankings(bundle).chain(media_types.filter_map(posterior));
        let families = measured.filter_map(family).collect();
        let depth = DEPTHS[DEPTHS.len() - 1].min(rows.len() / 4).max(1);
        let mut measure = Self { bundle, media, families, depth };
        measure.find(rows);
        measure.by_code(rows, space);
        measure.spread(rows, space);
        measure
    }

    /// The exact pass.
    fn find(&mut self, rows: &dyn RowSource) {
        let (bundle, media, depth) = (self.bundle, self.media, self.depth);
        let mut block = Block::default();
        for start in (0..rows.len()).step_by(BLOCK) {
            let count = BLOCK.min(rows.len() - start);
            block.read(bundle, rows, start..start + count);
            self.families.par_iter_mut().for_each(|family| {
                let scores = family.scores(bundle, media, &block);
                for (sample, scores) in family.queries.iter_mut().zip(scores.chunks_exact(count)) {
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
        let metric = self.bundle.metric();
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
            let (mut half, mut hubs) = (vec![0.0; metric.half()], vec![0.0; metric.hub_columns()]);
            let mut of = |&(row, sample, i): &(u32, u32, u32)| {
                at += usize::from(which[at] != row);
                let asking = &samples[sample as usize];
                let (mut sums, mut more) = ([[0; GROUP]], [0]);
                asking.code.sums(&short[at / GROUP * width..][..width], &mut sums);
                asking.code.long_sums(&long, &[at as u32], &mut more);
                let norm = if asking.by_norm { rows.inverse_norm(row as usize) } else { 1.0 };
                let value = asking.code.value(sums[0][at % GROUP]);
                if asking.rest.hub.is_some() {
                    rows.rest(row as usize, &mut half, &mut hubs);
                }
                let beside = asking.rest.of(&hubs);
                (sample, i, [value * norm, (value + asking.code.more(more[0])) * norm, beside])
            };
            asked.iter().map(&mut of).collect::<Vec<_>>()
        });
        let found: Vec<(u32, u32, [f32; 3])> = tasks.collect();
        for sample in &mut samples {
            let Sample { best, short, both, beside, .. } = &mut **sample;
            [&mut short.of_best, &mut both.of_best, beside]
                .into_iter()
                .for_each(|values| *values = vec![0.0; best.len()]);
        }
        for (sample, i, [short, both, beside]) in found {
            let (sample, i) = (&mut samples[sample as usize], i as usize);
            (sample.short.of_best[i], sample.both.of_best[i], sample.beside[i]) = (short, both, beside);
        }
        for sample in samples {
            sample.short.sort();
            sample.both.sort();
        }
    }

    /// How far values by code lie off for rows that are spread over all.
    fn spread(&mut self, rows: &dyn RowSource, space: &Space) {
        let (bundle, media, width) = (self.bundle, self.media, space.elements.group_bytes());
        let which: Vec<usize> = spread(rows.len(), SPREAD).collect();
        let coded: Vec<u32> = which.iter().map(|row| *row as u32).collect();
        let (short, long) = space.codes(rows, &coded);
        let places: Vec<u32> = (0..coded.len() as u32).collect();
        let mut block = Block::default();
        block.read(bundle, rows, which.iter().copied());
        self.families.par_iter_mut().for_each(|family| {
            let scores = family.scores(bundle, media, &block);
            for (sample, scores) in family.queries.iter().zip(scores.chunks_exact(which.len().max(1))) {
                let (mut sums, mut more) = (vec![[0; GROUP]; short.len() / width], vec![0; which.len()]);
                sample.code.sums(&short, &mut sums);
                sample.code.long_sums(&long, &places, &mut more);
                let of = |(at, score): (usize, &f32)| {
                    let norm = if sample.by_norm { block.norms[at] } else { 1.0 };
                    let (short, more) =
                        (sample.code.value(sums.as_flattened()[at]), sample.code.more(more[at]));
                    let beside = sample.rest.of(block.hubs_of(at, bundle));
                    [short, short + more].map(|value| (score - value * norm - beside).abs())
                };
                family.off.extend(scores.iter().enumerate().map(of));
            }
        });
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
            let found: Vec<Vec<Need>> =
                family.queries.par_iter().map(|sample| sample.needs(centres, cells, sizes)).collect();
            let depths = || DEPTHS.into_iter().filter(|&depth| depth <= self.depth);
            for depth in depths() {
                let mut curve = [0.0; CURVE_COLUMNS];
                let (head, numbers) = curve.split_at_mut(3);
                head.copy_from_slice(&[family.ranking.code(), family.media as f32, depth as f32]);
                for (part, out) in numbers.as_chunks_mut().0.iter_mut().enumerate() {
                    let best = found.iter().flat_map(|rows| rows.iter().take(depth));
                    *out = quantiles(best.map(|need| need.ranks[part]).collect());
                }
                out.push(curve);
            }
            let kind = (family.ranking, family.media);
            let row = |depth: usize, off: Vec<[f32; 2]>| margin::row(kind, depth, &off);
            out.push(row(0, family.off.clone()));
            for depth in depths() {
                out.push(row(depth, family.queries.iter().flat_map(|sample| sample.below(depth)).collect()));
            }
            let told = |depth: usize| {
                // Scores that are no numbers are none of the best.
                let of =
                    |(sample, needs): (&Sample, &Vec<Need>)| sample.told(&needs[..depth.min(needs.len())]);
                (depth, family.queries.iter().zip(&found).map(of).collect())
            };
            out.extend(reach::rows(kind, &depths().map(told).collect::<Vec<_>>()));
        }
        out
    }
}

/// Rows that are scored together.
#[derive(Default)]
struct Block {
    vectors: Vec<f32>,
    halves: Vec<f32>,
    hubs: Vec<f32>,
    norms: Vec<f32>,
}

impl Block {
    /// Takes `which` in place of what was there.
    fn read(&mut self, bundle: &Bundle, rows: &dyn RowSource, which: impl ExactSizeIterator<Item = usize>) {
        let metric = bundle.metric();
        let (dim, half, columns) = (metric.dim(), metric.half(), metric.hub_columns());
        let count = which.len();
        self.vectors.resize(count * dim, 0.0);
        self.halves.resize(count * half, 0.0);
        self.hubs.resize(count * columns, 0.0);
        self.norms.clear();
        for (i, row) in which.enumerate() {
            rows.vector(row, &mut self.vectors[i * dim..][..dim]);
            let hubs = &mut self.hubs[i * columns..][..columns];
            rows.rest(row, &mut self.halves[i * half..][..half], hubs);
            self.norms.push(rows.inverse_norm(row));
        }
    }

    fn hubs_of(&self, at: usize, bundle: &Bundle) -> &[f32] {
        let columns = bundle.metric().hub_columns();
        &self.hubs[at * columns..][..columns]
    }
}

impl Family<'_> {
    /// Scores `[q, rows]`.
    fn scores(&self, bundle: &Bundle, media: usize, block: &Block) -> Vec<f32> {
        let (dim, count) = (bundle.metric().dim(), block.norms.len());
        let mut out = vec![0.0; self.queries.len() * count];
        let Block { vectors, halves, hubs, norms } = block;
        match self.ranking {
            Ranking::Metric(target) => {
                let items = ItemRows { vectors, halves, hubs };
                bundle.metric().logits(target, (self.media, &self.vectors), (media, items), &mut out);
            }
            Ranking::Cosine | Ranking::Posterior => {
                products(Rows::new(&self.vectors, dim), Rows::new(vectors, dim), &mut out);
            }
        }
        if self.ranking == Ranking::Cosine {
            for scores in out.chunks_exact_mut(count.max(1)) {
                scores.iter_mut().zip(norms).for_each(|(score, norm)| *score *= norm);
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

    /// How many rows are not below each of `descending`.
    fn counted(&self) -> Vec<u32> {
        let mut rank = 0;
        let up = |count: &u32| {
            rank += count;
            rank
        };
        self.above.iter().map(up).collect()
    }

    /// The rank of each of the best rows.
    fn ranks(&self) -> Vec<u32> {
        let ranks = self.counted();
        let at = |value: &f32| self.descending.partition_point(|other| other > value);
        self.of_best.iter().map(|value| ranks[at(value)]).collect()
    }

    /// The `k`-th greatest value of all rows that short codes do not put below all of the best, or the next above it that is known.
    fn last(&self, k: usize) -> f32 {
        let ranks = self.counted();
        let at = ranks.partition_point(|&rank| (rank as usize) < k);
        let is_this = ranks.get(at).is_some_and(|&rank| rank as usize == k);
        let at = if is_this { at } else { at.saturating_sub(1) };
        self.descending.get(at).copied().unwrap_or(f32::NEG_INFINITY)
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

    /// Of each of the first `depth` rows: how far its values by code stand below the score of the last of them.
    fn below(&self, depth: usize) -> impl Iterator<Item = [f32; 2]> {
        let last = self.best.get(depth - 1).map_or(f32::NEG_INFINITY, |(score, _)| *score);
        let values = self.short.of_best.iter().zip(&self.both.of_best).zip(&self.beside).take(depth);
        values.map(move |((short, both), beside)| [short, both].map(|value| (last - value - beside).max(0.0)))
    }

    /// What it takes to find each of the best rows.
    fn needs(&self, centres: &Centres<'_>, cells: &[u32], sizes: &[u32]) -> Vec<Need> {
        let mut sums = vec![[0; GROUP]; centres.len().div_ceil(GROUP)];
        self.code.sums(&centres.codes, &mut sums);
        let values: Vec<f32> =
            sums.as_flattened()[..centres.len()].iter().map(|&sum| self.code.value(sum)).collect();
        let mut order: Vec<usize> = (0..centres.len()).collect();
        order.sort_unstable_by(|&a, &b| values[b].total_cmp(&values[a]).then(a.cmp(&b)));
        let mut visited = vec![0u32; centres.len()];
        let mut before = 0;
        for cell in order {
            before += sizes[cell];
            visited[cell] = before;
        }
        let ranks = self.short.ranks().into_iter().zip(self.both.ranks());
        let need = |((_, row), (short, both)): (&(f32, u32), (u32, u32))| {
            let cell = cells[*row as usize] as usize;
            Need { ranks: [visited[cell] as f32, short as f32, both as f32], centre: values[cell] }
        };
        self.best.iter().zip(ranks).map(need).collect()
    }

    /// How far below the best values by code the first ones stand.
    fn told(&self, needs: &[Need]) -> Told {
        let values = self.short.of_best.iter().zip(&self.both.of_best);
        let rows = needs.iter().zip(values).map(|(need, (short, both))| [need.centre, *short, *both]);
        Told { best: self.both.last(needs.len()), middle: self.code.middle(), rows: rows.collect() }
    }
}
