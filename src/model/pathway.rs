//! A pathway: from the features of one media type to the shared space.
//!
//! For features `x [d_in]`, or their roots `sign(x) sqrt(|x|)` where the pathway takes them: `z = (x - mean) * scale`,
//! `r = relu(W1 z + b1) [k]`, then
//! - unit part `We r + be [e]`, divided by its Euclidean norm;
//! - where there are classes, posteriors `softmax(Wc r + bc) [C]`, times a constant.
//!
//! The shared vector is `[posteriors; unit part] [d]`, `d = C + e`. With the constant 1 both parts have a norm of at
//! most 1 (posteriors: between `1/sqrt(C)` and 1), so they weigh alike in a cosine.

use super::metric::dot;

/// Parameters of one pathway; matrices are row-major `[out, in]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pathway {
    /// Whether features are replaced by their roots: counts and activations have long tails.
    pub(crate) roots: bool,
    /// Learned on train rows.
    pub(crate) mean: Vec<f32>,
    /// One over the standard deviation on train rows; 0 for constant features.
    pub(crate) scale: Vec<f32>,
    /// `W1 [k, d_in]`.
    pub(crate) hidden: Vec<f32>,
    /// `b1 [k]`.
    pub(crate) hidden_bias: Vec<f32>,
    /// `We [e, k]`.
    pub(crate) unit: Vec<f32>,
    /// `be [e]`.
    pub(crate) unit_bias: Vec<f32>,
    /// `Wc [C, k]`; empty without classes.
    pub(crate) class: Vec<f32>,
    /// `bc [C]`; empty without classes.
    pub(crate) class_bias: Vec<f32>,
}

/// Standardised features are cut here, so that an outlier cannot overflow what follows.
const CLIP: f32 = 10.0;

/// The root that keeps the sign.
pub(crate) fn root(x: f32) -> f32 {
    x.abs().sqrt().copysign(x)
}

/// The input `z [d_in]` of the hidden layer.
pub(crate) fn standardise(x: &[f32], roots: bool, mean: &[f32], scale: &[f32], out: &mut [f32]) {
    for (((out, x), mean), scale) in out.iter_mut().zip(x).zip(mean).zip(scale) {
        let x = if roots { root(*x) } else { *x };
        *out = ((x - mean) * scale).clamp(-CLIP, CLIP);
    }
}

impl Pathway {
    /// One shared vector `[d]` into `out`; a pure function of `x [d_in]`, which must be finite.
    pub(crate) fn project(&self, x: &[f32], posterior_scale: f32, out: &mut [f32]) {
        let mut z = vec![0.0; x.len()];
        standardise(x, self.roots, &self.mean, &self.scale, &mut z);
        let layer = |weights: &[f32], bias: &[f32], input: &[f32], out: &mut [f32]| {
            for ((out, row), bias) in out.iter_mut().zip(weights.chunks_exact(input.len().max(1))).zip(bias) {
                *out = dot(row, input) + bias;
            }
        };
        let mut r = vec![0.0; self.hidden_bias.len()];
        layer(&self.hidden, &self.hidden_bias, &z, &mut r);
        r.iter_mut().for_each(|x| *x = x.max(0.0));
        let (posteriors, unit) = out.split_at_mut(self.class_bias.len());
        layer(&self.class, &self.class_bias, &r, posteriors);
        softmax(posteriors, posterior_scale);
        layer(&self.unit, &self.unit_bias, &r, unit);
        let norm = dot(unit, unit).sqrt();
        let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        unit.iter_mut().for_each(|x| *x *= inverse);
    }
}

/// `scale * exp(x - max) / sum`, in place.
fn softmax(x: &mut [f32], scale: f32) {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in x.iter_mut() {
        *x = (*x - max).exp();
        sum += *x;
    }
    x.iter_mut().for_each(|x| *x *= scale / sum);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_a_distribution_and_a_unit_vector() {
        let mut pathway = Pathway {
            roots: false,
            mean: vec![1.0, 0.0],
            scale: vec![2.0, 0.0],
            hidden: vec![1.0, 0.5, -1.0, 0.0, 0.25, 1.0],
            hidden_bias: vec![0.0, 3.0, 0.1],
            unit: vec![1.0, 2.0, 0.0, 0.0, 1.0, -1.0],
            unit_bias: vec![0.0, 0.5],
            class: vec![200.0, 0.0, 0.0, 0.0, 200.0, 0.0],
            class_bias: vec![0.0, 0.0],
        };
        let mut out = vec![0.0; 4];
        pathway.project(&[2.0, 9.0], 1.0, &mut out);
        // z = (2, 0), r = (2, 1, 0.6), logits = (400, 200), unit = (4, 0.9).
        assert_eq!(&out[..2], &[1.0, 0.0]);
        let norm = (16.0f32 + 0.81).sqrt();
        // 1 + 0.5 - 0.6 = 0.9
        assert!((out[2] - 4.0 / norm).abs() < 1e-6 && (out[3] - 0.9 / norm).abs() < 1e-6, "{out:?}");
        let mut other = vec![0.0; 4];
        pathway.project(&[2.0, -7.0], 1.0, &mut other);
        assert_eq!(out, other, "a constant feature does not count");
        pathway.roots = true;
        pathway.project(&[4.0, -7.0], 1.0, &mut other);
        assert_eq!(out, other, "the root of 4 is 2");
    }
}
