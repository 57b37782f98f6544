//! The rows that codes say are best: cells in the order of their centres, rows by their short codes, the best of these by both.

use std::ops::Range;

use uncsm_format::cells::{CURVE_COLUMNS, Cells, MISSES};

use super::code::{Basis, CodeQuery};
use super::form::Ranking;
use crate::encode::kernel::GROUP;
use crate::media::Fingerprint;

/// Groups that are compared together.
const RUN: usize = 64;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effort {
    /// Rows that pass whose short codes are compared, at least.
    pub(crate) visit: usize,
    /// Rows in the cells that are visited, at least, whether they pass or not: what passes may lie as the best do.
    pub(crate) least: usize,
    /// The best of these, whose long codes are compared.
    pub(crate) refine: usize,
    /// Rows that are given.
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
    let at = quantile(recall)?;
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

/// Which quantile each of what may lose a row gets at a share `recall` of the true ones: the largest that is measured and not above an eighth
/// of what may be missed, but for rounding.
pub(crate) fn quantile(recall: f32) -> Option<usize> {
    let miss = (1.0 - recall) / 8.0;
    MISSES.iter().position(|measured| *measured <= miss * 1.001)
}

/// Rows of the segment that are best by code, in no order: of those that `passes` lets through (`None`: all), at most `effort.keep`, from
/// cells that hold `effort.visit` of them or more, by both codes of the `effort.refine` that are best by the short ones. Values of a damaged file may give any rows, also such as the
/// file does not have.
pub(crate) fn best_rows(
    cells: &Cells<'_>,
    form: Form<'_>,
    effort: Effort,
    passes: Option<&dyn Fn(u32) -> bool>,
) -> (Vec<u32>, Visit) {
    // Ends that descend, or more cells than rows, are of a damaged file: a row may be visited any number of times.
    if !cells.ends.is_sorted() || cells.ends.len() > cells.rows.len() {
        return (Vec::new(), Visit { cells: 0, rows: 0 });
    }
    let query = CodeQuery::new(form.weights, Basis::of(cells));
    let most = |count: usize| count.clamp(1, cells.rows.len().max(1));
    let best = Best::new(most(effort.refine));
    let mut found =
        Found { cells, query: &query, by_norm: form.by_norm, passes, best, sums: [[0; GROUP]; RUN] };
    let ranges = ranges(cells, &query, (effort.visit, effort.least), passes);
    let mut visit = Visit { cells: 0, rows: 0 };
    for range in &ranges {
        let ended = |at: usize| cells.ends.partition_point(|&end| end as usize <= at);
        visit.cells += ended(range.end).saturating_sub(ended(range.start));
        visit.rows += range.len();
    }
    found.guess(&ranges);
    let is_guess = found.best.floor > f32::NEG_INFINITY;
    ranges.iter().for_each(|range| found.scan(range));
    if is_guess && found.best.rows.len() < found.best.most {
        // The guess was too high.
        found.best = Best::new(found.best.most);
        ranges.iter().for_each(|range| found.scan(range));
    }
    let short = found.best.take();
    let keep = most(effort.keep);
    let row = |(key, _): (u64, i32)| cells.rows.get(position(key) as usize).copied();
    if short.len() <= keep {
        return (short.into_iter().filter_map(row).collect(), visit);
    }
    let mut best = Best::new(keep);
    let which: Vec<u32> = short.iter().map(|(key, _)| position(*key)).collect();
    let mut more = vec![0; which.len()];
    query.long_sums(cells.long, &which, &mut more);
    for ((&at, (_, sum)), more) in which.iter().zip(short).zip(more) {
        let norm = if form.by_norm { cells.norms.get(at as usize).copied().unwrap_or(0.0) } else { 1.0 };
        let value = (query.value(sum) + query.more(more)) * norm;
        if value > best.floor {
            best.push(value, at, sum);
        }
    }
    (best.take().into_iter().filter_map(row).collect(), visit)
}

/// Ranges of positions of the cells that are visited: the best few first, the others in the order of the file, neighbours
/// joined.
fn ranges(
    cells: &Cells<'_>,
    query: &CodeQuery,
    (visit, least): (usize, usize),
    passes: Option<&dyn Fn(u32) -> bool>,
) -> Vec<Range<usize>> {
    /// Cells that come first: their rows soon tell which others need not be kept.
    const FIRST: usize = 16;
    let (n, count) = (cells.rows.len(), cells.ends.len());
    // From two thirds on the order of cells and what is read beside them costs more than the rest of the rows.
    if visit.max(least) >= n - n / 3 {
        return std::iter::once(0..n).collect();
    }
    let groups = cells.centres.len().checked_div(query.group_bytes()).unwrap_or(0);
    let mut sums = vec![[0; GROUP]; groups];
    query.sums(&cells.centres[..groups * query.group_bytes()], &mut sums);
    let mut values: Vec<f32> = sums.as_flattened().iter().map(|&sum| query.value(sum)).collect();
    values.resize(count, f32::NEG_INFINITY);
    let range = |cell: usize| {
        let start = if cell == 0 { 0 } else { cells.ends[cell - 1] as usize }.min(n);
        start..(cells.ends[cell] as usize).clamp(start, n)
    };
    let rows_in = |range: Range<usize>| match passes {
        Some(passes) => cells.rows[range].iter().filter(|row| passes(**row)).count(),
        None => range.len(),
    };
    let mut order: Vec<u32> = (0..count as u32).collect();
    let by = |a: &u32, b: &u32| values[*b as usize].total_cmp(&values[*a as usize]).then(a.cmp(b));
    // The best cells, as many as hold `visit` rows that pass and `least` of all: a guess that goes on. None is sorted that need not be.
    let (mut taken, mut rows, mut seen) = (0, 0, 0);
    while (rows < visit || seen < least) && taken < count {
        let rest = &mut order[taken..];
        let wanted = visit.saturating_sub(rows).max(least.saturating_sub(seen));
        let part = (wanted.saturating_mul(count) / n.max(1) + FIRST).clamp(1, rest.len());
        if part < rest.len() {
            rest.select_nth_unstable_by(part - 1, by);
        }
        for &cell in &rest[..part] {
            rows += rows_in(range(cell as usize));
            seen += range(cell as usize).len();
        }
        taken += part;
    }
    let first = FIRST.min(taken);
    let visited = &mut order[..taken];
    if first < taken {
        visited.select_nth_unstable_by(first, by);
    }
    visited[..first].sort_unstable_by(by);
    let mut out: Vec<Range<usize>> = visited[..first].iter().map(|&cell| range(cell as usize)).collect();
    let rest = &mut visited[first..];
    rest.sort_unstable();
    let mut last: Option<Range<usize>> = None;
    for &cell in rest.iter() {
        let range = range(cell as usize);
        last = match last {
            Some(last) if last.end == range.start => Some(last.start..range.end),
            before => {
                out.extend(before);
                Some(range)
            }
        };
    }
    out.extend(last);
    out
}

/// A number by which greater values come after smaller ones, and of equal ones smaller positions after greater.
fn key(value: f32, at: u32) -> u64 {
    let bits = value.to_bits();
    let ordered = if bits >> 31 == 1 { !bits } else { bits | 1 << 31 };
    u64::from(ordered) << 32 | u64::from(!at)
}

/// The position of a key.
fn position(key: u64) -> u32 {
    !(key as u32)
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
            let ordered = (last.0 >> 32) as u32;
            self.floor = f32::from_bits(if ordered >> 31 == 1 { ordered & !(1 << 31) } else { !ordered });
            self.rows.truncate(self.most);
        }
    }

    /// All that stay.
    fn take(mut self) -> Vec<(u64, i32)> {
        self.prune();
        self.rows
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
        let floor = self.best.floor.max(i32::MIN as f32) as i32;
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
