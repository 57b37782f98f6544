//! Contrastive loss, stage 1: similar pairs close, dissimilar pairs at least a margin apart.
//!
//! With `D_ij = |u_i - v_j|` of unit parts `u [q, e]`, `v [n, e]`:
//! `L = 1/|S| sum_{S} D^2 / 2 + 1/|N| sum_{N} max(0, margin - D)^2 / 2` over the similar pairs S and dissimilar pairs N of
//! a batch, across media types. Each sum has its own mean, so that the few similar pairs count as much as the many
//! dissimilar ones. Source: Hadsell, Chopra, LeCun, "Dimensionality reduction by learning an invariant mapping", 2006.

use candle_core::{Result, Tensor};

/// Squared Euclidean distances `[q, n]` of unit vectors `[q, e]`, `[n, e]`: `2 - 2 u.v`.
pub(crate) fn squared_distances(u: &Tensor, v: &Tensor) -> Result<Tensor> {
    (u.matmul(&v.t()?)? * -2.0)? + 2.0
}

/// The loss, a scalar; `similar` and `dissimilar` are 0/1 masks `[q, n]`.
pub(crate) fn contrastive(
    squared: &Tensor,
    similar: &Tensor,
    dissimilar: &Tensor,
    margin: f64,
) -> Result<Tensor> {
    let count =
        |mask: &Tensor| -> Result<f64> { Ok(f64::from(mask.sum_all()?.to_scalar::<f32>()?.max(1.0))) };
    // The floor keeps the gradient of the root finite where two vectors coincide.
    let distance = squared.clamp(1e-6f32, 4f32)?.sqrt()?;
    let gap = (distance.neg()? + margin)?.relu()?;
    let close = ((squared * similar)?.sum_all()? * (0.5 / count(similar)?))?;
    let apart = ((gap.sqr()? * dissimilar)?.sum_all()? * (0.5 / count(dissimilar)?))?;
    close + apart
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Var};

    use super::*;

    #[test]
    fn value_is_the_formula_and_coinciding_vectors_have_finite_gradients() {
        let dev = &Device::Cpu;
        let u = Var::new(&[[1.0f32, 0.0], [0.0, 1.0]], dev).unwrap();
        let v = Tensor::new(&[[1.0f32, 0.0], [0.6, 0.8]], dev).unwrap();
        let squared = squared_distances(&u, &v).unwrap();
        let similar = Tensor::new(&[[0.0f32, 1.0], [0.0, 0.0]], dev).unwrap();
        let dissimilar = Tensor::new(&[[1.0f32, 0.0], [0.0, 1.0]], dev).unwrap();
        let loss = contrastive(&squared, &similar, &dissimilar, 1.0).unwrap();
        // Similar: D^2 = 0.8. Dissimilar: D = 0 (gap 1) and D^2 = 0.4 (gap 1 - 0.632).
        let expected = 0.4 + 0.25 * (1.0f32 + (1.0 - 0.4f32.sqrt()).powi(2));
        assert!((loss.to_scalar::<f32>().unwrap() - expected).abs() < 2e-3);
        let grads = loss.backward().unwrap();
        let grad = grads.get(&u).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert!(grad.iter().all(|x| x.is_finite()), "{grad:?}");
        assert!(grad.iter().any(|x| *x != 0.0));
    }
}
