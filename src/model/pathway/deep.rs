//! The deep members of a pathway: hidden layers that were trained in stages.
//!
//! `z = (x - mean) * scale` of the features `x [d_in]` or their roots, `r = relu(W1 z + b1) [k]`, unit part `We r + be [e]`, with
//! a linear skip `We r + be + S z`, class logits `Wc r + bc [C]`. All members stand in one hidden layer: it is those of the members side by side, and the
//! class logits are their mean.

use super::layer::layer;
use crate::model::floats::Floats;

/// Parameters of the deep members; matrices are row-major `[out, in]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Deep {
    /// Whether features are replaced by their roots: counts and activations have long tails.
    pub(crate) roots: bool,
    /// Learned on train rows.
    pub(crate) mean: Vec<f32>,
    /// One over the standard deviation on train rows; 0 for constant features.
    pub(crate) scale: Vec<f32>,
    /// `W1 [k, d_in]`.
    pub(crate) hidden: Floats,
    /// `b1 [k]`.
    pub(crate) hidden_bias: Vec<f32>,
    /// `We [e, k]`.
    pub(crate) unit: Floats,
    /// `be [e]`.
    pub(crate) unit_bias: Vec<f32>,
    /// `S [e, d_in]`; empty without a skip.
    pub(crate) skip: Floats,
    /// `Wc [C, k]`; empty without classes.
    pub(crate) class: Floats,
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

impl Deep {
    /// Class logits `[n, C]` and unit parts `[n, e]`, not yet of unit length, of rows `x [n, d_in]`.
    pub(super) fn outputs(&self, n: usize, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let d_in = self.mean.len();
        let mut z = vec![0.0; x.len()];
        for (x, z) in x.chunks_exact(d_in).zip(z.chunks_exact_mut(d_in)) {
            standardise(x, self.roots, &self.mean, &self.scale, z);
        }
        let mut r = layer(n, &z, &self.hidden, &self.hidden_bias);
        r.iter_mut().for_each(|x| *x = x.max(0.0));
        let mut units = layer(n, &r, &self.unit, &self.unit_bias);
        if !self.skip.is_empty() {
            let straight = layer(n, &z, &self.skip, &vec![0.0; self.unit_bias.len()]);
            units.iter_mut().zip(&straight).for_each(|(unit, x)| *unit += x);
        }
        (layer(n, &r, &self.class, &self.class_bias), units)
    }
}
