//! One stage of training: batches, the losses of the stage, steps, and early stopping on validation.

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::batch::{Prepared, Relations};
use super::config::TrainConfig;
use super::loss::{contrastive, cross_entropy, double_triplet, logistic};
use super::network::{Network, View, first_layers};
use super::optimiser::{Adam, Group};
use crate::error::Result;
use crate::model::Target;

/// The three stages in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Contrastive,
    DoubleTriplet,
    Metric,
}

impl Stage {
    pub(crate) const ALL: [Self; 3] = [Self::Contrastive, Self::DoubleTriplet, Self::Metric];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Contrastive => "contrastive",
            Self::DoubleTriplet => "double_triplet",
            Self::Metric => "metric",
        }
    }

    /// Most epochs over `n` rows; 0 where the settings leave the stage out.
    pub(crate) fn epochs(self, config: &TrainConfig, n: usize) -> usize {
        let epochs = match self {
            Self::Contrastive => config.epochs_contrastive,
            Self::DoubleTriplet => config.epochs_double_triplet,
            Self::Metric => config.epochs_metric,
        };
        let steps = n.div_ceil(config.batch_for(n)).max(1);
        if epochs == 0 { 0 } else { epochs.max(config.least_steps.div_ceil(steps)) }
    }

    fn learning_rate(self, config: &TrainConfig) -> f64 {
        match self {
            Self::Contrastive => config.learning_rate,
            Self::DoubleTriplet => config.learning_rate_double_triplet,
            Self::Metric => config.learning_rate_joint,
        }
    }
}

/// The optimiser of the variables that a stage learns.
fn optimiser(network: &Network, stage: Stage, config: &TrainConfig) -> Result<Adam> {
    let groups = network.groups();
    let (lr, metric_lr) = (stage.learning_rate(config), config.learning_rate_metric);
    let group = |variables, learning_rate, decay| Group { variables, learning_rate, decay };
    let mut all = vec![group(groups.pathway, lr, config.weight_decay), group(groups.pathway_free, lr, 0.0)];
    if stage == Stage::Metric {
        all.push(group(groups.metric, metric_lr, config.weight_decay_metric));
        // Scales are of the order of ten where matrix entries are of the order of one tenth.
        all.push(group(groups.metric_free, 10.0 * metric_lr, 0.0));
    }
    Ok(Adam::new(all)?)
}

/// A half cosine from 1 to a fiftieth, at `progress` in [0, 1].
fn schedule(progress: f64) -> f64 {
    0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}

/// How many epochs a stage has run, and after which of them its parameters were kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) epochs: usize,
    pub(crate) kept: usize,
}

/// Runs a stage and leaves the best averaged parameters in the network.
///
/// `validate` gets the epoch and the mean loss, sees the averaged parameters in the network and returns a score of which
/// more is better. Where it returns `None` there is nothing to choose by: the stage runs for `limit` epochs of its
/// schedule and keeps the last parameters.
pub(crate) fn run(
    stage: Stage,
    network: &Network,
    rows: &Prepared,
    config: &TrainConfig,
    limit: Option<usize>,
    rng: &mut ChaCha8Rng,
    validate: &mut dyn FnMut(usize, f64) -> Result<Option<f64>>,
) -> Result<Ran> {
    let epochs = stage.epochs(config, rows.len());
    let patience = config.patience.max(epochs / 4);
    let mut optimiser = optimiser(network, stage, config)?;
    let mut best: Option<(f64, usize, Vec<Vec<f32>>)> = None;
    let mut done = 0;
    for epoch in 0..limit.unwrap_or(epochs).min(epochs) {
        let batches = rows.batches(config.batch_for(rows.len()), rng);
        let mut sum = 0.0;
        for (at, batch) in batches.iter().enumerate() {
            let Some((loss, views)) = Losses { stage, network, rows, config }.of(batch, rng)? else {
                continue;
            };
            sum += f64::from(loss.to_scalar::<f32>()?);
            let progress = (epoch * batches.len() + at) as f64 / (epochs * batches.len()) as f64;
            let mut gradients = loss.backward()?;
            for views in &views {
                first_layers(&mut gradients, views)?;
            }
            optimiser.step(&gradients, schedule(progress), config.average)?;
        }
        done = epoch + 1;
        optimiser.swap()?;
        let score = validate(done, sum / batches.len().max(1) as f64)?;
        if best.as_ref().is_none_or(|best| score.is_none_or(|score| score > best.0)) {
            best = Some((score.unwrap_or(0.0), done, optimiser.values()?));
        }
        optimiser.swap()?;
        if best.as_ref().is_some_and(|best| done - best.1 >= patience) {
            break;
        }
    }
    let mut kept = 0;
    if let Some((_, epoch, values)) = best {
        optimiser.set(&values)?;
        kept = epoch;
    }
    Ok(Ran { epochs: done, kept })
}

