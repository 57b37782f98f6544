//! Cross-entropy of the class posteriors: `-1/n sum_i w_i ln softmax(logits_i)[class_i]`, logits `[n, C]`.

use candle_core::{D, Result, Tensor};
use candle_nn::ops::log_softmax;

/// Cross-entropy of class logits `[n, C]` against weighted one-hot rows `[n, C]`, summing to the weight of the row.
pub(crate) fn labels(logits: &Tensor, one_hot: &Tensor) -> Result<Tensor> {
    let total = one_hot.sum_all()?.to_scalar::<f32>()?.max(1e-12);
    (log_softmax(logits, D::Minus1)? * one_hot)?.sum_all()?.neg()? / f64::from(total)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn t(rows: &[[f32; 3]; 2]) -> Tensor {
        Tensor::new(rows, &Device::Cpu).unwrap()
    }

    #[test]
    fn labels_is_minus_log_posterior() {
        let logits = t(&[[1.0, 0.0, -1.0], [50.0, 0.0, 0.0]]);
        let loss = labels(&logits, &t(&[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])).unwrap();
        let expected = -(1.0f32 / (1.0f32.exp() + 1.0 + (-1.0f32).exp())).ln();
        assert!((loss.to_scalar::<f32>().unwrap() - expected).abs() < 1e-6);
    }
}
