//! Cells in the order of their centres: which are visited.

use std::ops::Range;

use uncsm_format::cells::Cells;

use super::code::CodeQuery;
use super::key::{key, number, position};
use crate::encode::kernel::GROUP;

/// Cells that come first: their rows soon tell which others need not be kept.
const FIRST: usize = 16;

/// The cells of a file whose ends ascend, by the values of their centres.
pub(super) struct Order<'a> {
    cells: &'a Cells<'a>,
    passes: Option<&'a dyn Fn(u32) -> bool>,
    /// A [`key`] of each cell; the first [`Order::taken`] are visited.
    keys: Vec<u64>,
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
        let values = sums.as_flattened().iter().map(|&sum| query.value(sum));
        // A damaged file may have fewer centres.
        let values = values.chain(std::iter::repeat(f32::NEG_INFINITY)).take(count);
        Self {
            cells,
            passes,
            keys: values.zip(0..).map(|(value, cell)| key(value, cell)).collect(),
            taken: 0,
        }
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
        let (n, count) = (self.cells.rows.len(), self.keys.len());
        let (mut rows, mut seen) = (0, 0);
        while (rows < visit || seen < least) && self.taken < count {
            let wanted = visit.saturating_sub(rows).max(least.saturating_sub(seen));
            let rest = &mut self.keys[self.taken..];
            let part = (wanted.saturating_mul(count) / n.max(1) + FIRST).clamp(1, rest.len());
            if part < rest.len() {
                rest.select_nth_unstable_by(part - 1, |a, b| b.cmp(a));
            }
            for at in self.taken..self.taken + part {
                let range = self.range(position(self.keys[at]));
                seen += range.len();
                rows += self.rows_in(range);
            }
            self.taken += part;
        }
    }

    /// Visits the cells of this value and more, too.
    pub(super) fn take_above(&mut self, floor: f32) {
        for at in self.taken..self.keys.len() {
            if number(self.keys[at]) >= floor {
                self.keys.swap(self.taken, at);
                self.taken += 1;
            }
        }
    }

    /// Ranges of positions of the cells that are visited: the best few first, the others in the order of the file, neighbours joined.
    pub(super) fn ranges(&mut self) -> Vec<Range<usize>> {
        let first = FIRST.min(self.taken);
        let visited = &mut self.keys[..self.taken];
        if first < visited.len() {
            visited.select_nth_unstable_by(first, |a, b| b.cmp(a));
        }
        visited[..first].sort_unstable_by(|a, b| b.cmp(a));
        let mut visited: Vec<u32> = self.keys[..self.taken].iter().map(|key| position(*key)).collect();
        visited[first..].sort_unstable();
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
