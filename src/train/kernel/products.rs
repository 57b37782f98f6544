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
    /// The sum is symmetric: its upper triangle is enough.
    symmetric: bool,
}

impl Products {
    /// Of two things.
    pub(super) fn between(rows: usize, columns: usize) -> Self {
        Self { values: vec![0.0; rows * columns], columns, symmetric: false }
    }

    /// A symmetric sum: of one thing with itself, or with some of its rows.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::linear::elements;

    /// `[n, m]`, between -1 and 1.
    fn wave(n: usize, m: usize, seed: f64) -> Tensor {
        matrix((0..n * m).map(|i| ((i * i) as f64 * seed).sin()).collect(), n, m).unwrap()
    }

    fn assert_close(found: Products, wanted: &Tensor, most: f64) {
        let found = found.finish().unwrap();
        assert_eq!(found.dims(), wanted.dims());
        let difference = elements(&(found - wanted).unwrap()).unwrap();
        assert!(difference.iter().all(|x| x.abs() < most));
    }

    #[test]
    fn sums_of_several_blocks_are_those_of_all_rows_at_once() {
        let (a, b) = (BLOCK + 7, BLOCK + 18);
        let parts = [(9, 0.31), (4, 0.17)].map(|(n, seed)| (wave(n, a, seed), wave(n, b, seed + 0.4)));
        let all =
            |side: fn(&(Tensor, Tensor)) -> &Tensor| Tensor::cat(&parts.each_ref().map(side), 0).unwrap();
        let (x, y) = (all(|part| &part.0), all(|part| &part.1));
        for (dtype, most) in [(DType::F64, 1e-12), (DType::F32, 1e-4)] {
            let (mut between, mut within) = (Products::between(a, b), Products::within(a));
            for (x, y) in &parts {
                let (x, y) = (x.to_dtype(dtype).unwrap(), y.to_dtype(dtype).unwrap());
                between.add(&x, &y).unwrap();
                within.add(&x, &x).unwrap();
            }
            assert_close(between, &inner(&x, &y).unwrap(), most);
            assert_close(within, &inner(&x, &x).unwrap(), most);
        }
    }

    #[test]
    fn what_centres_took_away_is_put_back() {
        let (n, a, b) = (11, BLOCK + 3, 5);
        let (x, y) = (wave(n, a, 0.23), wave(n, b, 0.41));
        let centres = [vec![0.7; a], (0..b).map(|i| i as f64 - 1.5).collect::<Vec<_>>()];
        let about = |x: &Tensor, centre: &[f64]| {
            x.broadcast_sub(&matrix(centre.to_vec(), 1, centre.len()).unwrap()).unwrap()
        };
        let sum = |x: &Tensor| elements(&x.sum_keepdim(0).unwrap()).unwrap();
        let (of_x, of_y) = (about(&x, &centres[0]), about(&y, &centres[1]));
        let mut between = Products::between(a, b);
        between.add(&of_x, &of_y).unwrap();
        between.add_centres([&centres[0], &centres[1]], [&sum(&x), &sum(&y)], n as f64);
        assert_close(between, &inner(&x, &y).unwrap(), 1e-10);
        let mut within = Products::within(a);
        within.add(&of_x, &of_x).unwrap();
        within.add_centres([&centres[0], &centres[0]], [&sum(&x), &sum(&x)], n as f64);
        assert_close(within, &inner(&x, &x).unwrap(), 1e-10);
    }
}
