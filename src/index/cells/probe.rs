//! The rows that codes say are best: cells in the order of their centres, rows by their codes.

use std::ops::Range;

use uncsm_format::cells::{CURVE_COLUMNS, Cells, MISSES};

use super::code::{Basis, CodeQuery};
use super::curve::Ranking;
use crate::encode::kernel::GROUP;
use crate::media::Fingerprint;

/// Groups that are compared together.
const RUN: usize = 64;

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Effort {
    /// Rows whose codes are compared, at least.
    pub(crate) visit: usize,
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

fn basis<'a>(cells: &Cells<'a>) -> Basis<'a> {
    Basis { mean: cells.mean, steps: cells.steps }
}

/// The effort for `k` rows at a share `recall` of the true ones: a miss may come from cells and from codes, so each gets a
/// quarter of what may be missed, and half is kept for queries that differ from the samples. `None` where no curve was measured
/// for the scores `model`, the ranking and the media type of the query.
pub(crate) fn effort(
    cells: &Cells<'_>,
    model: Fingerprint,
    (ranking, query_media): (Ranking, usize),
    k: usize,
    recall: f32,
) -> Option<Effort> {
    let curves = cells.curves.filter(|curves| *curves.model == model.0)?;
    let miss = (1.0 - recall) / 4.0;
    // The largest that is measured and not above, but for rounding.
    let at = MISSES.iter().position(|measured| *measured <= miss * 1.001)?;
    let is = |curve: &&[f32; CURVE_COLUMNS]| curve[0] == ranking.code() && curve[1] == query_media as f32;
    let numbers = |curve: &[f32; CURVE_COLUMNS]| (curve[2], curve[3 + at], curve[3 + MISSES.len() + at]);
    let mut known: Vec<(f32, f32, f32)> = curves.rows.iter().filter(is).map(numbers).collect();
    known.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    let (n, depth) = (cells.rows.len(), k.max(1) as f32);
    let (visit, keep) = match known.iter().position(|(measured, ..)| *measured >= depth) {
        Some(0) => (known[0].1, known[0].2),
        // Between two depths both numbers grow more slowly than in proportion: a root stays above them, and has the same
        // bits everywhere.
        Some(above) => {
            let ((least, less, fewer), (most, visit, keep)) = (known[above - 1], known[above]);
            let t = ((depth - least) / (most - least)).sqrt();
            (less + t * (visit - less), fewer + t * (keep - fewer))
        }
        // Beyond the last one, in proportion.
        None => {
            let &(most, visit, keep) = known.last()?;
            (visit * (depth / most), keep * (depth / most))
        }
    };
    Some(Effort { visit: (visit.ceil() as usize).min(n), keep: (keep.ceil() as usize).max(k).min(n) })
}

/// Rows of the segment that are best by code, in no order: of those that `passes` lets through (`None`: all), at most `effort.keep`, from
/// cells that hold `effort.visit` of them or more. Values of a damaged file may give any rows, also such as the file does not
/// have.
pub(crate) fn best_rows(
    cells: &Cells<'_>,
    form: Form<'_>,
    effort: Effort,
    passes: Option<&dyn Fn(u32) -> bool>,
) -> (Vec<u32>, Visit) {
    let query = CodeQuery::new(form.weights, basis(cells));
    let most = effort.keep.clamp(1, cells.rows.len().max(1));
    let mut found = Found {
        cells,
        query: &query,
        by_norm: form.by_norm,
        passes,
        most,
        floor: f32::NEG_INFINITY,
        best: Vec::new(),
    };
    let mut visit = Visit { cells: 0, rows: 0 };
    for range in ranges(cells, &query, effort.visit, passes) {
        let ended = |at: usize| cells.ends.partition_point(|&end| end as usize <= at);
        visit.cells += ended(range.end).saturating_sub(ended(range.start));
        visit.rows += range.len();
        found.scan(range);
    }
    found.prune();
    (found.best.into_iter().map(|(_, row)| row).collect(), visit)
}

