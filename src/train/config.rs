//! Settings of training; a TOML file may give any of them.

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorCode, Result};
use crate::limits::DIM;
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

/// Settings of training, chosen on validation splits of data of a few thousand rows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Elements of a shared vector; where classes would take more than half, the unit part keeps half of it beside them.
    pub dim: usize,
    /// Networks within a pathway, each with a hidden layer of its own, whose class logits are averaged.
    pub members: usize,
    /// Width of the hidden layer of a member.
    pub hidden: usize,
    /// The form of the metric network.
    pub head: HeadForm,
    /// Width of the hidden layer of the metric network; 0 leaves the bilinear term alone.
    pub half: usize,
    /// Most rows per step; small data take an eighth of their rows, but at least 16.
    pub batch: usize,
    /// A stage gets more epochs than its setting where it would have fewer steps than this.
    pub least_steps: usize,
    /// Most epochs of stage 1.
    pub epochs_contrastive: usize,
    /// Most epochs of stage 2.
    pub epochs_double_triplet: usize,
    /// Most epochs of stage 3.
    pub epochs_metric: usize,
    /// A stage ends after this many epochs without a better validation score.
    pub patience: usize,
    /// Learning rate of the pathways in stage 1.
    pub learning_rate: f64,
    /// Learning rate of the pathways in stage 2.
    pub learning_rate_double_triplet: f64,
    /// Learning rate of the pathways in stage 3.
    pub learning_rate_joint: f64,
    /// Learning rate of the metric network.
    pub learning_rate_metric: f64,
    /// AdamW decay of the weight matrices of the pathways.
    pub weight_decay: f64,
    /// AdamW decay of the metric network toward its start: scaled dot products of the two parts.
    pub weight_decay_metric: f64,
    /// Part of the input features that is dropped.
    pub dropout_input: f64,
    /// Part of the hidden units that is dropped.
    pub dropout_hidden: f64,
    /// Distance that dissimilar unit parts are pushed apart to in stage 1, at most 2.
    pub contrastive_margin: f64,
    /// Margin of squared distances in stage 2.
    pub triplet_margin: f64,
    /// Weight of the losses of the stage over same and different classes.
    pub class_weight: f64,
    /// Weight of the losses of the stage over paired and unpaired items.
    pub pair_weight: f64,
    /// Weight of the cross-entropy of the class posteriors.
    pub label_weight: f64,
    /// Weight of the in-batch softmax over pairs.
    pub softmax_weight: f64,
    /// Temperature of the in-batch softmax over the cosine of unit parts.
    pub temperature: f64,
    /// Weight of the losses of the earlier stages in stage 3.
    pub keep_weight: f64,
    /// Weight of the ranking loss over class logits in stage 3.
    pub ranking_weight: f64,
    /// Weight of the loss over graded pairs in stage 3, where there are any.
    pub graded_weight: f64,
    /// Decay of the running average of the parameters, per step.
    pub average: f64,
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
    /// What the metric network is asked where nobody says: `class` where there are classes, else `pair`, unless set here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_target: Option<Target>,
    /// Seed of every random draw.
    pub seed: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            dim: 128,
            members: 4,
            hidden: 256,
            head: HeadForm::Bilinear,
            half: 32,
            batch: 128,
            least_steps: 200,
            epochs_contrastive: 45,
            epochs_double_triplet: 20,
            epochs_metric: 30,
            patience: 8,
            learning_rate: 3e-3,
            learning_rate_double_triplet: 1e-3,
            learning_rate_joint: 5e-4,
            learning_rate_metric: 5e-4,
            weight_decay: 0.1,
            weight_decay_metric: 0.1,
            dropout_input: 0.3,
            dropout_hidden: 0.5,
            contrastive_margin: 1.2,
            triplet_margin: 0.4,
            class_weight: 0.2,
            pair_weight: 0.2,
            label_weight: 1.0,
            softmax_weight: 0.5,
            temperature: 0.1,
            keep_weight: 0.5,
            ranking_weight: 0.5,
            graded_weight: 1.0,
            average: 0.98,
            validation: 0.15,
            folds: 4,
            validation_rows: 4000,
            duplicate_cosine: 0.98,
            refit: Refit::All,
            default_target: None,
            seed: 42,
        }
    }
}

impl TrainConfig {
    /// Reads a TOML file's text; what it does not name keeps its default.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for unknown keys and wrong types, [`ErrorCode::BadArgument`] for values out of range.
    pub fn from_toml(text: &str) -> Result<Self> {
        let config: Self = toml::from_str(text).map_err(|source| {
            let error = Error::new(ErrorCode::BadValue, source.message().to_owned());
            let line = source.span().map(|span| text[..span.start].matches('\n').count() as u64 + 1);
            match line {
                Some(line) => error.line(line).source(source),
                None => error.source(source),
            }
        })?;
        config.check()?;
        Ok(config)
    }

