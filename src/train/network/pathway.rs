//! The variables of a pathway.

use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::ops::softmax;
use rand_chacha::ChaCha8Rng;

use super::member::{Leaf, MemberVars};
use super::vars::{values, zeros};
use crate::model::{Deep, Pathway, standardise};
use crate::train::config::TrainConfig;
use crate::train::scaling::Scaling;

/// Variables of one pathway: `M` members, each with a hidden layer and class logits of its own.
///
/// The members see the same rows under different dropout masks and learn their classes by losses of their own, so that
/// they err differently; the posteriors are those of their mean logits. The unit part sums over all.
pub(crate) struct PathwayVars {
    pub(super) scaling: Scaling,
    pub(super) members: Vec<MemberVars>,
    pub(super) unit_bias: Var,
    /// What stays as it is, in place of members: a pathway with a kernel member, whose inputs here are shared vectors `[d]`.
    pub(super) frozen: Option<Pathway>,
}

/// What a pathway gives for a batch.
#[derive(Clone)]
pub(crate) struct View {
    /// Unit part `[n, e]`.
    pub(crate) unit: Tensor,
    /// Class logits `[n, C]` of each member; empty without classes.
    pub(crate) logits: Vec<Tensor>,
    /// Shared vectors `[n, d]`.
    pub(crate) shared: Tensor,
}

impl View {
    /// The rows from `from` on.
    pub(super) fn part(&self, from: usize, rows: usize) -> Result<Self> {
        let part = |x: &Tensor| x.narrow(0, from, rows);
        Ok(Self {
            unit: part(&self.unit)?,
            logits: self.logits.iter().map(part).collect::<Result<_>>()?,
            shared: part(&self.shared)?,
        })
    }
}

impl PathwayVars {
    pub(super) fn new(
        scaling: Scaling,
        unit: usize,
        classes: usize,
        config: &TrainConfig,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let d_in = scaling.mean.len();
        let members = (0..config.model.members).map(|_| MemberVars::new(d_in, unit, classes, config, rng));
        Ok(Self { members: members.collect::<Result<_>>()?, scaling, unit_bias: zeros(unit)?, frozen: None })
    }

    /// A pathway that learns nothing.
    pub(super) fn frozen(pathway: &Pathway) -> Result<Self> {
        let scaling = Scaling { roots: false, mean: Vec::new(), scale: Vec::new() };
        Ok(Self { scaling, members: Vec::new(), unit_bias: zeros(1)?, frozen: Some(pathway.clone()) })
    }

    /// Elements of the input of items of `d_in` features.
    pub(crate) fn width(&self, d_in: usize) -> usize {
        let whole = |pathway: &Pathway| pathway.classes() + pathway.unit_parts().iter().sum::<usize>();
        self.frozen.as_ref().map_or(d_in, whole)
    }

    /// Whether it learns nothing.
    pub(crate) fn is_frozen(&self) -> bool {
        self.frozen.is_some()
    }

    /// The inputs `[n, width]` of features `[n, d_in]`: roots where the pathway takes them, standardised and cut; shared vectors where it is frozen.
    pub(crate) fn inputs(&self, features: &[f32]) -> Vec<f32> {
        if let Some(frozen) = &self.frozen {
            let n = features.len() / frozen.d_in();
            let mut out = vec![0.0; n * self.width(0)];
            frozen.project(n, features, 1.0, &mut out);
            return out;
        }
        let Scaling { roots, mean, scale } = &self.scaling;
        let mut out = vec![0.0; features.len()];
        for (x, out) in features.chunks_exact(mean.len()).zip(out.chunks_exact_mut(mean.len())) {
            standardise(x, *roots, mean, scale, out);
        }
        out
    }

