//! The trainable network: candle variables, and the plain bundle that they export to.
//!
//! Matrices are `[in, out]` here, so that a batch `[n, in]` is multiplied from the left; the bundle holds `[out, in]`.

mod hidden;

mod warm;

use candle_core::backprop::GradStore;
use candle_core::{D, DType, Device, Result, Tensor, Var};
use candle_nn::ops::softmax;
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::batch::dropout_mask;
use super::config::{HeadForm, TrainConfig};
use super::op::hidden_term;
use crate::model::symmetrise;
use crate::model::{Head, Pathway, Target, standardise};
use hidden::hidden_layer;

/// Uniform numbers of variance `gain / rows`, `[rows * columns]`.
fn uniform(rows: usize, columns: usize, gain: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let limit = (3.0 * gain / rows.max(1) as f32).sqrt();
    (0..rows * columns).map(|_| (rng.random::<f32>() * 2.0 - 1.0) * limit).collect()
}

fn matrix(rows: usize, columns: usize, gain: f32, rng: &mut ChaCha8Rng) -> Result<Var> {
    Var::from_vec(uniform(rows, columns, gain, rng), (rows, columns), &Device::Cpu)
}

fn zeros(n: usize) -> Result<Var> {
    Var::zeros(n, DType::F32, &Device::Cpu)
}

fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1::<f32>()
}

/// How a pathway reads features: learned on the rows that are fitted.
#[derive(Clone)]
pub(crate) struct Scaling {
    /// Whether features are replaced by their roots.
    pub(crate) roots: bool,
    pub(crate) mean: Vec<f32>,
    pub(crate) scale: Vec<f32>,
}

/// Variables of one member of a pathway.
///
/// Members are kept apart, so that no tensor of a step is large: operations on large ones are shared out to all cores by
/// the tensor library, which is slower than what they do, and keeps the runs on other folds waiting.
struct MemberVars {
    /// `[d_in, k]`.
    hidden: Var,
    hidden_bias: Var,
    /// `[k, e]`.
    unit: Var,
    /// `[k, C]` and `[C]`; absent without classes.
    class: Option<(Var, Var)>,
}

