//! Reading convolutions, with the batch norm that follows each of them folded into its weights.

use super::super::weights::Weights;
use crate::error::{Error, ErrorCode, Result};

/// The epsilon that the network was trained with.
pub(super) const EPSILON: f64 = 1e-3;

/// A convolution `[out, ..]` and its bias `[out]`.
pub(super) struct Folded {
    pub(super) weights: Vec<f32>,
    pub(super) bias: Vec<f32>,
}

/// The convolution `conv` of `shape` `[out, ..]`, scaled as its batch norm `norm` says.
///
/// `y = gamma (w x - mean) / sqrt(var + epsilon) + beta = (s w) x + (beta - s mean)` with
/// `s = gamma / sqrt(var + epsilon)`, computed in f64.
///
/// # Errors
/// Those of [`Weights::values`]; [`ErrorCode::NotFinite`] for a variance that gives no number.
pub(super) fn folded(weights: &Weights, conv: &str, norm: &str, shape: &[usize]) -> Result<Folded> {
    let out = shape[0];
    let mut values = weights.values(&format!("{conv}.weight"), shape)?;
    let of = |part: &str| weights.values(&format!("{norm}.{part}"), &[out]);
    let (gamma, beta, mean, variance) = (of("weight")?, of("bias")?, of("running_mean")?, of("running_var")?);
    let each = values.len() / out;
    let mut bias = Vec::with_capacity(out);
    for (i, filter) in values.chunks_exact_mut(each).enumerate() {
        let scale = f64::from(gamma[i]) / (f64::from(variance[i]) + EPSILON).sqrt();
        let shift = (f64::from(beta[i]) - scale * f64::from(mean[i])) as f32;
        filter.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * scale) as f32);
        if !shift.is_finite() || !filter.iter().all(|weight| weight.is_finite()) {
            let what = format!("the batch norm `{norm}` gives no numbers");
            return Err(Error::new(ErrorCode::NotFinite, what)
                .file(weights.file())
                .expected("variances of at least 0")
                .got(variance[i]));
        }
        bias.push(shift);
    }
    Ok(Folded { weights: values, bias })
}
