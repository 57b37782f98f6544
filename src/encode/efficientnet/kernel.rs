//! The inner loops, over slices: a matrix product with what follows it fused in, and a depthwise convolution.
//!
//! Pictures are `[height * width, channels]`, row-major. Every sum runs in one fixed order that depends on nothing but
//! the layer, so a picture's features do not depend on threads or neighbours. The loops are plain Rust that compiles to
//! vector instructions; [`with_vectors`] compiles them once more for AVX2 and chooses at run time.

use crate::encode::wide::{Columns, Kernel, Lanes, PANEL, with_vectors};

/// Rows of a product that are computed together: 6 x 16 sums fill the vector registers.
const TILE: usize = 6;
/// Rows after which the next columns are taken, so that both operands stay in the cache; a multiple of [`TILE`].
const BLOCK: usize = 60;

/// What happens to a sum.
#[derive(Clone, Copy)]
pub(super) enum After<'a> {
    /// It is kept within 0..=6.
    Relu6,
    /// Nothing.
    Nothing,
    /// The element at its place is added, `[rows, n]`.
    Add(&'a [f32]),
}

/// A matrix `[k, n]` and a bias `[n]`, laid out for [`Matrix::apply`].
pub(super) struct Matrix {
    k: usize,
    n: usize,
    /// Per 16 columns `[k, 16]`; columns beyond `n` are 0.
    panels: Vec<Columns>,
    bias: Vec<Columns>,
}

impl Matrix {
    /// From the weights of a 1x1 convolution, `[n, k]`, and its bias `[n]`.
    pub(super) fn new(weights: &[f32], bias: &[f32]) -> Self {
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
    pub(super) fn apply(&self, x: &[f32], after: After<'_>, out: &mut [f32]) {
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

/// A depthwise convolution of `size` x `size` with TensorFlow's "SAME" padding, and ReLU6.
pub(super) struct Depthwise {
    size: usize,
    stride: usize,
    /// `[size * size, channels]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Depthwise {
    /// From the weights of a grouped convolution, `[channels, 1, size, size]`, and its bias `[channels]`.
    pub(super) fn new(weights: &[f32], bias: &[f32], size: usize, stride: usize) -> Self {
        let taps = size * size;
        let turned =
            (0..taps).flat_map(|tap| (0..bias.len()).map(move |c| weights[c * taps + tap])).collect();
        Self { size, stride, weights: turned, bias: bias.to_vec() }
    }

    /// `[side * side, channels] -> [out_side * out_side, channels]` with `out_side = ceil(side / stride)`.
    pub(super) fn apply(&self, x: &[f32], side: usize, out: &mut [f32]) {
        with_vectors(Convolution { layer: self, x, side, out });
    }
}

/// Length after a convolution with "SAME" padding, and the padding before the first element: the smaller half.
pub(super) fn same(len: usize, size: usize, stride: usize) -> (usize, usize) {
    let out = len.div_ceil(stride);
    let total = ((out - 1) * stride + size).saturating_sub(len);
    (out, total / 2)
}

struct Convolution<'a> {
    layer: &'a Depthwise,
    x: &'a [f32],
    side: usize,
    out: &'a mut [f32],
}

impl Kernel for Convolution<'_> {
    #[inline(always)]
    fn run<L: Lanes>(self, _: L) {
        let channels = self.layer.bias.len();
        if channels.is_multiple_of(48) {
            self.convolve::<48>();
        } else if channels.is_multiple_of(32) {
            self.convolve::<32>();
        } else {
            self.convolve::<8>();
        }
    }
}

impl Convolution<'_> {
    /// `C` channels at a time, which must divide their number.
    #[inline(always)]
    fn convolve<const C: usize>(self) {
        let Depthwise { size, stride, weights, bias } = self.layer;
        let (side, channels) = (self.side, bias.len());
        let (out_side, before) = same(side, *size, *stride);
        // Taps that fall inside: those of `first..last`, whose first element is at `start`.
        let inside = |i: usize| {
            let start = (i * stride) as isize - before as isize;
            let first = (-start).max(0) as usize;
            let last = (*size).min((side as isize - start).max(0) as usize);
            (first, last, (start + first as isize) as usize)
        };
        for (y, out) in self.out.chunks_exact_mut(out_side * channels).enumerate() {
            let (top, bottom, first_row) = inside(y);
            for (x, out) in out.chunks_exact_mut(channels).enumerate() {
                let (left, right, first_column) = inside(x);
                for (at, out) in out.as_chunks_mut::<C>().0.iter_mut().enumerate() {
                    let at = at * C;
                    let mut sums: [f32; C] = *load(bias, at);
                    for row in top..bottom {
                        let pixel = (first_row + row - top) * side + first_column;
                        for column in left..right {
                            let values: &[f32; C] = load(self.x, (pixel + column - left) * channels + at);
                            let factors: &[f32; C] = load(weights, (row * size + column) * channels + at);
                            let mut c = 0;
                            while c < C {
                                sums[c] += values[c] * factors[c];
                                c += 1;
                            }
                        }
                    }
                    for c in 0..C {
                        out[c] = sums[c].clamp(0.0, 6.0);
                    }
                }
            }
        }
    }
}

