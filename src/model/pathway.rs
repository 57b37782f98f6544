//! A pathway: from the features of one media type to the shared space.
//!
//! For features `x [d_in]`, or their roots `sign(x) sqrt(|x|)` where the pathway takes them: `z = (x - mean) * scale`,
//! `r = relu(W1 z + b1) [k]`, then
//! - unit part `We r + be [e]`, with a linear skip `We r + be + S z`, divided by its Euclidean norm;
//! - where there are classes, posteriors `softmax(Wc r + bc) [C]`, times a constant.
//!
//! The shared vector is `[posteriors; unit part] [d]`, `d = C + e`. With the constant 1 both parts have a norm of at
//! most 1 (posteriors: between `1/sqrt(C)` and 1), so they weigh alike in a cosine.

use crate::encode::kernel::{Rows, dot, products};

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
    /// `S [e, d_in]`; empty without a skip.
    pub(crate) skip: Vec<f32>,
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
    /// Shared vectors `[n, d]` into `out`, each a pure function of its row of `x [n, d_in]`, which must be finite.
    ///
    /// A row has the same bits alone and in any batch: see [`products`]. Cost: `n * k * (d_in + d)` multiply-adds on the
    /// calling thread, `n * d_in * e` more for a skip, and `n * (d_in + k + d)` numbers.
    pub(crate) fn project(&self, x: &[f32], posterior_scale: f32, out: &mut [f32]) {
        let d_in = self.mean.len();
        let n = x.len() / d_in;
        let (classes, d) = (self.class_bias.len(), self.class_bias.len() + self.unit_bias.len());
        let mut z = vec![0.0; x.len()];
        for (x, z) in x.chunks_exact(d_in).zip(z.chunks_exact_mut(d_in)) {
            standardise(x, self.roots, &self.mean, &self.scale, z);
        }
        let mut r = layer(n, &z, &self.hidden, &self.hidden_bias);
        r.iter_mut().for_each(|x| *x = x.max(0.0));
        let posteriors = layer(n, &r, &self.class, &self.class_bias);
        let mut units = layer(n, &r, &self.unit, &self.unit_bias);
        if !self.skip.is_empty() {
            let straight = layer(n, &z, &self.skip, &vec![0.0; d - classes]);
            units.iter_mut().zip(&straight).for_each(|(unit, x)| *unit += x);
        }
        for (i, out) in out.chunks_exact_mut(d).enumerate() {
            let (posterior, unit) = out.split_at_mut(classes);
            posterior.copy_from_slice(&posteriors[i * classes..][..classes]);
            unit.copy_from_slice(&units[i * (d - classes)..][..d - classes]);
            softmax(posterior, posterior_scale);
            let norm = dot(unit, unit).sqrt();
            let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            unit.iter_mut().for_each(|x| *x *= inverse);
        }
    }
}

/// `x W' + bias [n, out]` of `x [n, width]` and `weights [out, width]`.
fn layer(n: usize, x: &[f32], weights: &[f32], bias: &[f32]) -> Vec<f32> {
    let mut out = bias.repeat(n);
    if let Some(width) = x.len().checked_div(n).filter(|width| *width > 0) {
        let mut sums = vec![0.0; out.len()];
        products(Rows::new(x, width), Rows::new(weights, width), &mut sums);
        out.iter_mut().zip(&sums).for_each(|(out, sum)| *out += sum);
    }
    out
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

    /// As it was computed row by row, element by element.
    fn one_by_one(pathway: &Pathway, x: &[f32], out: &mut [f32]) {
        let mut z = vec![0.0; x.len()];
        standardise(x, pathway.roots, &pathway.mean, &pathway.scale, &mut z);
        let layer = |weights: &[f32], bias: &[f32], input: &[f32], out: &mut [f32]| {
            for ((out, row), bias) in out.iter_mut().zip(weights.chunks_exact(input.len())).zip(bias) {
                *out = dot(row, input) + bias;
            }
        };
        let mut r = vec![0.0; pathway.hidden_bias.len()];
        layer(&pathway.hidden, &pathway.hidden_bias, &z, &mut r);
        r.iter_mut().for_each(|x| *x = x.max(0.0));
        let (posteriors, unit) = out.split_at_mut(pathway.class_bias.len());
        layer(&pathway.class, &pathway.class_bias, &r, posteriors);
        softmax(posteriors, 0.7);
        layer(&pathway.unit, &pathway.unit_bias, &r, unit);
        if !pathway.skip.is_empty() {
            for (unit, row) in unit.iter_mut().zip(pathway.skip.chunks_exact(z.len())) {
                *unit += dot(row, &z);
            }
        }
        let norm = dot(unit, unit).sqrt();
        unit.iter_mut().for_each(|x| *x *= 1.0 / norm);
    }

    #[test]
    fn a_row_has_the_same_bits_alone_in_a_batch_and_element_by_element() {
        let wave = |n: usize, f: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * f).sin()).collect() };
        for (classes, roots, skip) in [(0, false, false), (5, true, false), (0, false, true), (5, true, true)]
        {
            let (d_in, k, e) = (37, 53, 11);
            let pathway = Pathway {
                roots,
                mean: wave(d_in, 0.7),
                scale: wave(d_in, 1.3),
                hidden: wave(k * d_in, 0.37),
                hidden_bias: wave(k, 2.1),
                unit: wave(e * k, 0.91),
                unit_bias: wave(e, 0.2),
                skip: wave(if skip { e * d_in } else { 0 }, 0.77),
                class: wave(classes * k, 0.53),
                class_bias: wave(classes, 1.1),
            };
            let d = classes + e;
            let x = wave(29 * d_in, 0.117);
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            let mut all = vec![0.0; 29 * d];
            pathway.project(&x, 0.7, &mut all);
            for (x, together) in x.chunks_exact(d_in).zip(all.chunks_exact(d)) {
                let (mut alone, mut plain) = (vec![0.0; d], vec![0.0; d]);
                pathway.project(x, 0.7, &mut alone);
                one_by_one(&pathway, x, &mut plain);
                assert_eq!(bits(&alone), bits(together));
                assert_eq!(bits(&plain), bits(together));
            }
        }
    }

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
            skip: Vec::new(),
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
        // z = (2, 0): unit = (4, 0.9) + (1, 2).
        pathway.skip = vec![0.5, 3.0, 1.0, -1.0];
        pathway.project(&[4.0, -7.0], 1.0, &mut other);
        let norm = (25.0f32 + 2.9 * 2.9).sqrt();
        assert!((other[2] - 5.0 / norm).abs() < 1e-6 && (other[3] - 2.9 / norm).abs() < 1e-6, "{other:?}");
        assert_eq!(out[..2], other[..2], "posteriors have no skip");
    }
}
