//! Settings of training, one struct per stage; a TOML file may give any of them.

mod check;
mod flat;
mod size;

use serde::{Deserialize, Serialize};

use crate::model::Target;

/// What becomes of a drawn validation split after it has served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Refit {
    /// Train again on all train rows, for as many epochs as validation found best, and keep the calibration.
    All,
    /// Keep the model that was validated.
    Off,
}

/// The form of the metric network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadForm {
    /// A bilinear term that starts at scaled dot products, and a hidden layer that starts at nothing.
    Bilinear,
    /// A hidden layer over the concatenation of the two vectors alone, from a random start: Qi, Huang, Peng, 2017.
    Concatenation,
}

/// The kernel member of each pathway: fitted in closed form, from which its unit part may learn on.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct KernelConfig {
    /// Whether there is one. Its landmarks are train rows: they become a part of the bundle, and of every index.
    pub member: bool,
    /// Most landmarks of a media type; with fewer train rows all are landmarks.
    pub landmarks: usize,
    /// Steps, in whole epochs and so about, by which its unit part may learn on from the closed form, on batches of pairs; 0 leaves the closed
    /// form. It pays where landmarks are a sample of the rows.
    pub steps: usize,
    /// Whether the target `pair` may get a hub term, whose anchors are unit parts of train rows.
    pub hub: bool,
}

/// Sizes and form of the networks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Elements of a shared vector; where classes would take more than half, the unit part keeps half of it beside them.
    pub dim: usize,
    /// Deep networks within a pathway, each with a hidden layer of its own, whose class logits are averaged; 0 leaves the
    /// kernel member alone.
    pub members: usize,
    /// Width of the hidden layer of a member.
    pub hidden: usize,
    /// Whether the unit part also reads the features straight, by a matrix beside the hidden layer.
    pub skip: bool,
    /// The form of the metric network.
    pub head: HeadForm,
    /// Width of the hidden layer of the metric network, whose item half is stored; 0 leaves the bilinear term alone. It is left
    /// out where it pays nothing on validation, and where no deep member is left in the unit part.
    pub item_half: usize,
    /// Elements of the unit part, where it is a part of one.
    pub(crate) unit: Option<usize>,
}

/// Stage 1: similar items close, others at least a margin apart.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ContrastiveConfig {
    /// Most epochs.
    pub epochs: usize,
    /// Learning rate of the pathways.
    pub learning_rate: f64,
    /// Distance that dissimilar unit parts are pushed apart to, at most 2.
    pub margin: f64,
}

/// Stage 2: a triplet anchored on each media type.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct DoubleTripletConfig {
    /// Most epochs.
    pub epochs: usize,
    /// Learning rate of the pathways.
    pub learning_rate: f64,
    /// Margin of squared distances.
    pub margin: f64,
}

/// Stage 3: the metric network, jointly with the pathways.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricConfig {
    /// Most epochs.
    pub epochs: usize,
    /// Learning rate of the metric network.
    pub learning_rate: f64,
    /// Learning rate of the pathways.
    pub learning_rate_pathways: f64,
    /// AdamW decay of the metric network toward its start: scaled dot products of the two parts.
    pub weight_decay: f64,
    /// Weight of the losses of the earlier stages.
    pub keep_weight: f64,
    /// Weight of the ranking loss over class logits.
    pub ranking_weight: f64,
    /// Weight of the loss over graded pairs, where there are any.
    pub graded_weight: f64,
}

/// Weights of the losses on the shared space, in all stages.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LossConfig {
    /// Of the losses of the stage over same and different classes.
    pub class_weight: f64,
    /// Of the losses of the stage over paired and unpaired items.
    pub pair_weight: f64,
    /// Of the cross-entropy of the class posteriors.
    pub label_weight: f64,
    /// Of the in-batch softmax over pairs.
    pub softmax_weight: f64,
    /// Temperature of the in-batch softmax over the cosine of unit parts.
    pub temperature: f64,
}

/// The steps of every stage.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct StepConfig {
    /// Most rows per step; small data take an eighth of their rows, but at least 16.
    pub batch: usize,
    /// A stage gets more epochs than its setting where it would have fewer steps than this.
    pub least: usize,
    /// A stage ends after this many epochs without a better validation score.
    pub patience: usize,
    /// Decay of the running average of the parameters, per step.
    pub average: f64,
}

