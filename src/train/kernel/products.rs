//! Sums of products of responses, added to in place.

use candle_core::{DType, Result, Tensor};

use crate::train::linear::{inner, matrix};

/// Rows of a sum that are made at once: blocks of memory that the allocator keeps, where whole products go back to the system each time.
const BLOCK: usize = 512;

/// A sum `[a, b]` in f64 of products `x' y` of `x [n, a]` and `y [n, b]`.
#[derive(Clone)]
pub(super) struct Products {
    values: Vec<f64>,
    columns: usize,
    /// Only products of something with itself: the upper triangle is enough.
    symmetric: bool,
}

impl Products {
    /// Of two things.
    pub(super) fn between(rows: usize, columns: usize) -> Self {
        Self { values: vec![0.0; rows * columns], columns, symmetric: false }
    }

    /// Of one thing with itself.
    pub(super) fn within(size: usize) -> Self {
        Self { symmetric: true, ..Self::between(size, size) }
    }

    /// Adds `x' y`, in the precision of `x` and `y`.
    pub(super) fn add(&mut self, x: &Tensor, y: &Tensor) -> Result<()> {
        let rows = x.dim(1)?;
        for start in (0..rows).step_by(BLOCK) {
            let height = BLOCK.min(rows - start);
            let from = if self.symmetric { start } else { 0 };
            let width = self.columns - from;
            let product = inner(&x.narrow(1, start, height)?, &y.narrow(1, from, width)?)?.flatten_all()?;
            let out = self.values[start * self.columns..].chunks_exact_mut(self.columns);
            match product.dtype() {
                DType::F32 => add_rows(out, from, &product.to_vec1::<f32>()?, width),
                _ => add_rows(out, from, &product.to_vec1::<f64>()?, width),
            }
        }
        Ok(())
    }

    /// Adds what is missing of products that were taken about the centres `[a]` and `[b]`, of so many rows with these sums `[a]` and `[b]`.
    pub(super) fn add_centres(&mut self, centres: [&[f64]; 2], sums: [&[f64]; 2], rows: f64) {
        for (i, out) in self.values.chunks_exact_mut(self.columns.max(1)).enumerate() {
            let (of_centre, of_sum) = (centres[0][i], sums[0][i] - rows * centres[0][i]);
            let (centre, sum) = (centres[1].iter(), sums[1].iter());
            out.iter_mut()
                .zip(centre.zip(sum))
                .for_each(|(out, (centre, sum))| *out += of_centre * sum + of_sum * centre);
        }
    }

    /// The sum.
    pub(super) fn finish(mut self) -> Result<Tensor> {
        let (rows, n) = (self.values.len() / self.columns.max(1), self.columns);
        if self.symmetric {
            for i in 0..n {
                (0..i).for_each(|j| self.values[i * n + j] = self.values[j * n + i]);
            }
        }
        matrix(self.values, rows, n)
    }
}

/// Adds rows of `width` elements to the elements of `out` from `from` on.
fn add_rows<'a, T: Copy + Into<f64>>(
    out: impl Iterator<Item = &'a mut [f64]>,
    from: usize,
    rows: &[T],
    width: usize,
) {
    for (out, row) in out.zip(rows.chunks_exact(width.max(1))) {
        out[from..].iter_mut().zip(row).for_each(|(out, x)| *out += (*x).into());
    }
}
