//! The directions and steps of the codes of one media type of a segment, learned from its rows.

use rayon::prelude::*;
use uncsm_format::cells::Elements;

use super::axes::Axes;
use super::code::{Basis, put_long, put_short};
use super::rows::RowSource;
use crate::encode::kernel::{GROUP, Rows, dot, products};

/// Rows whose numbers are made together, whole groups.
pub(crate) const TASK: usize = 16 * GROUP;
/// A step of a coarse element, in its standard deviations.
const COARSE: f32 = 1.1;
/// Codes of what short codes leave reach so many standard deviations, or as far as any of the rows.
const REACH: f32 = 5.0;

/// What codes are made with.
pub(crate) struct Space {
    pub(crate) elements: Elements,
    axes: Axes,
    /// The numbers of the mean `[m]`.
    offsets: Vec<f32>,
    pub(crate) steps: Vec<f32>,
    pub(crate) long_steps: Vec<f32>,
}

impl Space {
    /// Of a spread of the rows. Fine elements reach as far as the rows go, coarse ones where most are.
    pub(crate) fn learn(rows: &dyn RowSource, learned: &[usize], axes: Axes) -> Self {
        let dim = axes.mean.len();
        let elements = Elements::of(dim);
        let Elements { fine, finer, coarse, directions: m, .. } = elements;
        let offsets = axes.to.chunks_exact(dim.max(1)).map(|axis| dot(axis, &axes.mean)).collect();
        let mut space = Self { elements, axes, offsets, steps: Vec::new(), long_steps: Vec::new() };
        let mut z = space.numbers(rows, learned, m);
        let (low, high, _) = spreads(&z, m);
        // Fine elements are told from the middle of their range.
        for j in 0..fine {
            let middle = low[j] / 2.0 + high[j] / 2.0;
            let axis = &space.axes.from[j * dim..(j + 1) * dim];
            space.axes.mean.iter_mut().zip(axis).for_each(|(mean, x)| *mean += middle * x);
            z.chunks_exact_mut(m).for_each(|z| z[j] -= middle);
            space.offsets[j] += middle;
        }
        let (low, high, deviation) = spreads(&z, m);
        space.steps = (0..fine).map(|j| step((high[j] - low[j]) / 15.0)).collect();
        space.steps.extend_from_within(..finer);
        space.steps[fine..].iter_mut().for_each(|of| *of = step(*of / 16.0));
        space.steps.extend((fine..fine + coarse).map(|j| step(COARSE * deviation[j])));
        let mut group = vec![0; elements.group_bytes()];
        for z in z.chunks_exact_mut(m.max(1)) {
            put_short(elements, &space.steps, z, 0, &mut group);
            group.fill(0);
        }
        let (low, high, deviation) = spreads(&z, m);
        let reach = |j: usize| high[j].max(-low[j]).min(REACH * deviation[j]);
        space.long_steps = (0..m).map(|j| step(2.0 * reach(j) / 15.0)).collect();
        space
    }

    /// What files have of it.
    pub(crate) fn basis(&self) -> Basis<'_> {
        Basis {
            elements: self.elements,
            mean: &self.axes.mean,
            directions: &self.axes.from,
            steps: &self.steps,
            long_steps: &self.long_steps,
        }
    }

    /// Directions that short codes have.
    pub(crate) fn short(&self) -> usize {
        self.elements.fine + self.elements.coarse
    }

    /// The first `count` numbers of each of `which`. Cost: `count d` for each.
    pub(crate) fn numbers(&self, rows: &dyn RowSource, which: &[usize], count: usize) -> Vec<f32> {
        let mut z = vec![0.0; which.len() * count];
        let parts = z.par_chunks_mut((TASK * count).max(1)).zip(which.par_chunks(TASK));
        parts.for_each(|(z, which)| {
            let mut x = vec![0.0; which.len() * self.axes.mean.len()];
            self.numbers_into(rows, which.iter().copied(), &mut x, z);
        });
        z
    }

    /// Replaces `z [rows, count]`; `x [rows, d]` is room for the rows.
    pub(crate) fn numbers_into(
        &self,
        rows: &dyn RowSource,
        which: impl ExactSizeIterator<Item = usize>,
        x: &mut [f32],
        z: &mut [f32],
    ) {
        let (dim, count) = (self.axes.mean.len(), z.len() / which.len().max(1));
        for (row, x) in which.zip(x.chunks_exact_mut(dim.max(1))) {
            rows.vector(row, x);
        }
        products(Rows::new(x, dim), Rows::new(&self.axes.to[..count * dim], dim), z);
        for z in z.chunks_exact_mut(count.max(1)) {
            z.iter_mut().zip(&self.offsets).for_each(|(z, offset)| *z -= offset);
        }
    }

    /// Codes of whole groups of rows: short ones `[ceil(rows / 16), w]`, long ones `[rows, l]`.
    pub(crate) fn codes(&self, rows: &dyn RowSource, which: &[u32]) -> (Vec<u8>, Vec<u8>) {
        let (m, w, l) = (self.elements.directions, self.elements.group_bytes(), self.elements.long_bytes());
        let (mut short, mut long) = (vec![0; which.len().div_ceil(GROUP) * w], vec![0; which.len() * l]);
        let parts = short.par_chunks_mut(TASK / GROUP * w).zip(long.par_chunks_mut(TASK * l));
        parts.zip(which.par_chunks(TASK)).for_each(|((short, long), which)| {
            let mut x = vec![0.0; which.len() * self.axes.mean.len()];
            let mut z = vec![0.0; which.len() * m];
            self.numbers_into(rows, which.iter().map(|row| *row as usize), &mut x, &mut z);
            for (i, (z, long)) in z.chunks_exact_mut(m).zip(long.chunks_exact_mut(l)).enumerate() {
                put_short(self.elements, &self.steps, z, i % GROUP, &mut short[i / GROUP * w..][..w]);
                put_long(&self.long_steps, z, long);
            }
        });
        (short, long)
    }
}

/// What can be divided by.
fn step(step: f32) -> f32 {
    if step.is_finite() { step.max(f32::MIN_POSITIVE) } else { f32::MAX }
}

/// Least, most and standard deviation around 0 of each column of `z [n, m]`.
fn spreads(z: &[f32], m: usize) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
    let (mut low, mut high, mut squares) = (vec![0.0f32; m], vec![0.0f32; m], vec![0.0f64; m]);
    for row in z.chunks_exact(m.max(1)) {
        for (((low, high), square), z) in low.iter_mut().zip(&mut high).zip(&mut squares).zip(row) {
            (*low, *high) = (low.min(*z), high.max(*z));
            *square += f64::from(*z) * f64::from(*z);
        }
    }
    let count = (z.len() / m.max(1)).max(1) as f64;
    (low, high, squares.into_iter().map(|square| (square / count).sqrt() as f32).collect())
}
