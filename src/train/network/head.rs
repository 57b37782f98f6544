//! The variables of a head of the metric network.

use candle_core::{DType, Device, Result, Tensor, Var};
use rand_chacha::ChaCha8Rng;

use super::vars::{uniform, values, zeros};
use crate::model::{Head, Target, symmetrise};
use crate::train::config::{HeadForm, TrainConfig};
use crate::train::op::hidden_term;

/// Variables of one target and pair of media types.
///
/// `M = diag(scales) + change`: two learned factors for the dot products of the two parts, that of posteriors weighted by
/// the shares of the classes for the target `class`, and a matrix that starts at 0
/// and decays toward it. A head of the form `Concatenation` has `M = 0` throughout.
pub(crate) struct HeadVars {
    pub(super) form: HeadForm,
    pub(crate) target: Target,
    pub(crate) a: usize,
    pub(crate) b: usize,
    /// Weights of the classes in the dot product of posteriors, `[C]`.
    pub(super) class_weights: Vec<f32>,
    /// Factor of the dot product of posteriors, `[1]`.
    pub(super) class_scale: Var,
    /// Factor of the dot product of unit parts, `[1]`.
    pub(super) unit_scale: Var,
    /// `[d, d]`.
    pub(super) change: Var,
    pub(super) weights: Var,
    pub(super) shift: Var,
    pub(super) bias: Var,
    /// Not trained: that of the bundle that it started from, as a part of the mean factor of unit parts.
    pub(super) hub: f32,
}

impl HeadVars {
    pub(super) fn new(
        (target, a, b): (Target, usize, usize),
        d: usize,
        weights: &[f32],
        config: &TrainConfig,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let (classes, item_half) = (weights.len(), config.model.item_half);
        let class_weights = match target {
            Target::Class => weights.to_vec(),
            Target::Pair => vec![1.0; classes],
        };
        // Logits near 0 for half-similar items: the bias is half of the largest dot product, negative.
        let (class, unit, bias) = match target {
            Target::Class => (8.0f32, 2.0f32, -4.0f32),
            Target::Pair => (if classes > 0 { 1.0 } else { 0.0 }, 10.0, -5.0),
        };
        let (class, unit, bias, weights) = match config.model.head {
            HeadForm::Bilinear => (class, unit, bias, zeros(item_half)?),
            HeadForm::Concatenation => {
                let start = uniform(item_half, 1, 1.0, rng);
                (0.0, 0.0, 0.0, Var::from_vec(start, item_half, &Device::Cpu)?)
            }
        };
        let one = |x: f32| Var::new(&[x], &Device::Cpu);
        Ok(Self {
            form: config.model.head,
            target,
            a,
            b,
            class_weights,
            class_scale: one(class)?,
            unit_scale: one(unit)?,
            change: Var::zeros((d, d), DType::F32, &Device::Cpu)?,
            weights,
            shift: zeros(item_half)?,
            bias: one(bias)?,
            hub: 0.0,
        })
    }

    /// `change`, symmetric where both sides are one media type.
    fn effective_change(&self) -> Result<Tensor> {
        if self.a == self.b {
            (self.change.as_tensor() + self.change.t()?)? * 0.5
        } else {
            Ok(self.change.as_tensor().clone())
        }
    }

    /// Logits `[n, m]` of shared vectors `u [n, d]`, `v [m, d]` and their halves `[n, h]`, `[m, h]`.
    pub(super) fn forward(
        &self,
        u: &Tensor,
        v: &Tensor,
        classes: usize,
        halves: Option<(Tensor, Tensor)>,
    ) -> Result<Tensor> {
        let d = u.dim(1)?;
        let unit = u.narrow(1, classes, d - classes)?;
        let mut left = (u.matmul(&self.effective_change()?)?, unit.broadcast_mul(&self.unit_scale)?);
        if classes > 0 {
            let weights = Tensor::from_slice(&self.class_weights, classes, &Device::Cpu)?;
            let factors = weights.broadcast_mul(&self.class_scale)?;
            let posterior = u.narrow(1, 0, classes)?.broadcast_mul(&factors)?;
            left.1 = Tensor::cat(&[&posterior, &left.1], 1)?;
        }
        let mut logits = (left.0 + left.1)?.matmul(&v.t()?)?.broadcast_add(&self.bias)?;
        if let Some((p, q)) = halves {
            logits = (logits + hidden_term(&p.broadcast_add(&self.shift)?, &q, &self.weights)?)?;
        }
        Ok(logits)
    }

    pub(super) fn export(&self, d: usize, classes: usize) -> Result<Head> {
        let mut bilinear = values(&self.change)?;
        if self.a == self.b {
            symmetrise(&mut bilinear, d);
        }
        let (class_scale, unit_scale) = (values(&self.class_scale)?[0], values(&self.unit_scale)?[0]);
        for i in 0..d {
            bilinear[i * d + i] += if i < classes { class_scale * self.class_weights[i] } else { unit_scale };
        }
        let unit: f32 = (classes..d).map(|i| bilinear[i * d + i]).sum();
        Ok(Head {
            target: self.target,
            a: self.a,
            b: self.b,
            bilinear: bilinear.into(),
            weights: values(&self.weights)?,
            shift: values(&self.shift)?,
            bias: values(&self.bias)?[0],
            hub: self.hub * (unit / (d - classes).max(1) as f32).max(0.0),
            calibration: [None; 2],
        })
    }
}
