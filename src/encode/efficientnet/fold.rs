//! Reading convolutions, with the batch norm that follows each of them folded into its weights.

use crate::encode::weights::Weights;
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

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::tensor::{Dtype, TensorView};

    /// One convolution of two filters with two weights each.
    fn fold(variance: [f32; 2]) -> Result<Folded> {
        let tensors: [(&str, Vec<f32>, Vec<usize>); 5] = [
            ("c.weight", vec![1.0, -2.0, 3.0, 0.5], vec![2, 2]),
            ("n.weight", vec![2.0, -1.0], vec![2]),
            ("n.bias", vec![0.25, 1.0], vec![2]),
            ("n.running_mean", vec![4.0, -1.0], vec![2]),
            ("n.running_var", variance.to_vec(), vec![2]),
        ];
        let bytes = tensors.each_ref().map(|t| t.1.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
        let views = tensors.iter().zip(&bytes).map(|((name, _, shape), bytes)| {
            (*name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
        });
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), safetensors::serialize(views, None).unwrap()).unwrap();
        folded(&Weights::open(file.path())?, "c", "n", &[2, 2])
    }

    #[test]
    fn scale_and_shift_go_into_the_convolution() {
        // With the epsilon, the variances are 4 and 0.001.
        let Folded { weights, bias } = fold([3.999, 0.0]).unwrap();
        let near = |got: f32, expected: f32| assert!((got - expected).abs() < 1e-4, "{got} {expected}");
        near(weights[0], 1.0);
        near(weights[1], -2.0);
        near(bias[0], 0.25 - 4.0);
        let scale = -1.0 / 0.001f32.sqrt();
        near(weights[2], 3.0 * scale);
        near(weights[3], 0.5 * scale);
        near(bias[1], 1.0 + scale);
    }

    #[test]
    fn a_negative_variance_is_refused() {
        assert_eq!(fold([1.0, -0.5]).map(drop).unwrap_err().code(), ErrorCode::NotFinite);
    }
}
