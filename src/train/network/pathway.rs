//! The variables of a pathway.

use candle_core::backprop::GradStore;
use candle_core::{D, Device, Result, Tensor, Var};
use candle_nn::ops::softmax;
use rand_chacha::ChaCha8Rng;

use super::vars::{matrix, values, zeros};
use crate::model::{Deep, standardise};
use crate::train::config::TrainConfig;
use crate::train::dropout::dropout_mask;
use crate::train::op::hidden_layer;
use crate::train::scaling::Scaling;

/// Variables of one member of a pathway.
///
/// Members are kept apart, so that no tensor of a step is large: operations on large ones are shared out to all cores by
/// the tensor library, which is slower than what they do, and keeps the runs on other folds waiting.
pub(super) struct MemberVars {
    /// `[d_in, k]`.
    pub(super) hidden: Var,
    pub(super) hidden_bias: Var,
    /// `[k, e]`.
    pub(super) unit: Var,
    /// `[k, C]` and `[C]`; absent without classes.
    pub(super) class: Option<(Var, Var)>,
}

/// Variables of one pathway: `M` members, each with a hidden layer and class logits of its own.
///
/// The members see the same rows under different dropout masks and learn their classes by losses of their own, so that
/// they err differently; the posteriors are those of their mean logits. The unit part reads the hidden layers of all.
pub(crate) struct PathwayVars {
    pub(super) scaling: Scaling,
    pub(super) members: Vec<MemberVars>,
    pub(super) unit_bias: Var,
}

/// Where the graph of a step ends: the sums of a hidden layer, `input [n, d_in]` times `hidden [d_in, k]`.
///
/// The first layer is most of a network, and nothing lies before it: its gradient is one product of matrices. Within the
/// graph the library would add it to zeros of the size of the matrix first.
struct Tap {
    hidden: Var,
    input: Tensor,
    sums: Var,
}

/// What a pathway gives for a batch.
pub(crate) struct View {
    taps: Vec<Tap>,
    /// Unit part `[n, e]`.
    pub(crate) unit: Tensor,
    /// Class logits `[n, C]` of each member; empty without classes.
    pub(crate) logits: Vec<Tensor>,
    /// Shared vectors `[n, d]`.
    pub(crate) shared: Tensor,
}

impl PathwayVars {
    pub(super) fn new(
        scaling: Scaling,
        unit: usize,
        classes: usize,
        config: &TrainConfig,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let (k, d_in) = (config.model.hidden, scaling.mean.len());
        let members = (0..config.model.members).map(|_| {
            Ok(MemberVars {
                hidden: matrix(d_in, k, 2.0, rng)?,
                hidden_bias: zeros(k)?,
                // The unit part sums over all members.
                unit: matrix(k, unit, 1.0 / config.model.members as f32, rng)?,
                class: if classes > 0 {
                    Some((matrix(k, classes, 1.0, rng)?, zeros(classes)?))
                } else {
                    None
                },
            })
        });
        Ok(Self { members: members.collect::<Result<_>>()?, scaling, unit_bias: zeros(unit)? })
    }

    /// The input of the pathway: roots where it takes them, standardised and cut.
    pub(crate) fn standardise(&self, x: &[f32], out: &mut [f32]) {
        let Scaling { roots, mean, scale } = &self.scaling;
        standardise(x, *roots, mean, scale, out);
    }

    /// Shared vectors `[n, d]` of features `[n, d_in]` as a bundle projects them, but for rounding: by products of
    /// matrices, many times as fast.
    pub(crate) fn project(&self, features: &[f32]) -> Result<Vec<f32>> {
        // Rows to validate on may have no item of a media type; there is no softmax of no rows.
        if features.is_empty() {
            return Ok(Vec::new());
        }
        let d_in = self.scaling.mean.len();
        let mut input = vec![0.0; features.len()];
        for (x, out) in features.chunks_exact(d_in).zip(input.chunks_exact_mut(d_in)) {
            self.standardise(x, out);
        }
        let input = Tensor::from_vec(input, (features.len() / d_in, d_in), &Device::Cpu)?.detach();
        let view = self.view(&vec![input; self.members.len()], |_| Vec::new())?;
        values(&view.shared.contiguous()?)
    }

    /// Forward pass of one input `[n, d_in]` per member, which were dropped from already, with fresh masks on the hidden
    /// layers.
    pub(crate) fn forward(
        &self,
        inputs: &[Tensor],
        config: &TrainConfig,
        rng: &mut ChaCha8Rng,
    ) -> Result<View> {
        self.view(inputs, |n| dropout_mask(n, config.regularisation.dropout_hidden, rng))
    }

