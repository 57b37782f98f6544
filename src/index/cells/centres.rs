//! Cells of near rows: k-means, the same on every machine and for any number of threads.
//!
//! The nearest centre of `x` is that with the largest `x . c - |c|^2 / 2`. All centres are compared by their codes, the best
//! few exactly.

use rayon::prelude::*;
use uncsm_format::cells::code_bytes;

use super::code::{Basis, CodeQuery, Coder};
use super::rows::{RowSource, spread};
use crate::encode::kernel::{GROUP, dot};

/// Rounds of k-means.
const ROUNDS: usize = 8;
/// Rows that a centre is learned from, on average, and of all centres at most.
const ROWS_PER_CENTRE: usize = 32;
const MOST_ROWS: usize = 1 << 18;
/// Centres that are compared exactly.
const CLOSE: usize = 4;
/// Rows of one task.
const TASK: usize = 256;

/// Coded centres `[c, d]`.
pub(crate) struct Centres {
    dim: usize,
    exact: Vec<f32>,
    /// `|c|^2 / 2`.
    halves: Vec<f32>,
    /// Whole groups.
    pub(crate) codes: Vec<u8>,
    pub(crate) scales: Vec<f32>,
}

impl Centres {
    fn new(exact: Vec<f32>, basis: Basis<'_>) -> Self {
        let dim = basis.mean.len();
        let width = code_bytes(dim);
        let count = exact.len() / dim;
        let mut bytes = vec![0; count.div_ceil(GROUP) * width];
        let mut coder = Coder::new(basis);
        let put = |(i, centre): (usize, &[f32])| {
            coder.put(centre, i % GROUP, &mut bytes[i / GROUP * width..][..width])
        };
        let scales = exact.chunks_exact(dim).enumerate().map(put).collect();
        let halves = exact.chunks_exact(dim).map(|c| dot(c, c) / 2.0).collect();
        Self { dim, exact, halves, codes: bytes, scales }
    }

    /// Number of centres.
    pub(crate) fn len(&self) -> usize {
        self.scales.len()
    }

    /// `count` cells of the rows, by k-means over a spread of them. Cost: some 2 ns per row of the spread, centre and round.
    pub(crate) fn learn(rows: &dyn RowSource, count: usize, basis: Basis<'_>) -> Self {
        let dim = basis.mean.len();
        let most = (count * ROWS_PER_CENTRE).min(MOST_ROWS).max(count);
        let learned: Vec<usize> = spread(rows.len(), most).collect();
        let mut start = vec![0.0; count * dim];
        for (centre, at) in start.chunks_exact_mut(dim).zip(spread(learned.len(), count)) {
            rows.vector(learned[at], centre);
        }
        let mut centres = Self::new(start, basis);
        for _ in 0..ROUNDS {
            let cells = centres.assign(rows, &learned, basis);
            centres = Self::new(centres.moved(rows, &learned, &cells), basis);
        }
        centres
    }

    /// The cell of each of `which`.
    pub(crate) fn assign(&self, rows: &dyn RowSource, which: &[usize], basis: Basis<'_>) -> Vec<u32> {
        let tasks = which.par_chunks(TASK).flat_map_iter(|which| {
            let mut sums = vec![[0; GROUP]; self.len().div_ceil(GROUP)];
            let mut x = vec![0.0; self.dim];
            which
                .iter()
                .map(|&row| {
                    rows.vector(row, &mut x);
                    self.nearest(&x, basis, &mut sums)
                })
                .collect::<Vec<_>>()
        });
        tasks.collect()
    }

    fn nearest(&self, x: &[f32], basis: Basis<'_>, sums: &mut [[i32; GROUP]]) -> u32 {
        let query = CodeQuery::new(x, basis);
        query.sums(&self.codes, sums);
        let mut close = [(f32::NEG_INFINITY, 0u32); CLOSE];
        let all = sums.as_flattened().iter().zip(&self.scales).zip(&self.halves);
        for (at, ((&sum, &scale), half)) in all.enumerate() {
            let value = query.value(sum, scale) - half;
            if value > close[CLOSE - 1].0 {
                let place = close.iter().position(|(other, _)| value > *other).unwrap_or(CLOSE - 1);
                close[place..].rotate_right(1);
                close[place] = (value, at as u32);
            }
        }
        let mut best = (f32::NEG_INFINITY, 0);
        for (value, at) in close {
            if value > f32::NEG_INFINITY {
                let at_row = at as usize * self.dim;
                let exact = dot(x, &self.exact[at_row..at_row + self.dim]) - self.halves[at as usize];
                if exact > best.0 {
                    best = (exact, at);
                }
            }
        }
        best.1
    }

    /// The means of the cells; an empty one gets a row of the largest cell.
    fn moved(&self, rows: &dyn RowSource, learned: &[usize], cells: &[u32]) -> Vec<f32> {
        let mut sums = vec![0.0f32; self.exact.len()];
        let mut counts = vec![0u32; self.len()];
        let mut x = vec![0.0; self.dim];
        for (&row, &cell) in learned.iter().zip(cells) {
            rows.vector(row, &mut x);
            let at = cell as usize;
            counts[at] += 1;
            sums[at * self.dim..][..self.dim].iter_mut().zip(&x).for_each(|(sum, x)| *sum += x);
        }
        for (mean, &count) in sums.chunks_exact_mut(self.dim).zip(&counts) {
            mean.iter_mut().for_each(|sum| *sum /= count.max(1) as f32);
        }
        let largest =
            (0..counts.len()).max_by_key(|&cell| (counts[cell], std::cmp::Reverse(cell))).unwrap_or(0);
        let mut spare = learned.iter().zip(cells).filter(|(_, cell)| **cell as usize == largest);
        for (cell, _) in counts.iter().enumerate().filter(|(_, count)| **count == 0) {
            let Some((&row, _)) = spare.next() else { break };
            rows.vector(row, &mut sums[cell * self.dim..][..self.dim]);
        }
        sums
    }
}