/// Variables of one pathway: `M` members, each with a hidden layer and class logits of its own.
///
/// The members see the same rows under different dropout masks and learn their classes by losses of their own, so that
/// they err differently; the posteriors are those of their mean logits. The unit part reads the hidden layers of all.
pub(crate) struct PathwayVars {
    scaling: Scaling,
    members: Vec<MemberVars>,
    unit_bias: Var,
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
    fn new(
        scaling: Scaling,
        unit: usize,
        classes: usize,
        config: &TrainConfig,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let (k, d_in) = (config.hidden, scaling.mean.len());
        let members = (0..config.members).map(|_| {
            Ok(MemberVars {
                hidden: matrix(d_in, k, 2.0, rng)?,
                hidden_bias: zeros(k)?,
                // The unit part sums over all members.
                unit: matrix(k, unit, 1.0 / config.members as f32, rng)?,
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
        self.view(inputs, |n| dropout_mask(n, config.dropout_hidden, rng))
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

    fn export(&self) -> Result<Pathway> {
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
        Ok(Pathway {
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

/// Variables of one target and pair of media types.
///
/// `M = diag(scales) + change`: two learned factors for the dot products of the two parts, that of posteriors weighted by
/// the shares of the classes for the target `class`, and a matrix that starts at 0
/// and decays toward it. A head of the form `Concatenation` has `M = 0` throughout.
pub(crate) struct HeadVars {
    form: HeadForm,
    pub(crate) target: Target,
    pub(crate) a: usize,
    pub(crate) b: usize,
    /// Weights of the classes in the dot product of posteriors, `[C]`.
    class_weights: Vec<f32>,
    /// Factor of the dot product of posteriors, `[1]`.
    class_scale: Var,
    /// Factor of the dot product of unit parts, `[1]`.
    unit_scale: Var,
    /// `[d, d]`.
    change: Var,
    weights: Var,
    shift: Var,
    bias: Var,
}

impl HeadVars {
    fn new(
        (target, a, b): (Target, usize, usize),
        d: usize,
        weights: &[f32],
        config: &TrainConfig,
        rng: &mut ChaCha8Rng,
    ) -> Result<Self> {
        let (classes, half) = (weights.len(), config.half);
        let class_weights = match target {
            Target::Class => weights.to_vec(),
            Target::Pair => vec![1.0; classes],
        };
        // Logits near 0 for half-similar items: the bias is half of the largest dot product, negative.
        let (class, unit, bias) = match target {
            Target::Class => (8.0f32, 2.0f32, -4.0f32),
            Target::Pair => (if classes > 0 { 1.0 } else { 0.0 }, 10.0, -5.0),
        };
        let (class, unit, bias, weights) = match config.head {
            HeadForm::Bilinear => (class, unit, bias, zeros(half)?),
            HeadForm::Concatenation => {
                let start = uniform(half, 1, 1.0, rng);
                (0.0, 0.0, 0.0, Var::from_vec(start, half, &Device::Cpu)?)
            }
        };
        let one = |x: f32| Var::new(&[x], &Device::Cpu);
        Ok(Self {
            form: config.head,
            target,
            a,
            b,
            class_weights,
            class_scale: one(class)?,
            unit_scale: one(unit)?,
            change: Var::zeros((d, d), DType::F32, &Device::Cpu)?,
            weights,
            shift: zeros(half)?,
            bias: one(bias)?,
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
    fn forward(
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

    fn export(&self, d: usize, classes: usize) -> Result<Head> {
        let mut bilinear = values(&self.change)?;
        if self.a == self.b {
            symmetrise(&mut bilinear, d);
        }
        let (class_scale, unit_scale) = (values(&self.class_scale)?[0], values(&self.unit_scale)?[0]);
        for i in 0..d {
            bilinear[i * d + i] += if i < classes { class_scale * self.class_weights[i] } else { unit_scale };
        }
        Ok(Head {
            target: self.target,
            a: self.a,
            b: self.b,
            bilinear,
            weights: values(&self.weights)?,
            shift: values(&self.shift)?,
            bias: values(&self.bias)?[0],
            calibration: [None; 2],
        })
    }
}

/// All variables of a model.
pub(crate) struct Network {
    pub(crate) pathways: Vec<PathwayVars>,
    pub(crate) heads: Vec<HeadVars>,
    /// `A' [d, h]` per media type; empty for `h = 0`.
    halves: Vec<Var>,
    pub(crate) dim: usize,
    pub(crate) half: usize,
    pub(crate) classes: usize,
}

/// The parameters of a network as plain numbers.
pub(crate) struct Exported {
    pub(crate) pathways: Vec<Pathway>,
    /// `A [h, d]` per media type.
    pub(crate) halves: Vec<Vec<f32>>,
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
        let (dim, half, media) = (classes + unit, config.half, scalings.len());
        let pathways = scalings
            .into_iter()
            .map(|scaling| PathwayVars::new(scaling, unit, classes, config, rng))
            .collect::<Result<_>>()?;
        let halves = match half {
            0 => Vec::new(),
            _ => (0..media).map(|_| matrix(dim, half, dim as f32 / 8.0, rng)).collect::<Result<_>>()?,
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
        Ok(Self { pathways, heads, halves, dim, half, classes })
    }

    /// Logits of a head for shared vectors of its two media types.
    pub(crate) fn logits(&self, head: &HeadVars, u: &Tensor, v: &Tensor) -> Result<Tensor> {
        let halves = match self.half {
            0 => None,
            _ => Some((u.matmul(&self.halves[head.a])?, v.matmul(&self.halves[head.b])?)),
        };
        head.forward(u, v, self.classes, halves)
    }

    pub(crate) fn groups(&self) -> Groups {
        let mut groups = Groups {
            pathway: Vec::new(),
            pathway_free: Vec::new(),
            metric: Vec::new(),
            metric_free: Vec::new(),
        };
        for pathway in &self.pathways {
            groups.pathway_free.push(pathway.unit_bias.clone());
            for member in &pathway.members {
                groups.pathway.extend([member.hidden.clone(), member.unit.clone()]);
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
            if self.half > 0 {
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
        let halves = match self.half {
            0 => vec![Vec::new(); self.pathways.len()],
            _ => self.halves.iter().map(|var| values(&var.t()?.contiguous()?)).collect::<Result<_>>()?,
        };
        let heads =
            self.heads.iter().map(|head| head.export(self.dim, self.classes)).collect::<Result<_>>()?;
        Ok(Exported { pathways: Vec::new(), halves, heads })
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn gradients_of_first_layers_are_those_of_the_whole_graph() {
        let config =
            TrainConfig { members: 2, hidden: 5, dropout_hidden: 0.0, dim: 4, ..TrainConfig::default() };
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