    /// Refuses values out of range.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let whole = [
            ("dim", self.dim, 2, DIM),
            ("members", self.members, 1, 64),
            ("hidden", self.hidden, 1, 1 << 14),
            ("half", self.half, 0, 1 << 12),
            ("batch", self.batch, 2, 1 << 13),
            ("patience", self.patience, 1, usize::MAX),
            ("least_steps", self.least_steps, 0, 1 << 24),
            ("folds", self.folds, 1, 64),
            ("validation_rows", self.validation_rows, 2, usize::MAX),
        ];
        for (name, value, low, high) in whole {
            if value < low || value > high {
                return Err(out_of_range(name, &format!("{low} to {high}"), &value.to_string()));
            }
        }
        if self.head == HeadForm::Concatenation && self.half == 0 {
            return Err(out_of_range("half", "at least 1 beside `head = \"concatenation\"`", "0"));
        }
        let open = 1e6;
        let real = [
            ("learning_rate", self.learning_rate, 0.0, 1.0),
            ("learning_rate_double_triplet", self.learning_rate_double_triplet, 0.0, 1.0),
            ("learning_rate_joint", self.learning_rate_joint, 0.0, 1.0),
            ("learning_rate_metric", self.learning_rate_metric, 0.0, 1.0),
            ("weight_decay", self.weight_decay, 0.0, open),
            ("weight_decay_metric", self.weight_decay_metric, 0.0, open),
            ("dropout_input", self.dropout_input, 0.0, 0.95),
            ("dropout_hidden", self.dropout_hidden, 0.0, 0.95),
            ("contrastive_margin", self.contrastive_margin, 0.0, 2.0),
            ("triplet_margin", self.triplet_margin, 0.0, 4.0),
            ("class_weight", self.class_weight, 0.0, open),
            ("pair_weight", self.pair_weight, 0.0, open),
            ("label_weight", self.label_weight, 0.0, open),
            ("softmax_weight", self.softmax_weight, 0.0, open),
            ("temperature", self.temperature, 1e-3, open),
            ("keep_weight", self.keep_weight, 0.0, open),
            ("ranking_weight", self.ranking_weight, 0.0, open),
            ("graded_weight", self.graded_weight, 0.0, open),
            ("average", self.average, 0.0, 0.9999),
            ("validation", self.validation, 0.01, 0.9),
            ("duplicate_cosine", self.duplicate_cosine, 0.0, 2.0),
        ];
        for (name, value, low, high) in real {
            // NaN is in no range.
            if !(low..=high).contains(&value) {
                return Err(out_of_range(name, &format!("{low} to {high}"), &value.to_string()));
            }
        }
        Ok(())
    }

    /// Rows per step for `n` rows to learn from.
    pub(crate) fn batch_for(&self, n: usize) -> usize {
        self.batch.min((n / 8).max(16))
    }

    /// Elements of the unit part beside `classes` posteriors.
    pub(crate) fn unit(&self, classes: usize) -> usize {
        self.dim.saturating_sub(classes).max(self.dim.div_ceil(2))
    }
}

fn out_of_range(name: &str, expected: &str, got: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("setting `{name}` is out of range"))
        .expected(expected)
        .got(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn toml_overrides_defaults_and_refuses_the_rest() {
        let config = TrainConfig::from_toml("dim = 64\nweight_decay = 0.5\n").unwrap();
        assert_eq!((config.dim, config.weight_decay), (64, 0.5));
        assert_eq!(config.hidden, TrainConfig::default().hidden);
        let error = TrainConfig::from_toml("dim = 64\nwidth = 3\n").unwrap_err();
        assert_eq!((error.code(), error.facts().line), (ErrorCode::BadValue, Some(2)));
        let bare = TrainConfig::from_toml("head = \"concatenation\"\nhalf = 0").unwrap_err();
        assert_eq!(bare.code(), ErrorCode::BadArgument);
        assert_eq!(TrainConfig::from_toml("batch = 1").unwrap_err().code(), ErrorCode::BadArgument);
        assert_eq!(TrainConfig::from_toml("dropout_input = nan").unwrap_err().code(), ErrorCode::BadArgument);
    }

    #[test]
    fn unit_part_keeps_half_of_the_dimension() {
        let config = TrainConfig { dim: 64, ..TrainConfig::default() };
        assert_eq!((config.unit(0), config.unit(14), config.unit(1000)), (64, 50, 32));
    }
}
