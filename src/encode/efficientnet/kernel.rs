//! The inner loops, over slices: a matrix product with what follows it fused in, and a depthwise convolution.
//!
//! Pictures are `[height * width, channels]`, row-major. Every sum runs in one fixed order that depends on nothing but
//! the layer, so a picture's features do not depend on threads or neighbours. The loops are plain Rust that compiles to
//! vector instructions; [`with_vectors`] compiles them once more for AVX2 and chooses at run time.

/// Columns of a product that are computed together.
const PANEL: usize = 16;
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
    panels: Vec<[f32; PANEL]>,
    bias: Vec<[f32; PANEL]>,
}

impl Matrix {
    /// From the weights of a 1x1 convolution, `[n, k]`, and its bias `[n]`.
    pub(super) fn new(weights: &[f32], bias: &[f32]) -> Self {
        let n = bias.len();
        let k = weights.len() / n;
        let panels = n.div_ceil(PANEL);
        let at = |panel: usize, row: usize| {
            std::array::from_fn(|j| weights.get((panel * PANEL + j) * k + row).copied().unwrap_or(0.0))
        };
        Self {
            k,
            n,
            panels: (0..panels).flat_map(|panel| (0..k).map(move |row| at(panel, row))).collect(),
            bias: bias
                .chunks(PANEL)
                .map(|chunk| std::array::from_fn(|j| chunk.get(j).copied().unwrap_or(0.0)))
                .collect(),
        }
    }

    /// `out = after(x W + b)`: `[rows, k] -> [rows, n]`.
    pub(super) fn apply(&self, x: &[f32], after: After<'_>, out: &mut [f32]) {
        with_vectors(Product { matrix: self, x, after, out });
    }
}

struct Product<'a> {
    matrix: &'a Matrix,
    x: &'a [f32],
    after: After<'a>,
    out: &'a mut [f32],
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<const FMA: bool>(self) {
        let Matrix { k, n, panels, bias } = self.matrix;
        let (k, n) = (*k, *n);
        for (block, x) in self.x.chunks(BLOCK * k).enumerate() {
            for (column, (panel, bias)) in panels.chunks_exact(k).zip(bias).enumerate() {
                for (tile, x) in x.chunks(TILE * k).enumerate() {
                    let at = (block * BLOCK + tile * TILE) * n + column * PANEL;
                    let place = Place { at, n, columns: PANEL.min(n - column * PANEL) };
                    let (after, out) = (self.after, &mut *self.out);
                    match x.len() / k {
                        6 => place.tile::<6, FMA>(x, panel, bias, after, out),
                        4.. => place.split::<4, FMA>(x, panel, bias, after, out),
                        3 => place.tile::<3, FMA>(x, panel, bias, after, out),
                        2 => place.tile::<2, FMA>(x, panel, bias, after, out),
                        _ => place.tile::<1, FMA>(x, panel, bias, after, out),
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
    fn split<const R: usize, const FMA: bool>(
        self,
        x: &[f32],
        panel: &[[f32; PANEL]],
        bias: &[f32; PANEL],
        after: After<'_>,
        out: &mut [f32],
    ) {
        let (head, tail) = x.split_at(R * panel.len());
        self.tile::<R, FMA>(head, panel, bias, after, out);
        if !tail.is_empty() {
            Self { at: self.at + R * self.n, ..self }.tile::<1, FMA>(tail, panel, bias, after, out);
        }
    }

    #[inline(always)]
    fn tile<const R: usize, const FMA: bool>(
        self,
        x: &[f32],
        panel: &[[f32; PANEL]],
        bias: &[f32; PANEL],
        after: After<'_>,
        out: &mut [f32],
    ) {
        let k = panel.len();
        let rows: [&[f32]; R] = std::array::from_fn(|r| &x[r * k..][..k]);
        let mut sums = [[0f32; PANEL]; R];
        for (p, weights) in panel.iter().enumerate() {
            for r in 0..R {
                let factor = rows[r][p];
                for j in 0..PANEL {
                    sums[r][j] = madd::<FMA>(factor, weights[j], sums[r][j]);
                }
            }
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            for j in 0..PANEL {
                sums[j] += bias[j];
            }
            let start = self.at + r * self.n;
            let out = &mut out[start..start + self.columns];
            match after {
                After::Relu6 => sums.iter_mut().for_each(|sum| *sum = relu6(*sum)),
                After::Nothing => {}
                After::Add(other) => {
                    let other = &other[start..start + self.columns];
                    sums.iter_mut().zip(other).for_each(|(sum, other)| *sum += other);
                }
            }
            match <&mut [f32; PANEL]>::try_from(&mut *out) {
                Ok(out) => *out = *sums,
                Err(_) => out.copy_from_slice(&sums[..self.columns]),
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
        let turned = (0..taps).flat_map(|tap| (0..bias.len()).map(move |c| weights[c * taps + tap])).collect();
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
    fn run<const FMA: bool>(self) {
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
                    let mut sums: [f32; C] = load(bias, at);
                    for row in top..bottom {
                        let pixel = (first_row + row - top) * side + first_column;
                        for column in left..right {
                            let values: [f32; C] = load(self.x, (pixel + column - left) * channels + at);
                            let factors: [f32; C] = load(weights, (row * size + column) * channels + at);
                            for c in 0..C {
                                sums[c] += values[c] * factors[c];
                            }
                        }
                    }
                    for c in 0..C {
                        out[c] = relu6(sums[c]);
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn load<const C: usize>(slice: &[f32], at: usize) -> [f32; C] {
    let mut out = [0.0; C];
    out.copy_from_slice(&slice[at..at + C]);
    out
}

#[inline(always)]
fn relu6(x: f32) -> f32 {
    x.clamp(0.0, 6.0)
}

#[inline(always)]
fn madd<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

/// A loop that can be compiled for several instruction sets.
trait Kernel {
    /// `FMA`: a multiplication and an addition are one instruction.
    fn run<const FMA: bool>(self);
}

#[cfg(target_arch = "x86_64")]
fn with_vectors(kernel: impl Kernel) {
    struct WithFma<K>(K);
    impl<K: Kernel> pulp::WithSimd for WithFma<K> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) {
            self.0.run::<true>();
        }
    }
    match pulp::x86::V3::try_new() {
        Some(v3) => pulp::Simd::vectorize(v3, WithFma(kernel)),
        None => kernel.run::<false>(),
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn with_vectors(kernel: impl Kernel) {
    if cfg!(target_arch = "aarch64") { kernel.run::<true>() } else { kernel.run::<false>() }
}
