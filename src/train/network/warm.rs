//! A network that starts where a bundle ended: the inverse of its export.

use candle_core::{Device, Result, Var};

use super::Network;
use super::head::HeadVars;
use super::member::MemberVars;
use super::pathway::PathwayVars;
use crate::model::{Bundle, Deep, Head, Target};
use crate::train::config::{HeadForm, TrainConfig};
use crate::train::scaling::Scaling;
use crate::train::start::is_frozen;

impl Network {
    /// Pathways with a kernel member stay as they are: the metric network alone learns. Of others:
    /// the variables of `bundle`, whose hidden layers are those of `members` members of
    /// `hidden` units each, and whose posteriors are not scaled.
    ///
    /// Members get their own blocks of the weights; of their class biases only the mean is known, which each of them gets.
    /// A network exported and started again gives the same shared vectors and logits, but for rounding.
    pub(crate) fn warm(bundle: &Bundle, class_weights: &[f32], config: &TrainConfig) -> Result<Self> {
        let classes = class_weights.len();
        let (dim, item_half) = (bundle.metric.dim, bundle.metric.half);
        // One member that is fitted at once freezes all: the others were trained beside it.
        let frozen = is_frozen(bundle);
        let pathways = bundle
            .pathways
            .iter()
            .map(|pathway| match &pathway.deep {
                Some(deep) if !frozen => PathwayVars::warm(deep, config),
                _ => PathwayVars::frozen(pathway),
            })
            .collect::<Result<_>>()?;
        let halves = match item_half {
            0 => Vec::new(),
            _ => bundle.metric.halves.iter().map(|a| transposed(a, item_half, dim)).collect::<Result<_>>()?,
        };
        // The form of the paper has no bilinear term anywhere.
        let bilinear = bundle.metric.heads.iter().any(|head| head.bilinear.iter().any(|x| *x != 0.0));
        let form = if bilinear || item_half == 0 { HeadForm::Bilinear } else { HeadForm::Concatenation };
        let heads = bundle.metric.heads.iter().map(|head| HeadVars::warm(head, form, dim, class_weights));
        let (heads, hubs) = (heads.collect::<Result<_>>()?, bundle.metric.hubs.clone());
        Ok(Self { pathways, heads, halves, hubs, dim, item_half, classes })
    }
}

/// `[columns, rows]` of `values [rows, columns]`.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Result<Var> {
    let out = (0..rows * columns).map(|at| values[at % rows * columns + at / rows]).collect();
    Var::from_vec(out, (columns, rows), &Device::Cpu)
}

/// The block of columns from `from` on of `values [rows, columns]`, times `factor`, as `[width, rows]`.
fn block(values: &[f32], columns: usize, (from, width): (usize, usize), factor: f32) -> Result<Var> {
    let rows = values.len() / columns;
    let out = (0..width * rows).map(|at| factor * values[at % rows * columns + from + at / rows]).collect();
    Var::from_vec(out, (width, rows), &Device::Cpu)
}

fn vector(values: &[f32]) -> Result<Var> {
    Var::from_slice(values, values.len(), &Device::Cpu)
}

impl PathwayVars {
    fn warm(pathway: &Deep, config: &TrainConfig) -> Result<Self> {
        let (members, k, d_in) = (config.model.members, config.model.hidden, pathway.mean.len());
        let all = members * k;
        let member = |m: usize| {
            let part = (m * k, k);
            Ok(MemberVars {
                hidden: transposed(&pathway.hidden[m * k * d_in..(m + 1) * k * d_in], k, d_in)?,
                hidden_bias: vector(&pathway.hidden_bias[m * k..(m + 1) * k])?,
                unit: block(&pathway.unit, all, part, 1.0)?,
                // The export sums over the members.
                skip: match pathway.skip.len() {
                    0 => None,
                    _ => Some(block(&pathway.skip, d_in, (0, d_in), 1.0 / members as f32)?),
                },
                class: match pathway.class_bias.len() {
                    0 => None,
                    // The export divides by the number of members.
                    _ => Some((
                        block(&pathway.class, all, part, members as f32)?,
                        vector(&pathway.class_bias)?,
                    )),
                },
            })
        };
        Ok(Self {
            scaling: Scaling {
                roots: pathway.roots,
                mean: pathway.mean.clone(),
                scale: pathway.scale.clone(),
            },
            members: (0..members).map(member).collect::<Result<_>>()?,
            unit_bias: vector(&pathway.unit_bias)?,
            frozen: None,
        })
    }
}

