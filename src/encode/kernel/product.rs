//! A matrix product with what follows it fused in, over slices.
//!
//! Every sum runs in one fixed order that depends on nothing but
//! the layer, so a picture's features do not depend on threads or neighbours. The loops are plain Rust that compiles to
//! vector instructions; [`with_vectors`] compiles them once more for AVX2 and chooses at run time.

use super::dispatch::{Columns, Kernel, Lanes, PANEL, with_vectors};

/// Rows of a product that are computed together: 6 x 16 sums fill the vector registers.
const TILE: usize = 6;
/// Rows after which the next columns are taken, so that both operands stay in the cache; a multiple of [`TILE`].
const BLOCK: usize = 60;

/// What happens to a sum.
#[derive(Clone, Copy)]
pub(crate) enum After<'a> {
    /// It is kept within 0..=6.
    Relu6,
    /// Nothing.
    Nothing,
    /// The element at its place is added, `[rows, n]`.
    Add(&'a [f32]),
}

/// A matrix `[k, n]` and a bias `[n]`, laid out for [`Matrix::apply`].
pub(crate) struct Matrix {
    k: usize,
    n: usize,
    /// Per 16 columns `[k, 16]`; columns beyond `n` are 0.
    panels: Vec<Columns>,
    bias: Vec<Columns>,
}

impl Matrix {
    /// From the weights of a 1x1 convolution, `[n, k]`, and its bias `[n]`.
    pub(crate) fn new(weights: &[f32], bias: &[f32]) -> Self {
        let n = bias.len();
        let k = weights.len() / n;
        let panels = n.div_ceil(PANEL);
        let at = |panel: usize, row: usize| columns(|j| weights.get((panel * PANEL + j) * k + row).copied());
        Self {
            k,
            n,
            panels: (0..panels).flat_map(|panel| (0..k).map(move |row| at(panel, row))).collect(),
            bias: bias.chunks(PANEL).map(|chunk| columns(|j| chunk.get(j).copied())).collect(),
        }
    }

    /// `out = after(x W + b)`: `[rows, k] -> [rows, n]`.
    pub(crate) fn apply(&self, x: &[f32], after: After<'_>, out: &mut [f32]) {
        with_vectors(Product { matrix: self, x, after, out });
    }
}

/// 0 where there is no number.
fn columns(at: impl Fn(usize) -> Option<f32>) -> Columns {
    pulp::cast(std::array::from_fn::<f32, PANEL, _>(|j| at(j).unwrap_or(0.0)))
}

struct Product<'a> {
    matrix: &'a Matrix,
    x: &'a [f32],
    after: After<'a>,
    out: &'a mut [f32],
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, lanes: L) {
        let Matrix { k, n, panels, bias } = self.matrix;
        let (k, n) = (*k, *n);
        for (block, x) in self.x.chunks(BLOCK * k).enumerate() {
            for (column, (panel, bias)) in panels.chunks_exact(k).zip(bias).enumerate() {
                for (tile, x) in x.chunks(TILE * k).enumerate() {
                    let at = (block * BLOCK + tile * TILE) * n + column * PANEL;
                    let place = Place { at, n, columns: PANEL.min(n - column * PANEL) };
                    let (after, out) = (self.after, &mut *self.out);
                    match x.len() / k {
                        6 => place.tile::<6, L>(lanes, x, panel, bias, after, out),
                        4.. => place.split::<4, L>(lanes, x, panel, bias, after, out),
                        3 => place.tile::<3, L>(lanes, x, panel, bias, after, out),
                        2 => place.tile::<2, L>(lanes, x, panel, bias, after, out),
                        _ => place.tile::<1, L>(lanes, x, panel, bias, after, out),
                    }
                }
            }
        }
    }
}

/// Where a tile of sums goes.
#[derive(Clone, Copy)]
struct Place {
    at: usize,
    n: usize,
    columns: usize,
}

impl Place {
    /// 4 or 5 rows.
    #[inline(always)]
    fn split<const R: usize, L: Lanes>(
        self,
        lanes: L,
        x: &[f32],
        panel: &[Columns],
        bias: &Columns,
        after: After<'_>,
        out: &mut [f32],
    ) {
        let (head, tail) = x.split_at(R * panel.len());
        self.tile::<R, L>(lanes, head, panel, bias, after, out);
        if !tail.is_empty() {
            Self { at: self.at + R * self.n, ..self }.tile::<1, L>(lanes, tail, panel, bias, after, out);
        }
    }

    #[inline(always)]
    fn tile<const R: usize, L: Lanes>(
        self,
        lanes: L,
        x: &[f32],
        panel: &[Columns],
        bias: &Columns,
        after: After<'_>,
        out: &mut [f32],
    ) {
        let k = panel.len();
        let rows: [&[f32]; R] = std::array::from_fn(|r| &x[r * k..][..k]);
        let mut sums = [lanes.load(bias); R];
        // Counted by hand: with the assertions of a debugging build, the steps of a range keep the sums out of registers.
        let mut p = 0;
        while p < k {
            let weights = lanes.load(&panel[p]);
            let mut r = 0;
            while r < R {
                sums[r] = lanes.madd(rows[r][p], weights, sums[r]);
                r += 1;
            }
            p += 1;
        }
        for (r, mut sums) in sums.into_iter().enumerate() {
            let start = self.at + r * self.n;
            let place = start..start + self.columns;
            if let After::Add(other) = after {
                let other = &other[place.clone()];
                let other = lanes.load(&columns(|j| other.get(j).copied()));
                sums = lanes.madd(1.0, other, sums);
            }
            let samples = match after {
                After::Relu6 => lanes.relu6(sums),
                _ => lanes.samples(sums),
            };
            let out = &mut out[place];
            match <&mut [f32; PANEL]>::try_from(&mut *out) {
                Ok(out) => *out = samples,
                Err(_) => out.copy_from_slice(&samples[..self.columns]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::kernel::dispatch::Plain;
    use crate::encode::kernel::testing::{near, noise};

    #[test]
    fn products_of_every_shape() {
        for (rows, k, n) in
            [(1, 5, 8), (7, 16, 24), (13, 3, 40), (61, 27, 32), (123, 10, 16), (4, 2, 1), (5, 9, 17)]
        {
            let (x, weights, bias) = (noise(rows * k, 1), noise(n * k, 2), noise(n, 3));
            let other = noise(rows * n, 4);
            let matrix = Matrix::new(&weights, &bias);
            let plain: Vec<f32> = (0..rows * n)
                .map(|at| {
                    let (row, column) = (at / n, at % n);
                    (0..k).map(|p| x[row * k + p] * weights[column * k + p]).sum::<f32>() + bias[column]
                })
                .collect();
            let cut: Vec<f32> = plain.iter().map(|x| x.clamp(0.0, 6.0)).collect();
            let sum: Vec<f32> = plain.iter().zip(&other).map(|(x, y)| x + y).collect();
            for (after, expected) in
                [(After::Nothing, &plain), (After::Relu6, &cut), (After::Add(&other), &sum)]
            {
                let mut out = vec![f32::NAN; rows * n];
                matrix.apply(&x, after, &mut out);
                near(&out, expected);
                // Without vector instructions.
                let mut out = vec![f32::NAN; rows * n];
                Product { matrix: &matrix, x: &x, after, out: &mut out }.run(Plain);
                near(&out, expected);
            }
        }
    }
}