/// The losses of one batch.
struct Losses<'a> {
    stage: Stage,
    network: &'a Network,
    rows: &'a Prepared,
    config: &'a TrainConfig,
}

/// One media type in a batch: two views of its items under two dropout masks, the second where one is needed.
struct Side {
    rows: Vec<usize>,
    one: View,
    two: Option<View>,
}

impl Losses<'_> {
    /// The weighted sum of the losses, and per media type all views that it is of; `None` where the batch has nothing to
    /// learn from.
    fn of(&self, batch: &[usize], rng: &mut ChaCha8Rng) -> Result<Option<(Tensor, Vec<Vec<View>>)>> {
        let media = self.network.pathways.len();
        let mut sides = Vec::with_capacity(media);
        for (m, pathway) in self.network.pathways.iter().enumerate() {
            let rows = self.rows.present(m, batch);
            if rows.is_empty() {
                sides.push(None);
                continue;
            }
            let mut view = || {
                let (members, dropout) = (self.config.members, self.config.dropout_input);
                let inputs = self.rows.inputs(m, &rows, members, dropout, rng)?;
                pathway.forward(&inputs, self.config, rng)
            };
            let one = view()?;
            let two = if self.stage == Stage::Metric || media == 1 { Some(view()?) } else { None };
            sides.push(Some(Side { rows, one, two }));
        }
        let mut terms: Vec<Tensor> = Vec::new();
        let keep = if self.stage == Stage::Metric { self.config.keep_weight } else { 1.0 };
        for side in sides.iter().flatten() {
            if self.config.label_weight > 0.0 && self.network.classes > 0 {
                let one_hot = self.rows.one_hot(&side.rows, self.network.classes)?;
                // Each member has a loss of its own, of the weight that a single network would have.
                for logits in &side.one.logits {
                    let loss = cross_entropy::labels(logits, &one_hot)?;
                    terms.push((loss * (keep * self.config.label_weight))?);
                }
            }
        }
        for a in 0..media {
            for b in a..media {
                let (Some(left), Some(right)) = (&sides[a], &sides[b]) else { continue };
                let second = if a == b { right.two.as_ref() } else { Some(&right.one) };
                let Some(second) = second else { continue };
                let relations = self.rows.relations(a, &left.rows, b, &right.rows);
                if a != b || media == 1 {
                    self.shared_space(&left.one, second, &relations, keep, rng, &mut terms)?;
                }
                if self.stage == Stage::Metric {
                    self.metric((a, b), &left.one, second, &relations, &mut terms)?;
                }
            }
        }
        let mut views: Vec<Vec<View>> = sides
            .into_iter()
            .map(|side| {
                side.map_or_else(Vec::new, |side| std::iter::once(side.one).chain(side.two).collect())
            })
            .collect();
        if self.stage == Stage::Metric
            && self.config.graded_weight > 0.0
            && let Some(loss) =
                self.rows.graded.loss(self.network, self.rows, self.config, rng, &mut views)?
        {
            terms.push((loss * self.config.graded_weight)?);
        }
        let mut terms = terms.into_iter();
        let Some(mut total) = terms.next() else { return Ok(None) };
        for term in terms {
            total = (total + term)?;
        }
        Ok(Some((total, views)))
    }

    /// Losses on the unit parts: of the stage, and the softmax over pairs.
    fn shared_space(
        &self,
        left: &View,
        right: &View,
        relations: &Relations,
        keep: f64,
        rng: &mut ChaCha8Rng,
        terms: &mut Vec<Tensor>,
    ) -> Result<()> {
        let config = self.config;
        let squared = contrastive::squared_distances(&left.unit, &right.unit)?;
        let shape = squared.dims2()?;
        let by_class = (&relations.same_class, &relations.other_class, config.class_weight);
        let by_pair = (&relations.paired, &relations.unpaired, config.pair_weight);
        for (similar, dissimilar, weight) in [by_class, by_pair] {
            if weight == 0.0 || similar.iter().all(|x| *x == 0.0) {
                continue;
            }
            let loss = match self.stage {
                Stage::Contrastive => contrastive::contrastive(
                    &squared,
                    &Tensor::from_slice(similar, shape, &Device::Cpu)?,
                    &Tensor::from_slice(dissimilar, shape, &Device::Cpu)?,
                    config.contrastive_margin,
                )?,
                _ => {
                    double_triplet::double_triplet(&squared, similar, dissimilar, config.triplet_margin, rng)?
                }
            };
            terms.push((loss * (keep * weight))?);
        }
        if config.softmax_weight > 0.0 {
            let scores = ((squared * -0.5)? / config.temperature)?;
            let loss = both_ways(&scores, &relations.paired, &relations.none())?;
            terms.push((loss * (keep * config.softmax_weight))?);
        }
        Ok(())
    }

    /// Losses on the logits of the metric network, of both targets.
    fn metric(
        &self,
        (a, b): (usize, usize),
        left: &View,
        right: &View,
        relations: &Relations,
        terms: &mut Vec<Tensor>,
    ) -> Result<()> {
        for head in self.network.heads.iter().filter(|head| (head.a, head.b) == (a, b)) {
            let (similar, dissimilar, weight) = match head.target {
                Target::Class => (&relations.same_class, &relations.other_class, 1.0),
                Target::Pair => (&relations.paired, &relations.unpaired, 1.0),
            };
            let logits = self.network.logits(head, &left.shared, &right.shared)?;
            let shape = logits.dims2()?;
            let weights = Tensor::from_vec(balanced(similar, dissimilar), shape, &Device::Cpu)?;
            let targets = Tensor::from_slice(similar, shape, &Device::Cpu)?;
            terms.push((logistic::logistic(&logits, &targets, &weights)? * weight)?);
            if self.config.ranking_weight > 0.0 {
                let excluded: Vec<f32> =
                    similar.iter().zip(dissimilar).map(|(s, d)| 1.0 - (s + d).min(1.0)).collect();
                let loss = both_ways(&logits, similar, &excluded)?;
                terms.push((loss * (weight * self.config.ranking_weight))?);
            }
        }
        Ok(())
    }
}

/// Weights that give the similar and the dissimilar pairs half of the mass each.
fn balanced(similar: &[f32], dissimilar: &[f32]) -> Vec<f32> {
    let (s, d) = (similar.iter().sum::<f32>().max(1.0), dissimilar.iter().sum::<f32>().max(1.0));
    similar.iter().zip(dissimilar).map(|(x, y)| x / s + y / d).collect()
}

/// The ranking loss of rows over columns and of columns over rows, averaged.
fn both_ways(scores: &Tensor, similar: &[f32], excluded: &[f32]) -> Result<Tensor> {
    let shape = scores.dims2()?;
    let similar = Tensor::from_slice(similar, shape, &Device::Cpu)?;
    let excluded = Tensor::from_slice(excluded, shape, &Device::Cpu)?;
    let rows = cross_entropy::ranking(scores, &similar, &excluded)?;
    let turn = |t: &Tensor| -> candle_core::Result<Tensor> { t.t()?.contiguous() };
    let columns = cross_entropy::ranking(&turn(scores)?, &turn(&similar)?, &turn(&excluded)?)?;
    Ok(((rows + columns)? * 0.5)?)
}
