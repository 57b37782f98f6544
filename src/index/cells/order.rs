//! Cells in the order of their centres: which are visited.

use std::ops::Range;

use uncsm_format::cells::Cells;

use super::code::CodeQuery;
use crate::encode::kernel::GROUP;

/// Cells that come first: their rows soon tell which others need not be kept.
const FIRST: usize = 16;

/// The cells of a file whose ends ascend, by the values of their centres.
pub(super) struct Order<'a> {
    cells: &'a Cells<'a>,
    passes: Option<&'a dyn Fn(u32) -> bool>,
    /// By cell.
    pub(super) values: Vec<f32>,
    /// The first [`Order::taken`] are visited.
    order: Vec<u32>,
    taken: usize,
}

impl<'a> Order<'a> {
    pub(super) fn new(
        cells: &'a Cells<'a>,
        query: &CodeQuery,
        passes: Option<&'a dyn Fn(u32) -> bool>,
    ) -> Self {
        let count = cells.ends.len();
        let groups = cells.centres.len().checked_div(query.group_bytes()).unwrap_or(0);
        let mut sums = vec![[0; GROUP]; groups];
        query.sums(&cells.centres[..groups * query.group_bytes()], &mut sums);
        let mut values: Vec<f32> = sums.as_flattened().iter().map(|&sum| query.value(sum)).collect();
        values.resize(count, f32::NEG_INFINITY);
        Self { cells, passes, values, order: (0..count as u32).collect(), taken: 0 }
    }

    /// Positions of a cell.
    fn range(&self, cell: u32) -> Range<usize> {
        let (cell, n) = (cell as usize, self.cells.rows.len());
        let start = if cell == 0 { 0 } else { self.cells.ends[cell - 1] as usize }.min(n);
        start..(self.cells.ends[cell] as usize).clamp(start, n)
    }

    fn rows_in(&self, range: Range<usize>) -> usize {
        match self.passes {
            Some(passes) => self.cells.rows[range].iter().filter(|row| passes(**row)).count(),
            None => range.len(),
        }
    }

    /// Visits the best cells, as many as hold `visit` rows that pass and `least` of all, and somewhat more: a guess that goes on. None is sorted
    /// that need not be.
    pub(super) fn take(&mut self, (visit, least): (usize, usize)) {
        let (n, count) = (self.cells.rows.len(), self.order.len());
        let (mut rows, mut seen) = (0, 0);
        while (rows < visit || seen < least) && self.taken < count {
            let wanted = visit.saturating_sub(rows).max(least.saturating_sub(seen));
            let rest = &mut self.order[self.taken..];
            let part = (wanted.saturating_mul(count) / n.max(1) + FIRST).clamp(1, rest.len());
            if part < rest.len() {
                rest.select_nth_unstable_by(part - 1, by(&self.values));
            }
            for at in self.taken..self.taken + part {
                let range = self.range(self.order[at]);
                seen += range.len();
                rows += self.rows_in(range);
            }
            self.taken += part;
        }
    }

    /// Visits the cells of this value and more, too.
    pub(super) fn take_above(&mut self, floor: f32) {
        for at in self.taken..self.order.len() {
            if self.values[self.order[at] as usize] >= floor {
                self.order.swap(self.taken, at);
                self.taken += 1;
            }
        }
    }

    /// Ranges of positions of the cells that are visited: the best few first, the others in the order of the file, neighbours joined.
    pub(super) fn ranges(&mut self) -> Vec<Range<usize>> {
        let first = FIRST.min(self.taken);
        let visited = &mut self.order[..self.taken];
        if first < visited.len() {
            visited.select_nth_unstable_by(first, by(&self.values));
        }
        visited[..first].sort_unstable_by(by(&self.values));
        visited[first..].sort_unstable();
        let visited = &self.order[..self.taken];
        let mut out: Vec<Range<usize>> = visited[..first].iter().map(|&cell| self.range(cell)).collect();
        let mut last: Option<Range<usize>> = None;
        for &cell in &visited[first..] {
            let range = self.range(cell);
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
}

/// Greater values first, then smaller numbers.
fn by(values: &[f32]) -> impl Fn(&u32, &u32) -> std::cmp::Ordering + '_ {
    |a, b| values[*b as usize].total_cmp(&values[*a as usize]).then(a.cmp(b))
}