    /// Shared vectors `[n, d]` of features `[n, d_in]` as a bundle projects them, but for rounding: by products of
    /// matrices, many times as fast.
    pub(crate) fn project(&self, features: &[f32]) -> Result<Vec<f32>> {
        // Rows to validate on may have no item of a media type; there is no softmax of no rows.
        if features.is_empty() {
            return Ok(Vec::new());
        }
        let input = self.inputs(features);
        if self.is_frozen() {
            return Ok(input);
        }
        let d_in = self.scaling.mean.len();
        let input = Tensor::from_vec(input, (features.len() / d_in, d_in), &Device::Cpu)?;
        let leaves: Vec<Leaf> =
            self.members.iter().map(|member| member.forward(input.clone(), 0.0, 0)).collect::<Result<_>>()?;
        values(&self.view(&leaves)?.shared.contiguous()?)
    }

    /// What a frozen pathway gives: its input `[n, d]`.
    pub(super) fn view_frozen(&self, shared: Tensor) -> Result<View> {
        let classes = self.frozen.as_ref().map_or(0, Pathway::classes);
        let unit = shared.narrow(1, classes, shared.dim(1)? - classes)?.contiguous()?;
        Ok(View { unit, logits: Vec::new(), shared })
    }

    /// What the pathway gives, from what each of its members gave.
    pub(super) fn view(&self, leaves: &[Leaf]) -> Result<View> {
        let mut unit = self.unit_bias.as_tensor().clone();
        for leaf in leaves {
            unit = leaf.unit.broadcast_add(&unit)?;
        }
        let norm = (unit.sqr()?.sum_keepdim(D::Minus1)? + 1e-8)?.sqrt()?;
        let unit = unit.broadcast_div(&norm)?;
        let logits: Vec<Tensor> =
            leaves.iter().filter_map(|leaf| Some(leaf.class.as_ref()?.as_tensor().clone())).collect();
        let mut parts = logits.iter().cloned();
        let Some(mut sum) = parts.next() else {
            return Ok(View { shared: unit.clone(), unit, logits });
        };
        for part in parts {
            sum = (sum + part)?;
        }
        let posteriors = softmax(&(sum / logits.len() as f64)?, D::Minus1)?;
        let shared = Tensor::cat(&[&posteriors, &unit], 1)?;
        Ok(View { unit, logits, shared })
    }

    pub(super) fn export(&self) -> Result<Pathway> {
        match &self.frozen {
            Some(frozen) => Ok(frozen.clone()),
            None => Ok(self.export_deep()?.into()),
        }
    }

    fn export_deep(&self) -> Result<Deep> {
        // Members stand one after the other in the hidden layer.
        let mut hidden = Vec::new();
        let mut hidden_bias = Vec::new();
        let (mut unit, mut class, mut class_bias) = (Vec::new(), Vec::new(), Vec::new());
        let (mut skip, count) = (Vec::new(), self.members.len() as f32);
        for member in &self.members {
            hidden.extend(values(&member.hidden.t()?.contiguous()?)?);
            hidden_bias.extend(values(&member.hidden_bias)?);
            unit.push(member.unit.as_tensor().clone());
            if let Some(weight) = &member.skip {
                let weight = values(&weight.t()?.contiguous()?)?;
                skip.resize(weight.len(), 0.0f32);
                skip.iter_mut().zip(weight).for_each(|(sum, x)| *sum += x);
            }
            if let Some((weight, bias)) = &member.class {
                class.push(weight.as_tensor().clone());
                let bias = values(bias)?;
                class_bias.resize(bias.len(), 0.0f32);
                class_bias.iter_mut().zip(bias).for_each(|(sum, x)| *sum += x / count);
            }
        }
        // What reads the hidden layers: [M * k, out] becomes [out, M * k].
        let reader = |parts: &[Tensor]| -> Result<Vec<f32>> {
            if parts.is_empty() { Ok(Vec::new()) } else { values(&Tensor::cat(parts, 0)?.t()?.contiguous()?) }
        };
        let mut class = reader(&class)?;
        class.iter_mut().for_each(|x| *x /= count);
        let Scaling { roots, mean, scale } = self.scaling.clone();
        Ok(Deep {
            roots,
            mean,
            scale,
            hidden: hidden.into(),
            hidden_bias,
            unit: reader(&unit)?.into(),
            unit_bias: values(&self.unit_bias)?,
            skip: skip.into(),
            class: class.into(),
            class_bias,
        })
    }
}