    fn view(&self, inputs: &[Tensor], mut mask: impl FnMut(usize) -> Vec<f32>) -> Result<View> {
        let mut unit = None;
        let mut taps = Vec::with_capacity(self.members.len());
        let mut logits = Vec::with_capacity(self.members.len());
        for (z, member) in inputs.iter().zip(&self.members) {
            let sums = Var::from_tensor(&z.matmul(&member.hidden.as_detached_tensor())?)?;
            let mask = mask(sums.elem_count());
            let r = hidden_layer(&sums, &member.hidden_bias, mask)?;
            taps.push(Tap { hidden: member.hidden.clone(), input: z.clone(), sums });
            let part = r.matmul(&member.unit)?;
            unit = Some(match unit {
                None => part,
                Some(sum) => (sum + part)?,
            });
            if let Some((weight, bias)) = &member.class {
                logits.push(r.matmul(weight)?.broadcast_add(bias)?);
            }
        }
        let none = || candle_core::Error::Msg("a pathway has at least one member".to_owned());
        let unit = unit.ok_or_else(none)?.broadcast_add(&self.unit_bias)?;
        let norm = (unit.sqr()?.sum_keepdim(D::Minus1)? + 1e-8)?.sqrt()?;
        let unit = unit.broadcast_div(&norm)?;
        let mut parts = logits.iter().cloned();
        let Some(mut sum) = parts.next() else {
            return Ok(View { shared: unit.clone(), unit, logits, taps });
        };
        for part in parts {
            sum = (sum + part)?;
        }
        let posteriors = softmax(&(sum / logits.len() as f64)?, D::Minus1)?;
        let shared = Tensor::cat(&[&posteriors, &unit], 1)?;
        Ok(View { unit, logits, shared, taps })
    }

    pub(super) fn export(&self) -> Result<Deep> {
        // Members stand one after the other in the hidden layer.
        let mut hidden = Vec::new();
        let mut hidden_bias = Vec::new();
        let (mut unit, mut class, mut class_bias) = (Vec::new(), Vec::new(), Vec::new());
        let count = self.members.len() as f32;
        for member in &self.members {
            hidden.extend(values(&member.hidden.t()?.contiguous()?)?);
            hidden_bias.extend(values(&member.hidden_bias)?);
            unit.push(member.unit.as_tensor().clone());
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
            hidden,
            hidden_bias,
            unit: reader(&unit)?,
            unit_bias: values(&self.unit_bias)?,
            class,
            class_bias,
        })
    }
}

/// Adds the gradients of the first layers to those of the rest, for the views of one pathway.
pub(crate) fn first_layers(gradients: &mut GradStore, views: &[View]) -> Result<()> {
    let Some(first) = views.first() else { return Ok(()) };
    for (at, tap) in first.taps.iter().enumerate() {
        let parts: Vec<(&Tensor, &Tensor)> = views
            .iter()
            .filter_map(|view| Some((&view.taps.get(at)?.input, gradients.get(&view.taps[at].sums)?)))
            .collect();
        let gradient = match parts[..] {
            [] => continue,
            [(input, sums)] => input.t()?.matmul(&sums.contiguous()?)?,
            _ => {
                let (inputs, sums): (Vec<&Tensor>, Vec<&Tensor>) = parts.into_iter().unzip();
                Tensor::cat(&inputs, 0)?.t()?.matmul(&Tensor::cat(&sums, 0)?)?
            }
        };
        gradients.insert(&tap.hidden, gradient);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn gradients_of_first_layers_are_those_of_the_whole_graph() {
        let mut config = TrainConfig::default();
        (config.model.members, config.model.hidden, config.model.dim) = (2, 5, 4);
        config.regularisation.dropout_hidden = 0.0;
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let scaling = Scaling { roots: false, mean: vec![0.0; 3], scale: vec![1.0; 3] };
        let pathway = PathwayVars::new(scaling, 3, 2, &config, &mut rng).unwrap();
        let input = |f: f32| {
            let values: Vec<f32> = (0..12).map(|i| (i as f32 * f).sin()).collect();
            vec![Tensor::from_vec(values, (4, 3), &Device::Cpu).unwrap(); 2]
        };
        let inputs = [input(0.7), input(1.9)];
        let views: Vec<View> =
            inputs.iter().map(|input| pathway.forward(input, &config, &mut rng).unwrap()).collect();
        let loss = |one: &Tensor, two: &Tensor| ((one - two).unwrap().sqr().unwrap().sum_all()).unwrap();
        let mut gradients = loss(&views[0].shared, &views[1].shared).backward().unwrap();
        first_layers(&mut gradients, &views).unwrap();
        // By differences: the loss as a function of one weight.
        let value = || {
            let mut rng = ChaCha8Rng::seed_from_u64(2);
            let shared: Vec<Tensor> = inputs
                .iter()
                .map(|input| pathway.forward(input, &config, &mut rng).unwrap().shared)
                .collect();
            f64::from(loss(&shared[0], &shared[1]).to_scalar::<f32>().unwrap())
        };
        for member in &pathway.members {
            let gradient =
                gradients.get(&member.hidden).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
            let start = values(&member.hidden).unwrap();
            for at in [0usize, 6, 14] {
                let moved = |by: f32| {
                    let mut moved = start.clone();
                    moved[at] += by;
                    member.hidden.set(&Tensor::from_vec(moved, (3, 5), &Device::Cpu).unwrap()).unwrap();
                    let value = value();
                    member.hidden.set(&Tensor::from_slice(&start, (3, 5), &Device::Cpu).unwrap()).unwrap();
                    value
                };
                let slope = (moved(2e-3) - moved(-2e-3)) / 4e-3;
                assert!((slope - f64::from(gradient[at])).abs() < 2e-2, "{at}: {slope} {}", gradient[at]);
            }
        }
        assert!(
            gradients
                .get(&pathway.members[0].hidden)
                .unwrap()
                .sqr()
                .unwrap()
                .sum_all()
                .unwrap()
                .to_scalar::<f32>()
                .unwrap()
                > 1e-6
        );
    }
}
