//! The losses of a batch, as the stage weighs them.

use candle_core::{Device, Tensor};
use rand_chacha::ChaCha8Rng;

use super::{contrastive, cross_entropy, double_triplet, graded, logistic, ranking};
use crate::error::Result;
use crate::model::Target;
use crate::parallel::Crew;
use crate::train::batch::{Prepared, Relations};
use crate::train::config::TrainConfig;
use crate::train::network::{Ask, Network, Pass, View};
use crate::train::schedule::Stage;

/// The losses of one batch.
pub(crate) struct Losses<'a> {
    pub(crate) stage: Stage,
    pub(crate) network: &'a Network,
    pub(crate) rows: &'a Prepared<'a>,
    pub(crate) config: &'a TrainConfig,
    pub(crate) crew: &'a Crew,
}

/// One media type in a batch: two views of its items under two dropout masks, the second where one is needed.
struct Side<'p> {
    rows: &'p [usize],
    one: &'p View,
    two: Option<&'p View>,
}

impl Losses<'_> {
    /// The weighted sum of the losses, and all passes that it is of; `None` where the batch has nothing to learn from.
    pub(crate) fn of(&self, batch: &[usize], rng: &mut ChaCha8Rng) -> Result<Option<(Tensor, Vec<Pass>)>> {
        let media = self.network.pathways.len();
        let present: Vec<Vec<usize>> = (0..media).map(|m| self.rows.present(m, batch)).collect();
        let views = if self.stage == Stage::Metric || media == 1 { 2 } else { 1 };
        let asks: Vec<Ask<'_>> = present
            .iter()
            .enumerate()
            .filter(|(_, rows)| !rows.is_empty())
            .map(|(media, rows)| Ask { media, rows, views })
            .collect();
        let mut passes = self.forward(&asks, rng)?;
        let mut sides: Vec<Option<Side<'_>>> = (0..media).map(|_| None).collect();
        for (ask, pass) in asks.iter().zip(&passes) {
            if let Some(one) = pass.views.first() {
                sides[ask.media] = Some(Side { rows: ask.rows, one, two: pass.views.get(1) });
            }
        }
        let mut terms: Vec<Tensor> = Vec::new();
        let keep = if self.stage == Stage::Metric { self.config.metric.keep_weight } else { 1.0 };
        for side in sides.iter().flatten() {
            if self.config.losses.label_weight > 0.0 && self.network.classes > 0 {
                let one_hot = self.rows.one_hot(side.rows, self.network.classes)?;
                // Each member has a loss of its own, of the weight that a single network would have.
                for logits in &side.one.logits {
                    let loss = cross_entropy::labels(logits, &one_hot)?;
                    terms.push((loss * (keep * self.config.losses.label_weight))?);
                }
            }
        }
        for a in 0..media {
            for b in a..media {
                let (Some(left), Some(right)) = (&sides[a], &sides[b]) else { continue };
                let second = if a == b { right.two } else { Some(right.one) };
                let Some(second) = second else { continue };
                let relations = self.rows.relations(a, left.rows, b, right.rows);
                if (a != b || media == 1) && !self.network.is_frozen() {
                    self.shared_space(left.one, second, &relations, keep, rng, &mut terms)?;
                }
                if self.stage == Stage::Metric {
                    self.metric((a, b), left.one, second, &relations, &mut terms)?;
                }
            }
        }
        if self.stage == Stage::Metric
            && self.config.metric.graded_weight > 0.0
            && let Some(loss) = graded::graded(self, rng, &mut passes)?
        {
            terms.push((loss * self.config.metric.graded_weight)?);
        }
        let mut terms = terms.into_iter();
        let Some(mut total) = terms.next() else { return Ok(None) };
        for term in terms {
            total = (total + term)?;
        }
        Ok(Some((total, passes)))
    }

    /// The views that are asked for, under fresh dropout masks.
    pub(super) fn forward(&self, asks: &[Ask<'_>], rng: &mut ChaCha8Rng) -> Result<Vec<Pass>> {
        // Shared vectors are what the metric network reads: nothing of them is dropped.
        let dropout = if self.network.is_frozen() { 0.0 } else { self.config.regularisation.dropout_input };
        let input = |ask: &Ask<'_>, seed| self.rows.input((ask.media, ask.rows, ask.views), dropout, seed);
        self.network.forward(asks, &input, self.config, rng, self.crew)
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
        let by_class = (&relations.same_class, &relations.other_class, config.losses.class_weight);
        let by_pair = (&relations.paired, &relations.unpaired, config.losses.pair_weight);
        for (similar, dissimilar, weight) in [by_class, by_pair] {
            if weight == 0.0 || similar.iter().all(|x| *x == 0.0) {
                continue;
            }
            let loss = match self.stage {
                Stage::Contrastive => contrastive::contrastive(
                    &squared,
                    &Tensor::from_slice(similar, shape, &Device::Cpu)?,
                    &Tensor::from_slice(dissimilar, shape, &Device::Cpu)?,
                    config.contrastive.margin,
                )?,
                _ => double_triplet::double_triplet(
                    &squared,
                    similar,
                    dissimilar,
                    config.double_triplet.margin,
                    rng,
                )?,
            };
            terms.push((loss * (keep * weight))?);
        }
        if config.losses.softmax_weight > 0.0 {
            let scores = ((squared * -0.5)? / config.losses.temperature)?;
            let loss = ranking::ranking(&scores, &relations.paired, Vec::new())?;
            terms.push((loss * (keep * config.losses.softmax_weight))?);
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
            if self.config.metric.ranking_weight > 0.0 {
                let excluded: Vec<f32> =
                    similar.iter().zip(dissimilar).map(|(s, d)| 1.0 - (s + d).min(1.0)).collect();
                let loss = ranking::ranking(&logits, similar, excluded)?;
                terms.push((loss * (weight * self.config.metric.ranking_weight))?);
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