/// What keeps the pathways from learning the train rows by heart.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct RegularisationConfig {
    /// AdamW decay of the weight matrices of the pathways.
    pub weight_decay: f64,
    /// Part of the input features that is dropped.
    pub dropout_input: f64,
    /// Part of the hidden units that is dropped.
    pub dropout_hidden: f64,
}

/// What is held out to choose by, and what becomes of it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SelectionConfig {
    /// Part of the train rows that the validation split takes, where no row is marked `val`.
    pub validation: f64,
    /// Most validation splits that are drawn, of different rows, each with a model of its own that has not seen them. What
    /// is chosen on validation is chosen on all of them together. More than [`validation_rows`](Self::validation_rows)
    /// are never held out in all, and one split is enough where its model is kept.
    pub folds: usize,
    /// Most rows of all drawn validation splits together.
    pub validation_rows: usize,
    /// Rows of at least this cosine in any media type stay on one side of the validation split.
    pub duplicate_cosine: f64,
    /// What to do once validation has set the number of epochs and the calibration.
    pub refit: Refit,
}

/// Settings of training, chosen on validation splits; [`TrainConfig::for_rows`] says which suit how many rows.
///
/// It serialises as one flat table, the keys of a file of settings; see [`TrainConfig::from_toml`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct TrainConfig {
    /// Sizes and form of the networks.
    pub model: ModelConfig,
    /// The kernel member.
    pub kernel: KernelConfig,
    /// Stage 1.
    pub contrastive: ContrastiveConfig,
    /// Stage 2.
    pub double_triplet: DoubleTripletConfig,
    /// Stage 3.
    pub metric: MetricConfig,
    /// Weights of the losses.
    pub losses: LossConfig,
    /// Steps of every stage.
    pub steps: StepConfig,
    /// Decay and dropout of the pathways.
    pub regularisation: RegularisationConfig,
    /// Validation.
    pub selection: SelectionConfig,
    /// What the metric network is asked where nobody says: `class` where there are classes, else `pair`, unless set here.
    pub default_target: Option<Target>,
    /// Seed of every random draw.
    pub seed: u64,
}

impl Default for TrainConfig {
    /// Those of small data, of up to 4,096 train rows.
    fn default() -> Self {
        Self {
            model: ModelConfig {
                dim: 256,
                members: 2,
                hidden: 256,
                skip: false,
                head: HeadForm::Bilinear,
                item_half: 0,
                unit: None,
            },
            kernel: KernelConfig { member: true, landmarks: size::LANDMARKS, steps: 0, hub: true },
            contrastive: ContrastiveConfig { epochs: 45, learning_rate: 3e-3, margin: 1.2 },
            double_triplet: DoubleTripletConfig { epochs: 12, learning_rate: 1e-3, margin: 0.4 },
            metric: MetricConfig {
                epochs: 12,
                learning_rate: 5e-4,
                learning_rate_pathways: 5e-4,
                weight_decay: 0.1,
                keep_weight: 0.5,
                ranking_weight: 0.5,
                graded_weight: 1.0,
            },
            losses: LossConfig {
                class_weight: 0.2,
                pair_weight: 0.2,
                label_weight: 1.0,
                softmax_weight: 0.5,
                temperature: 0.1,
            },
            steps: StepConfig { batch: 128, least: 100, patience: 8, average: 0.98 },
            regularisation: RegularisationConfig {
                weight_decay: 0.1,
                dropout_input: 0.3,
                dropout_hidden: 0.5,
            },
            selection: SelectionConfig {
                validation: 0.15,
                folds: 3,
                validation_rows: 4000,
                duplicate_cosine: 0.98,
                refit: Refit::All,
            },
            default_target: None,
            seed: 42,
        }
    }
}

impl TrainConfig {
    /// Rows per step for `n` rows to learn from.
    pub(crate) fn batch_for(&self, n: usize) -> usize {
        self.steps.batch.min((n / 8).max(16))
    }

    /// Elements of the unit part beside `classes` posteriors.
    pub(crate) fn unit(&self, classes: usize) -> usize {
        let all = self.model.dim.saturating_sub(classes).max(self.model.dim.div_ceil(2));
        self.model.unit.unwrap_or(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unit_part_keeps_half_of_the_dimension() {
        let mut config = TrainConfig::default();
        config.model.dim = 64;
        assert_eq!((config.unit(0), config.unit(14), config.unit(1000)), (64, 50, 32));
    }
}
