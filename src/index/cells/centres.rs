//! Cells of rows that score alike: k-means of their numbers along the leading directions, in which a distance is a difference of
//! scores. The same on every machine and for any number of threads.
//!
//! The nearest centre of `z` is that with the largest `z . c - |c|^2 / 2`. All centres are compared by their short codes, the best
//! few exactly.

use rayon::prelude::*;

use super::code::{CodeQuery, put_short};
use super::rows::{RowSource, spread};
use super::space::{Space, TASK};
use crate::encode::kernel::{GROUP, dot};

/// Rounds of k-means.
const ROUNDS: usize = 8;
/// Centres that are compared exactly.
const CLOSE: usize = 4;

/// Coded centres `[c, p]`.
pub(crate) struct Centres<'a> {
    space: &'a Space,
    width: usize,
    exact: Vec<f32>,
    /// `|c|^2 / 2`.
    halves: Vec<f32>,
    /// Short codes, whole groups.
    pub(crate) codes: Vec<u8>,
}

impl<'a> Centres<'a> {
    fn new(exact: Vec<f32>, space: &'a Space) -> Self {
        let width = space.short();
        let bytes = space.elements.group_bytes();
        let mut codes = vec![0; (exact.len() / width).div_ceil(GROUP) * bytes];
        for (i, centre) in exact.chunks_exact(width).enumerate() {
            let group = &mut codes[i / GROUP * bytes..][..bytes];
            put_short(space.elements, &space.steps, &mut centre.to_vec(), i % GROUP, group);
        }
        let halves = exact.chunks_exact(width).map(|c| dot(c, c) / 2.0).collect();
        Self { space, width, exact, halves, codes }
    }

    /// Number of centres.
    pub(crate) fn len(&self) -> usize {
        self.halves.len()
    }

    /// `count` cells of rows whose numbers are `z [rows, p]`. Cost: some 1 ns per row, centre and round.
    pub(crate) fn learn(space: &'a Space, z: &[f32], count: usize) -> Self {
        let width = space.short();
        let rows = z.len() / width;
        let start = spread(rows, count).flat_map(|at| z[at * width..(at + 1) * width].iter().copied());
        let mut centres = Self::new(start.collect(), space);
        for _ in 0..ROUNDS {
            let tasks = z.par_chunks(TASK * width).flat_map_iter(|z| {
                let mut sums = centres.room();
                z.chunks_exact(width).map(|z| centres.nearest(z, &mut sums)).collect::<Vec<_>>()
            });
            let cells: Vec<u32> = tasks.collect();
            centres = Self::new(centres.moved(z, &cells), space);
        }
        centres
    }

    fn room(&self) -> Vec<[i32; GROUP]> {
        vec![[0; GROUP]; self.len().div_ceil(GROUP)]
    }

    /// The cell of each row, and short codes of all rows, whole groups in their order.
    pub(crate) fn assign(&self, rows: &dyn RowSource) -> (Vec<u32>, Vec<u8>) {
        let (n, bytes) = (rows.len(), self.space.elements.group_bytes());
        let (mut cells, mut codes) = (vec![0; n], vec![0; n.div_ceil(GROUP) * bytes]);
        let tasks = cells.par_chunks_mut(TASK).zip(codes.par_chunks_mut(TASK / GROUP * bytes)).enumerate();
        tasks.for_each(|(task, (cells, codes))| {
            let first = task * TASK;
            let mut x = vec![0.0; cells.len() * self.space.basis().mean.len()];
            let mut z = vec![0.0; cells.len() * self.width];
            self.space.numbers_into(rows, first..first + cells.len(), &mut x, &mut z);
            let mut sums = self.room();
            for (i, (z, cell)) in z.chunks_exact_mut(self.width).zip(cells).enumerate() {
                *cell = self.nearest(z, &mut sums);
                let group = &mut codes[i / GROUP * bytes..][..bytes];
                put_short(self.space.elements, &self.space.steps, z, i % GROUP, group);
            }
        });
        (cells, codes)
    }

    fn nearest(&self, z: &[f32], sums: &mut [[i32; GROUP]]) -> u32 {
        let query = CodeQuery::along(z, self.space.elements, &self.space.steps);
        query.sums(&self.codes, sums);
        let mut close = [(f32::NEG_INFINITY, 0u32); CLOSE];
        for (group, (sums, halves)) in sums.iter().zip(self.halves.chunks(GROUP)).enumerate() {
            let mut values = query.values(sums, None);
            values.iter_mut().zip(halves).for_each(|(value, half)| *value -= half);
            // Without an early end, which the compiler turns to vectors: few groups have one.
            let floor = close[CLOSE - 1].0;
            if !values.iter().fold(false, |any, value| any | (*value > floor)) {
                continue;
            }
            for (i, &value) in values.iter().enumerate().take(halves.len()) {
                if value > close[CLOSE - 1].0 {
                    let place = close.iter().position(|(other, _)| value > *other).unwrap_or(CLOSE - 1);
                    close[place..].rotate_right(1);
                    close[place] = (value, (group * GROUP + i) as u32);
                }
            }
        }
        let mut best = (f32::NEG_INFINITY, 0);
        for (_, at) in close.into_iter().filter(|(value, _)| *value > f32::NEG_INFINITY) {
            let start = at as usize * self.width;
            let exact = dot(z, &self.exact[start..start + self.width]) - self.halves[at as usize];
            if exact > best.0 {
                best = (exact, at);
            }
        }
        best.1
    }

    /// The means of the cells; an empty one gets a row of the largest cell.
    fn moved(&self, z: &[f32], cells: &[u32]) -> Vec<f32> {
        let width = self.width;
        let mut sums = vec![0.0f32; self.exact.len()];
        let mut counts = vec![0u32; self.len()];
        for (z, &cell) in z.chunks_exact(width).zip(cells) {
            let at = cell as usize;
            counts[at] += 1;
            sums[at * width..][..width].iter_mut().zip(z).for_each(|(sum, z)| *sum += z);
        }
        for (mean, &count) in sums.chunks_exact_mut(width).zip(&counts) {
            mean.iter_mut().for_each(|sum| *sum /= count.max(1) as f32);
        }
        let largest =
            (0..counts.len()).max_by_key(|&cell| (counts[cell], std::cmp::Reverse(cell))).unwrap_or(0);
        let mut spare = z.chunks_exact(width).zip(cells).filter(|(_, cell)| **cell as usize == largest);
        for (cell, _) in counts.iter().enumerate().filter(|(_, count)| **count == 0) {
            let Some((z, _)) = spare.next() else { break };
            sums[cell * width..][..width].copy_from_slice(z);
        }
        sums
    }
}
