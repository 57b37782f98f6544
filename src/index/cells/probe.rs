//! The rows that codes say are best: cells in the order of their centres, rows by their short codes, the best of these by both.

use std::ops::Range;

use uncsm_format::cells::{CURVE_COLUMNS, Cells, MISSES};

use super::code::{Basis, CodeQuery};
use super::form::Ranking;
use super::key::{key, number, position};
use super::order::Order;
use super::quantile::quantile;
use super::reach::{Reach, Stage};
use crate::encode::kernel::GROUP;
use crate::media::Fingerprint;

/// Groups that are compared together.
const RUN: usize = 64;
/// What a reach lets through is at most so many times what ranks ask for.
const BEYOND: usize = 4;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effort {
    /// Rows that pass whose short codes are compared, at least; by a reach, as many as lie within it.
    pub(crate) visit: usize,
    /// Rows in the cells that are visited, at least, whether they pass or not: what passes may lie as the best do.
    pub(crate) least: usize,
    /// The best of these, whose long codes are compared; by a reach, at most so many times [`BEYOND`].
    pub(crate) refine: usize,
    /// Rows that are given; by a reach, at most so many times [`BEYOND`].
    pub(crate) keep: usize,
}

/// What was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Visit {
    /// Cells that are not empty.
    pub(crate) cells: usize,
    /// Rows whose codes were compared.
    pub(crate) rows: usize,
}

/// The linear part of a score: `g . x`, by the inverse norm of the row or not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form<'a> {
    /// `g [d]`.
    pub(crate) weights: &'a [f32],
    pub(crate) by_norm: bool,
}

/// The share of what may be missed that each of the three may miss.
pub(super) const SHARE: f32 = 1.0 / 8.0;
/// Ranks are up to twice what the samples need, but no more than so many times k above it, by short code and by both: queries differ from
/// samples by more in their ranks than in their cells.
const SPARE: [f32; 2] = [32.0, 4.0];

/// The effort for `k` rows at a share `recall` of the true ones: a miss may come from cells and from either code, so each gets an eighth of
/// what may be missed; the rest is for queries that differ from the samples. `None` where no curve was measured for the scores `model`, the
/// ranking and the media type of the query.
pub(crate) fn effort(
    cells: &Cells<'_>,
    model: Fingerprint,
    (ranking, query_media): (Ranking, usize),
    k: usize,
    recall: f32,
) -> Option<Effort> {
    let curves = cells.curves.filter(|curves| *curves.model == model.0)?;
    let at = quantile(recall, SHARE)?;
    let is = |curve: &&[f32; CURVE_COLUMNS]| curve[0] == ranking.code() && curve[1] == query_media as f32;
    let numbers = |curve: &[f32; CURVE_COLUMNS]| {
        let of = |part: usize| curve[3 + part * MISSES.len() + at];
        let spared = |part: usize| of(part) + of(part).min(SPARE[part - 1] * curve[2]);
        (curve[2], [of(0), spared(1), spared(2)])
    };
    let mut known: Vec<(f32, [f32; 3])> = curves.rows.iter().filter(is).map(numbers).collect();
    known.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (n, depth) = (cells.rows.len(), k.max(1) as f32);
    let all: [f32; 3] = match known.iter().position(|(measured, _)| *measured >= depth) {
        Some(0) => known[0].1,
        // Between two depths numbers grow with the logarithm of k, or somewhat faster, but less than in proportion: the fourth root stays
        // above, and has the same bits everywhere.
        Some(above) => {
            let ((least, fewer), (most, more)) = (known[above - 1], known[above]);
            let t = ((depth - least) / (most - least)).sqrt().sqrt();
            std::array::from_fn(|i| fewer[i] + t * (more[i] - fewer[i]))
        }
        // Beyond the last one, in proportion.
        None => {
            let &(most, numbers) = known.last()?;
            numbers.map(|number| number * (depth / most))
        }
    };
    let [visit, refine, keep] = all.map(|number| (number.ceil() as usize).min(n));
    let keep = keep.max(k).min(n);
    Some(Effort { visit, least: visit, refine: refine.max(keep), keep })
}

