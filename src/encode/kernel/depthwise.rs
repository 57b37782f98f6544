//! A depthwise convolution over slices.
//!
//! Pictures are `[height * width, channels]`, row-major. Every sum runs in one fixed order that depends on nothing but the
//! layer.

use super::dispatch::{Kernel, Lanes, with_vectors};

/// A depthwise convolution of `size` x `size` with TensorFlow's "SAME" padding, and ReLU6.
pub(crate) struct Depthwise {
    size: usize,
    stride: usize,
    /// `[size * size, channels]`.
    weights: Vec<f32>,
    bias: Vec<f32>,
}

impl Depthwise {
    /// From the weights of a grouped convolution, `[channels, 1, size, size]`, and its bias `[channels]`.
    pub(crate) fn new(weights: &[f32], bias: &[f32], size: usize, stride: usize) -> Self {
        let taps = size * size;
        let turned =
            (0..taps).flat_map(|tap| (0..bias.len()).map(move |c| weights[c * taps + tap])).collect();
        Self { size, stride, weights: turned, bias: bias.to_vec() }
    }

    /// `[side * side, channels] -> [out_side * out_side, channels]` with `out_side = ceil(side / stride)`.
    pub(crate) fn apply(&self, x: &[f32], side: usize, out: &mut [f32]) {
        with_vectors(Convolution { layer: self, x, side, out });
    }
}

/// Length after a convolution with "SAME" padding, and the padding before the first element: the smaller half.
pub(crate) fn same(len: usize, size: usize, stride: usize) -> (usize, usize) {
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
    use crate::encode::kernel::testing::{near, noise};

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
