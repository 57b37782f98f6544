//! The kernel member of a pathway: how near an item is to each of some train rows, the landmarks, and what follows from it.
//!
//! For features `x [d_in]`, or their roots: `z = x / |x|`, `k_j = exp(-g |z - z_j|^2)` over landmarks `z_j`, unit part
//! `P k + b [e]`, class values `A k + c [C]`: a dense layer with an exponential as its activation. Both are fitted in closed
//! form, from which the unit part may learn on: see the fit in the training room. Sources: kernel canonical correlation analysis, Bach and Jordan, "Kernel
//! independent component analysis", 2002; kernel ridge regression, Saunders, Gammerman, Vovk, 1998.

use super::deep::root;
use super::landmarks::Landmarks;
use super::layer::layer;
use crate::encode::kernel::dot;
use crate::model::floats::{Floats, Narrow};

/// Parameters of a kernel member; matrices are row-major `[out, in]`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kernel {
    /// Whether features are replaced by their roots.
    pub(crate) roots: bool,
    /// Landmarks `[m, d_in]`: train rows of unit length, rounded to f16.
    pub(crate) landmarks: Landmarks,
    /// `g`: one over the squared distance at which the response falls to `1/e`.
    pub(crate) width: f32,
    /// `P [e, m]`; empty where the member gives no unit part.
    pub(crate) unit: Floats,
    /// `b [e]`.
    pub(crate) unit_bias: Vec<f32>,
    /// `A [C, m]`; empty without classes.
    pub(crate) class: Floats,
    /// `c [C]`.
    pub(crate) class_bias: Vec<f32>,
}

/// `x / |x|` of the features or their roots, in place; zeros stay.
pub(crate) fn normalise(x: &mut [f32], roots: bool) {
    if roots {
        x.iter_mut().for_each(|x| *x = root(*x));
    }
    // In two steps: the square of a large number overflows, that of a small one vanishes.
    let largest = x.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
    if largest > 0.0 {
        x.iter_mut().for_each(|x| *x /= largest);
        let norm = dot(x, x).sqrt();
        x.iter_mut().for_each(|x| *x /= norm);
    }
}

impl Kernel {
    /// A member with these landmarks, which are of unit length and rounded, and without a readout.
    pub(crate) fn new(roots: bool, landmarks: impl Into<Narrow>, d_in: usize, width: f32) -> Self {
        Self {
            roots,
            landmarks: Landmarks::new(landmarks.into(), d_in),
            width,
            unit: Floats::default(),
            unit_bias: Vec::new(),
            class: Floats::default(),
            class_bias: Vec::new(),
        }
    }

    /// The number of landmarks, `m`.
    pub(crate) fn len(&self) -> usize {
        self.landmarks.count()
    }

    /// `k [n, m]` of the rows `x [n, d_in]`. Cost: `n * m * d_in` multiply-adds on the calling thread.
    pub(crate) fn responses(&self, n: usize, x: &[f32]) -> Vec<f32> {
        let mut out = self.distances(n, x);
        self.respond(&mut out);
        out
    }

    /// From squared distances to responses, in place.
    pub(crate) fn respond(&self, distances: &mut [f32]) {
        distances.iter_mut().for_each(|x| *x = (-self.width * *x).exp());
    }

    /// `|z - z_j|^2 [n, m]` of the rows `x [n, d_in]`.
    pub(crate) fn distances(&self, n: usize, x: &[f32]) -> Vec<f32> {
        let d_in = x.len() / n.max(1);
        let mut z = x.to_vec();
        let mut out = vec![0.0; n * self.len()];
        if d_in == 0 {
            return out;
        }
        z.chunks_exact_mut(d_in).for_each(|z| normalise(z, self.roots));
        self.landmarks.products(&z, &mut out);
        for (z, out) in z.chunks_exact(d_in).zip(out.chunks_exact_mut(self.len().max(1))) {
            let square = dot(z, z);
            for (out, landmark) in out.iter_mut().zip(self.landmarks.squares()) {
                *out = (square + landmark - 2.0 * *out).max(0.0);
            }
        }
        out
    }

    /// Class values `[n, C]` and unit parts `[n, e]`, not yet of unit length, of rows `x [n, d_in]`.
    pub(super) fn outputs(&self, n: usize, x: &[f32]) -> (Vec<f32>, Vec<f32>) {
        self.read(n, &self.responses(n, x))
    }

    /// The same of responses `[n, m]`.
    pub(crate) fn read(&self, n: usize, k: &[f32]) -> (Vec<f32>, Vec<f32>) {
        (layer(n, k, &self.class, &self.class_bias), layer(n, k, &self.unit, &self.unit_bias))
    }
}
