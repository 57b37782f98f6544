//! The trainable network: candle variables, and the plain bundle that they export to.
//!
//! Matrices are `[in, out]` here, so that a batch `[n, in]` is multiplied from the left; the bundle holds `[out, in]`.

mod head;
mod member;
mod pass;
mod pathway;
mod vars;
mod warm;

use candle_core::{Result, Tensor, Var};
use rand_chacha::ChaCha8Rng;

use super::config::{HeadForm, TrainConfig};
use super::scaling::Scaling;
use crate::model::{Head, Hubs, Pathway, Target};
use head::HeadVars;
pub(super) use pass::{Ask, Pass};
use pathway::PathwayVars;
pub(super) use pathway::View;
use vars::{matrix, values};

/// All variables of a model.
pub(crate) struct Network {
    pub(crate) pathways: Vec<PathwayVars>,
    pub(crate) heads: Vec<HeadVars>,
    /// `A' [d, h]` per media type; empty for `h = 0`.
    halves: Vec<Var>,
    /// Not trained: those of the bundle that it started from.
    hubs: Hubs,
    pub(crate) dim: usize,
    pub(crate) item_half: usize,
    pub(crate) classes: usize,
}

/// The parameters of a network as plain numbers.
pub(crate) struct Exported {
    pub(crate) pathways: Vec<Pathway>,
    /// `A [h, d]` per media type.
    pub(crate) halves: Vec<Vec<f32>>,
    pub(crate) hubs: Hubs,
    pub(crate) heads: Vec<Head>,
}

/// Variables by how they are optimised.
pub(crate) struct Groups {
    /// Weight matrices of the pathways.
    pub(crate) pathway: Vec<Var>,
    /// Biases of the pathways, without decay.
    pub(crate) pathway_free: Vec<Var>,
    /// Matrices of the metric network.
    pub(crate) metric: Vec<Var>,
    /// Scales, shifts and biases of the metric network, without decay.
    pub(crate) metric_free: Vec<Var>,
}

impl Network {
    /// A network with random pathways and with heads that start at scaled dot products.
    pub(crate) fn new(
        scalings: Vec<Scaling>,
        class_weights: &[f32],
        config: &TrainConfig,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let classes = class_weights.len();
        let unit = config.unit(classes);
        let (dim, item_half, media) = (classes + unit, config.model.item_half, scalings.len());
        let pathways = scalings
            .into_iter()
            .map(|scaling| PathwayVars::new(scaling, unit, classes, config, rng))
            .collect::<Result<_>>()?;
        let halves = match item_half {
            0 => Vec::new(),
            _ => (0..media).map(|_| matrix(dim, item_half, dim as f32 / 8.0, rng)).collect::<Result<_>>()?,
        };
        let targets = if classes > 0 { &[Target::Class, Target::Pair][..] } else { &[Target::Pair][..] };
        let mut heads = Vec::new();
        for &target in targets {
            for a in 0..media {
                for b in a..media {
                    heads.push(HeadVars::new((target, a, b), dim, class_weights, config, rng)?);
                }
            }
        }
        Ok(Self { pathways, heads, halves, hubs: Hubs::default(), dim, item_half, classes })
    }

    /// Logits of a head for shared vectors of its two media types.
    pub(crate) fn logits(&self, head: &HeadVars, u: &Tensor, v: &Tensor) -> Result<Tensor> {
        let halves = match self.item_half {
            0 => None,
            _ => Some((u.matmul(&self.halves[head.a])?, v.matmul(&self.halves[head.b])?)),
        };
        head.forward(u, v, self.classes, halves)
    }

    /// Whether the pathways learn nothing.
    pub(crate) fn is_frozen(&self) -> bool {
        self.pathways.iter().any(PathwayVars::is_frozen)
    }

    pub(crate) fn groups(&self) -> Groups {
        let mut groups = Groups {
            pathway: Vec::new(),
            pathway_free: Vec::new(),
            metric: Vec::new(),
            metric_free: Vec::new(),
        };
        for pathway in self.pathways.iter().filter(|pathway| !pathway.is_frozen()) {
            groups.pathway_free.push(pathway.unit_bias.clone());
            for member in &pathway.members {
                groups.pathway.extend([member.hidden.clone(), member.unit.clone()]);
                groups.pathway.extend(member.skip.clone());
                groups.pathway_free.push(member.hidden_bias.clone());
                if let Some((weight, bias)) = &member.class {
                    groups.pathway.push(weight.clone());
                    groups.pathway_free.push(bias.clone());
                }
            }
        }
        groups.metric.extend(self.halves.iter().cloned());
        for head in &self.heads {
            groups.metric_free.push(head.bias.clone());
            if head.form == HeadForm::Bilinear {
                groups.metric.push(head.change.clone());
                groups.metric_free.extend([head.class_scale.clone(), head.unit_scale.clone()]);
            }
            if self.item_half > 0 {
                groups.metric.push(head.weights.clone());
                groups.metric_free.push(head.shift.clone());
            }
        }
        groups
    }

    /// All parameters as plain numbers.
    pub(crate) fn export(&self) -> Result<Exported> {
        let pathways = self.pathways.iter().map(PathwayVars::export).collect::<Result<_>>()?;
        Ok(Exported { pathways, ..self.export_metric()? })
    }

    /// The parameters of the metric network as plain numbers.
    pub(crate) fn export_metric(&self) -> Result<Exported> {
        let halves = match self.item_half {
            0 => vec![Vec::new(); self.pathways.len()],
            _ => self.halves.iter().map(|var| values(&var.t()?.contiguous()?)).collect::<Result<_>>()?,
        };
        let heads =
            self.heads.iter().map(|head| head.export(self.dim, self.classes)).collect::<Result<_>>()?;
        Ok(Exported { pathways: Vec::new(), halves, hubs: self.hubs.clone(), heads })
    }
}
