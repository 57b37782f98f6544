//! An affine layer, on rows of any number.

use crate::encode::kernel::{Rows, products};

/// `x W' + bias [n, out]` of `x [n, width]` and `weights [out, width]`.
pub(super) fn layer(n: usize, x: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut out = bias.repeat(n);
    if let Some(width) = x.len().checked_div(n).filter(|width| *width > 0) {
        let mut sums = vec![0.0; out.len()];
        products(Rows::new(x, width), Rows::new(weights, width), &mut sums);
        out.iter_mut().zip(&sums).for_each(|(out, sum)| *out += sum);
    }
    out
}