/// Rows of the segment that are best by code, in no order: of those that `passes` lets through (`None`: all), at most `effort.keep`, from
/// cells that hold `effort.visit` of them or more, by both codes of the `effort.refine` that are best by the short ones. Where `reach` tells
/// how far below the best a true one may lie, cells and rows beyond it are left out, and more are looked at where more lie within. Values of
/// a damaged file may give any rows, also such as the file does not have.
pub(crate) fn best_rows(
    cells: &Cells<'_>,
    form: Form<'_>,
    effort: Effort,
    reach: Option<Reach>,
    passes: Option<&dyn Fn(u32) -> bool>,
) -> (Vec<u32>, Visit) {
    // Ends that descend, or more cells than rows, are of a damaged file: a row may be visited any number of times.
    if !cells.ends.is_sorted() || cells.ends.len() > cells.rows.len() {
        return (Vec::new(), Visit { cells: 0, rows: 0 });
    }
    let query = CodeQuery::new(form.weights, Basis::of(cells));
    let mut found = Found {
        cells,
        query: &query,
        by_norm: form.by_norm,
        passes,
        best: Best::new(0),
        sums: [[0; GROUP]; RUN],
    };
    let near = reach.and_then(|reach| found.near(reach));
    let more = if near.is_some() { BEYOND } else { 1 };
    let most = |count: usize| count.saturating_mul(more).clamp(1, cells.rows.len().max(1));
    let best = || Best::new(most(effort.refine));
    found.best = best();
    let ranges = match near {
        Some((ranges, floor)) => {
            found.best.floor = floor;
            ranges
        }
        None => {
            let ranges = ranges(cells, &query, (effort.visit, effort.least), passes);
            found.guess(&ranges);
            ranges
        }
    };
    let mut visit = Visit { cells: 0, rows: 0 };
    for range in &ranges {
        let ended = |at: usize| cells.ends.partition_point(|&end| end as usize <= at);
        visit.cells += ended(range.end).saturating_sub(ended(range.start));
        visit.rows += range.len();
    }
    let is_guess = more == 1 && found.best.floor > f32::NEG_INFINITY;
    ranges.iter().for_each(|range| found.scan(range));
    if is_guess && found.best.rows.len() < found.best.most {
        // The guess was too high.
        found.best = best();
        ranges.iter().for_each(|range| found.scan(range));
    }
    let kept = found.refine(reach, most(effort.keep));
    (kept.into_iter().filter_map(|at| cells.rows.get(at as usize).copied()).collect(), visit)
}

/// From so many of `n` rows on the order of cells and what is read beside them costs more than the rest of the rows.
fn most_of(n: usize) -> usize {
    n - n / 3
}

/// Ranges of positions of the cells that are visited.
fn ranges(
    cells: &Cells<'_>,
    query: &CodeQuery,
    (visit, least): (usize, usize),
    passes: Option<&dyn Fn(u32) -> bool>,
) -> Vec<Range<usize>> {
    let n = cells.rows.len();
    if visit.max(least) >= most_of(n) {
        return std::iter::once(0..n).collect();
    }
    let mut order = Order::new(cells, query, passes);
    order.take((visit, least));
    order.ranges()
}

/// Rows that are looked at by both codes to tell the k-th best of them.
fn enough(k: usize) -> usize {
    2 * k + 64
}

/// The k-th greatest of `values`, which get another order; `None` where there are fewer.
fn nth(values: &mut [f32], k: usize) -> Option<f32> {
    let at = k.checked_sub(1).filter(|at| *at < values.len())?;
    Some(*values.select_nth_unstable_by(at, |a, b| b.total_cmp(a)).1)
}

/// The best by value so far: key, sum of the short code.
struct Best {
    most: usize,
    /// Above it a row may still be among the best.
    floor: f32,
    rows: Vec<(u64, i32)>,
}

impl Best {
    fn new(most: usize) -> Self {
        Self { most, floor: f32::NEG_INFINITY, rows: Vec::new() }
    }

    fn push(&mut self, value: f32, at: u32, sum: i32) {
        self.rows.push((key(value, at), sum));
        if self.rows.len() >= 2 * self.most + 64 {
            self.prune();
        }
    }

    fn prune(&mut self) {
        if self.rows.len() > self.most {
            let by = |(key, _): &(u64, i32)| std::cmp::Reverse(*key);
            let (_, last, _) = self.rows.select_nth_unstable_by_key(self.most - 1, by);
            self.floor = number(last.0);
            self.rows.truncate(self.most);
        }
    }