/// Ranges of positions of the cells that are visited: the best few first, the others in the order of the file, neighbours
/// joined.
fn ranges(
    cells: &Cells<'_>,
    query: &CodeQuery,
    visit: usize,
    passes: Option<&dyn Fn(u32) -> bool>,
) -> Vec<Range<usize>> {
    /// Cells that come first: their rows soon tell which others need not be kept.
    const FIRST: usize = 16;
    let (n, count) = (cells.rows.len(), cells.ends.len().min(cells.centre_scales.len()));
    if visit >= n {
        return std::iter::once(0..n).collect();
    }
    let groups = cells.centres.len().checked_div(query.group_bytes()).unwrap_or(0);
    let mut sums = vec![[0; GROUP]; groups];
    query.sums(&cells.centres[..groups * query.group_bytes()], &mut sums);
    let sums = sums.as_flattened().iter().copied().chain(std::iter::repeat(0));
    let values: Vec<f32> = cells
        .centre_scales
        .iter()
        .take(count)
        .zip(sums)
        .map(|(&scale, sum)| query.value(sum, scale))
        .collect();
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
    // The best cells, as many as hold `visit` rows: a guess that goes on. None is sorted that need not be.
    let (mut taken, mut rows) = (0, 0);
    while rows < visit && taken < count {
        let rest = &mut order[taken..];
        let part = ((visit - rows) * count / n.max(1) + FIRST).clamp(1, rest.len());
        if part < rest.len() {
            rest.select_nth_unstable_by(part - 1, by);
        }
        rows += rest[..part].iter().map(|&cell| rows_in(range(cell as usize))).sum::<usize>();
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

struct Found<'a> {
    cells: &'a Cells<'a>,
    query: &'a CodeQuery,
    by_norm: bool,
    passes: Option<&'a dyn Fn(u32) -> bool>,
    most: usize,
    /// Above it a row may still be among the best.
    floor: f32,
    best: Vec<(f32, u32)>,
}

impl Found<'_> {
    fn scan(&mut self, range: Range<usize>) {
        let mut sums = [[0; GROUP]; RUN];
        let width = self.query.group_bytes();
        let end = range.end.div_ceil(GROUP);
        let mut group = range.start / GROUP;
        while group < end {
            let run = RUN.min(end - group);
            let Some(codes) = self.cells.codes.get(group * width..(group + run) * width) else { return };
            self.query.sums(codes, &mut sums[..run]);
            for (at, sums) in (group..).zip(&sums[..run]) {
                let (start, end) = (at * GROUP, (at + 1) * GROUP);
                match self
                    .cells
                    .scales
                    .get(start..end)
                    .and_then(|scales| <&[[f32; 2]; GROUP]>::try_from(scales).ok())
                {
                    Some(scales) if range.start <= start && end <= range.end => {
                        let values = self.query.values(sums, scales, self.by_norm);
                        // Without an early end, which the compiler turns to vectors: few groups have one.
                        if values.iter().fold(false, |any, value| any | (*value > self.floor)) {
                            values.into_iter().enumerate().for_each(|(i, value)| self.push(start + i, value));
                        }
                    }
                    _ => {
                        let (from, to) = (range.start.max(start), range.end.min(end));
                        let Some(scales) = self.cells.scales.get(from..to) else { return };
                        for (i, (&sum, &[scale, norm])) in sums[from - start..].iter().zip(scales).enumerate()
                        {
                            let value = self.query.value(sum, scale) * if self.by_norm { norm } else { 1.0 };
                            self.push(from + i, value);
                        }
                    }
                }
            }
            group += run;
        }
    }

    #[inline]
    fn push(&mut self, at: usize, value: f32) {
        if value > self.floor {
            self.keep(at, value);
        }
    }

    #[cold]
    fn keep(&mut self, at: usize, value: f32) {
        let Some(&row) = self.cells.rows.get(at) else { return };
        if self.passes.is_none_or(|passes| passes(row)) {
            self.best.push((value, row));
            if self.best.len() >= 2 * self.most + 64 {
                self.prune();
            }
        }
    }

    fn prune(&mut self) {
        if self.best.len() > self.most {
            let by = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
            let (_, last, _) = self.best.select_nth_unstable_by(self.most - 1, by);
            self.floor = last.0;
            self.best.truncate(self.most);
        }
    }
}