impl HeadVars {
    fn warm(head: &Head, form: HeadForm, d: usize, weights: &[f32]) -> Result<Self> {
        let classes = weights.len();
        let class_weights = match head.target {
            Target::Class => weights.to_vec(),
            Target::Pair => vec![1.0; classes],
        };
        // The scale whose weighted diagonal has the sum that is there.
        let scale = |part: std::ops::Range<usize>, weight: f32| {
            part.map(|i| head.bilinear[i * d + i]).sum::<f32>() / weight.max(f32::MIN_POSITIVE)
        };
        let class_scale = scale(0..classes, class_weights.iter().sum());
        let unit_scale = scale(classes..d, (d - classes) as f32);
        let mut change = head.bilinear.to_vec();
        for i in 0..d {
            change[i * d + i] -= if i < classes { class_scale * class_weights[i] } else { unit_scale };
        }
        Ok(Self {
            form,
            target: head.target,
            a: head.a,
            b: head.b,
            class_weights,
            class_scale: vector(&[class_scale])?,
            unit_scale: vector(&[unit_scale])?,
            change: Var::from_vec(change, (d, d), &Device::Cpu)?,
            weights: vector(&head.weights)?,
            shift: vector(&head.shift)?,
            bias: vector(&[head.bias])?,
            hub: if unit_scale > 0.0 { head.hub / unit_scale } else { 0.0 },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(name: &str, a: &[f32], b: &[f32]) {
        assert_eq!(a.len(), b.len(), "{name}");
        assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{name}");
    }

    #[test]
    fn what_is_exported_is_what_it_started_from() {
        for (classes, half, skip) in [(3, 4, false), (0, 4, true), (3, 0, true)] {
            let bundle = Bundle::random(&[("image", 5), ("text", 4)], 9, half, classes, 3);
            let bundle = if skip { bundle.with_random_skip(4) } else { bundle };
            // Its hidden layers have 16 units.
            let mut config = TrainConfig::default();
            (config.model.members, config.model.hidden) = (4, 4);
            let weights: Vec<f32> = (0..classes).map(|c| 0.5 + c as f32).collect();
            let network = Network::warm(&bundle, &weights, &config).unwrap();
            assert_eq!((network.dim, network.item_half, network.classes), (9, half, classes));
            let exported = network.export().unwrap();
            let deep = |pathways: &[crate::model::Pathway]| -> Vec<Deep> {
                pathways.iter().map(|pathway| pathway.deep.clone().unwrap()).collect()
            };
            for (new, old) in deep(&exported.pathways).iter().zip(&deep(&bundle.pathways)) {
                assert_eq!((new.roots, &new.mean, &new.scale), (old.roots, &old.mean, &old.scale));
                near("hidden", &new.hidden, &old.hidden);
                near("hidden bias", &new.hidden_bias, &old.hidden_bias);
                near("unit", &new.unit, &old.unit);
                near("unit bias", &new.unit_bias, &old.unit_bias);
                near("skip", &new.skip, &old.skip);
                near("class", &new.class, &old.class);
                near("class bias", &new.class_bias, &old.class_bias);
            }
            for (new, old) in exported.halves.iter().zip(&bundle.metric.halves) {
                near("half", new, old);
            }
            assert_eq!(exported.heads.len(), bundle.metric.heads.len());
            for (new, old) in exported.heads.iter().zip(&bundle.metric.heads) {
                assert_eq!((new.target, new.a, new.b), (old.target, old.a, old.b));
                near("bilinear", &new.bilinear, &old.bilinear);
                near("weights", &new.weights, &old.weights);
                near("shift", &new.shift, &old.shift);
                assert!((new.bias - old.bias).abs() < 1e-5);
                assert_eq!(new.hub, old.hub);
            }
            assert_eq!(exported.hubs, bundle.metric.hubs);
            let x = [0.3, -0.2, 0.9, 0.1, -1.4];
            near("shared", &network.pathways[0].project(&x).unwrap(), &bundle.project(0, &x).unwrap());
        }
    }
}