    /// All that stay.
    fn take(&mut self) -> Vec<(u64, i32)> {
        self.prune();
        std::mem::take(&mut self.rows)
    }
}

struct Found<'a> {
    cells: &'a Cells<'a>,
    query: &'a CodeQuery,
    by_norm: bool,
    passes: Option<&'a dyn Fn(u32) -> bool>,
    best: Best,
    /// Of a run of groups.
    sums: [[i32; GROUP]; RUN],
}

/// Rows of a group that starts at a position which lie in `range`.
fn within(start: usize, range: &Range<usize>) -> Range<usize> {
    range.start.saturating_sub(start)..GROUP.min(range.end.saturating_sub(start))
}

impl Found<'_> {
    /// The cells within reach, and the floor of values by short code: from the best rows of the first cells. `None` where ranks tell more, or too
    /// few rows were met.
    fn near(&mut self, reach: Reach) -> Option<(Vec<Range<usize>>, f32)> {
        /// Rows of the first cells, for each that is wanted.
        const MET: usize = 4;
        if !reach.ends() {
            return None;
        }
        let mut order = Order::new(self.cells, self.query, self.passes);
        order.take((MET * reach.k(), 0));
        self.best = Best::new(enough(reach.k()));
        order.ranges().iter().for_each(|range| self.scan(range));
        let met = self.best.take();
        let best = nth(&mut self.both(&met), reach.k())?;
        let floor = |stage| reach.floor(stage, best, self.query.middle());
        let cells = floor(Stage::Cells);
        if cells == f32::NEG_INFINITY {
            return None;
        }
        order.take_above(cells);
        let (n, mut ranges) = (self.cells.rows.len(), order.ranges());
        if ranges.iter().map(Range::len).sum::<usize>() >= most_of(n) {
            ranges = std::iter::once(0..n).collect();
        }
        Some((ranges, self.as_kept(floor(Stage::Short))))
    }

    /// A value as [`Best`] has it.
    fn as_kept(&self, value: f32) -> f32 {
        if self.by_norm { value } else { self.query.sum_of(value) }
    }

    /// Values by both codes of rows.
    fn both(&self, rows: &[(u64, i32)]) -> Vec<f32> {
        let which: Vec<u32> = rows.iter().map(|(key, _)| position(*key)).collect();
        let mut more = vec![0; which.len()];
        self.query.long_sums(self.cells.long, &which, &mut more);
        let value = |((at, (_, sum)), more): ((u32, &(u64, i32)), i32)| {
            let norm =
                if self.by_norm { self.cells.norms.get(at as usize).copied().unwrap_or(0.0) } else { 1.0 };
            (self.query.value(*sum) + self.query.more(more)) * norm
        };
        which.into_iter().zip(rows).zip(more).map(value).collect()
    }

    /// Positions of at most `keep` rows that are best by both codes, of those that are best by the short ones.
    fn refine(&mut self, reach: Option<Reach>, keep: usize) -> Vec<u32> {
        let mut short = self.best.take();
        let positions = |rows: Vec<(u64, i32)>| rows.into_iter().map(|(key, _)| position(key)).collect();
        if short.len() <= reach.map_or(keep, |reach| reach.k().min(keep)) {
            return positions(short);
        }
        let mut floor = f32::NEG_INFINITY;
        let mut values = Vec::with_capacity(short.len());
        if let Some(reach) = reach {
            // Values among which the k-th best of all is.
            let mut ranked = Vec::new();
            // The first ones tell how far down the others are worth a look.
            let few = enough(reach.k());
            if few < short.len() {
                short.select_nth_unstable_by_key(few, |(key, _)| std::cmp::Reverse(*key));
                values = self.both(&short[..few]);
                ranked.extend_from_slice(&values);
                if let Some(best) = nth(&mut ranked, reach.k()) {
                    let least = self.as_kept(reach.floor(Stage::Short, best, self.query.middle()));
                    let mut at = 0;
                    short.retain(|(key, _)| {
                        at += 1;
                        at <= few || number(*key) >= least
                    });
                    ranked.truncate(reach.k());
                }
            }
            let others = self.both(&short[values.len()..]);
            ranked.extend_from_slice(&others);
            values.extend(others);
            if let Some(best) = nth(&mut ranked, reach.k()) {
                // The first k are kept whatever the reach says.
                floor = reach.floor(Stage::Both, best, self.query.middle()).min(best);
            }
        } else {
            values = self.both(&short);
        }
        let mut best = Best::new(keep);
        for ((key, sum), value) in short.into_iter().zip(values) {
            if value >= floor && value > best.floor {
                best.push(value, position(key), sum);
            }
        }
        positions(best.take())
    }

    /// Guesses from a part of the rows above which value as many are as are wanted: most rows need no look at all then.
    fn guess(&mut self, ranges: &[Range<usize>]) {
        /// Groups that stand together, and of how many such parts one is looked at.
        const TOGETHER: usize = 2;
        const PARTS: usize = 16;
        let rows: usize = ranges.iter().map(Range::len).sum();
        if self.passes.is_some() || rows < 8 * self.best.most || rows < 64 * GROUP * PARTS {
            return;
        }
        let width = self.query.group_bytes();
        let (mut values, mut next) = (Vec::with_capacity(rows / PARTS + GROUP), 0);
        for range in ranges {
            let (first, groups) = (range.start / GROUP, range.len() / GROUP);
            while next < groups {
                let group = first + next;
                let codes = self.cells.short.get(group * width..(group + TOGETHER) * width);
                next += TOGETHER * PARTS;
                let Some(codes) = codes else { continue };
                self.query.sums(codes, &mut self.sums[..TOGETHER]);
                for at in 0..TOGETHER {
                    let (start, sums) = ((group + at) * GROUP, &self.sums[at]);
                    if self.by_norm {
                        values.extend(self.query.values(sums, Some(&self.norms(start))));
                    } else {
                        values.extend(sums.iter().map(|&sum| sum as f32));
                    }
                }
            }
            next -= groups;
        }
        // Half as many more, since it is a guess.
        let wanted = self.best.most * 3 / 2 * values.len() / rows + 8;
        if wanted < values.len() {
            self.best.floor = *values.select_nth_unstable_by(wanted, |a: &f32, b| b.total_cmp(a)).1;
        }
    }

    /// Inverse norms of a group that starts at a position.
    fn norms(&self, start: usize) -> [f32; GROUP] {
        let (mut norms, all) = ([0.0; GROUP], self.cells.norms.get(start..).unwrap_or_default());
        norms.iter_mut().zip(all).for_each(|(norm, of)| *norm = *of);
        norms
    }

    fn scan(&mut self, range: &Range<usize>) {
        let width = self.query.group_bytes();
        let end = range.end.div_ceil(GROUP);
        let mut group = range.start / GROUP;
        while group < end {
            let run = RUN.min(end - group);
            let Some(codes) = self.cells.short.get(group * width..(group + run) * width) else { return };
            self.query.sums(codes, &mut self.sums[..run]);
            for at in 0..run {
                if self.by_norm {
                    self.group_by_norm((group + at) * GROUP, at, range);
                } else {
                    self.group((group + at) * GROUP, at, range);
                }
            }
            group += run;
        }
    }

    /// Looks at the rows of a group that starts at a position, as far as they lie in `range`. A value is its sum, which has the same order.
    #[inline]
    fn group(&mut self, start: usize, at: usize, range: &Range<usize>) {
        let sums = &self.sums[at];
        // Without an early end, which the compiler turns to vectors: few groups have one. No sum is beyond what f32 has.
        let floor = self.best.floor.floor().max(i32::MIN as f32) as i32;
        if sums.iter().fold(false, |any, sum| any | (*sum > floor)) {
            for i in within(start, range) {
                let sum = self.sums[at][i];
                self.keep(start + i, sum as f32, sum);
            }
        }
    }

    /// The same of values by inverse norms.
    #[inline]
    fn group_by_norm(&mut self, start: usize, at: usize, range: &Range<usize>) {
        let norms = self.norms(start);
        let values = self.query.values(&self.sums[at], Some(&norms));
        let floor = self.best.floor;
        if values.iter().fold(false, |any, value| any | (*value > floor)) {
            for i in within(start, range) {
                self.keep(start + i, values[i], self.sums[at][i]);
            }
        }
    }

    fn keep(&mut self, at: usize, value: f32, sum: i32) {
        if value > self.best.floor {
            let Some(&row) = self.cells.rows.get(at) else { return };
            if self.passes.is_none_or(|passes| passes(row)) {
                self.best.push(value, at as u32, sum);
            }
        }
    }
}