/// # Panics
/// Outside of the slice, as indexing does.
#[inline(always)]
fn load<const C: usize>(slice: &[f32], at: usize) -> &[f32; C] {
    match slice[at..].first_chunk() {
        Some(chunk) => chunk,
        None => panic!("{C} elements from {at} are outside of {}", slice.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::wide::Plain;

    /// Numbers from -1 to 1 that repeat late.
    fn noise(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 7919 + seed * 104_729 + 13) % 2003) as f32 / 1001.0 - 1.0).collect()
    }

    fn near(got: &[f32], expected: &[f32]) {
        assert_eq!(got.len(), expected.len());
        for (at, (got, expected)) in got.iter().zip(expected).enumerate() {
            assert!((got - expected).abs() < 1e-4, "{at}: {got} {expected}");
        }
    }

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

    #[test]
    fn depthwise_convolutions_of_every_shape() {
        for (side, channels, size, stride) in [
            (1, 8, 3, 1),
            (1, 48, 5, 2),
            (2, 8, 5, 1),
            (7, 96, 3, 2),
            (8, 32, 3, 2),
            (8, 40, 5, 2),
            (9, 64, 5, 1),
        ] {
            let (x, weights, bias) =
                (noise(side * side * channels, 1), noise(channels * size * size, 2), noise(channels, 3));
            let (out_side, before) = same(side, size, stride);
            let mut expected = Vec::new();
            for (y, column, c) in (0..out_side * out_side * channels)
                .map(|at| (at / channels / out_side, at / channels % out_side, at % channels))
            {
                let mut sum = bias[c];
                for tap in 0..size * size {
                    let place =
                        |i: usize, tap: usize| (i * stride + tap).checked_sub(before).filter(|i| *i < side);
                    if let (Some(row), Some(column)) = (place(y, tap / size), place(column, tap % size)) {
                        sum += x[(row * side + column) * channels + c] * weights[c * size * size + tap];
                    }
                }
                expected.push(sum.clamp(0.0, 6.0));
            }
            let mut out = vec![f32::NAN; expected.len()];
            Depthwise::new(&weights, &bias, size, stride).apply(&x, side, &mut out);
            near(&out, &expected);
        }
    }

    #[test]
    fn same_padding_puts_the_odd_element_last() {
        let cases =
            [((224, 3, 2), (112, 0)), ((112, 3, 2), (56, 0)), ((56, 5, 2), (28, 1)), ((14, 5, 2), (7, 1))];
        for ((len, size, stride), expected) in cases {
            assert_eq!(same(len, size, stride), expected);
        }
        assert_eq!((same(7, 5, 1), same(7, 3, 2), same(1, 1, 2)), ((7, 2), (4, 1), (1, 0)));
    }
}
