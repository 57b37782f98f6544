//! The ranges of settings.

use super::{HeadForm, TrainConfig};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::DIM;

impl TrainConfig {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] naming the setting.
    pub fn check(&self) -> Result<()> {
        let whole = [
            ("dim", self.model.dim, 2, DIM),
            ("members", self.model.members, 0, 64),
            ("landmarks", self.kernel.landmarks, 2, 1 << 13),
            ("steps_kernel", self.kernel.steps, 0, 1 << 11),
            ("hidden", self.model.hidden, 1, 1 << 14),
            ("half", self.model.item_half, 0, 1 << 12),
            ("batch", self.steps.batch, 2, 1 << 13),
            ("patience", self.steps.patience, 1, usize::MAX),
            ("least_steps", self.steps.least, 0, 1 << 24),
            ("folds", self.selection.folds, 1, 64),
            ("validation_rows", self.selection.validation_rows, 2, usize::MAX),
        ];
        for (name, value, low, high) in whole {
            if value < low || value > high {
                return Err(out_of_range(name, &format!("{low} to {high}"), &value.to_string()));
            }
        }
        if self.model.head == HeadForm::Concatenation && self.model.item_half == 0 {
            return Err(out_of_range("half", "at least 1 beside `head = \"concatenation\"`", "0"));
        }
        if self.model.head == HeadForm::Concatenation && (self.kernel.member || self.kernel.hub) {
            let got = "a kernel member or hub term";
            return Err(out_of_range(
                "kernel",
                "false, with `hub = false`, beside `head = \"concatenation\"`",
                got,
            ));
        }
        if self.model.members == 0 && !self.kernel.member {
            return Err(out_of_range("members", "at least 1 beside `kernel = false`", "0"));
        }
        let open = 1e6;
        let real = [
            ("learning_rate", self.contrastive.learning_rate, 0.0, 1.0),
            ("learning_rate_double_triplet", self.double_triplet.learning_rate, 0.0, 1.0),
            ("learning_rate_joint", self.metric.learning_rate_pathways, 0.0, 1.0),
            ("learning_rate_metric", self.metric.learning_rate, 0.0, 1.0),
            ("weight_decay", self.regularisation.weight_decay, 0.0, open),
            ("weight_decay_metric", self.metric.weight_decay, 0.0, open),
            ("dropout_input", self.regularisation.dropout_input, 0.0, 0.95),
            ("dropout_hidden", self.regularisation.dropout_hidden, 0.0, 0.95),
            ("contrastive_margin", self.contrastive.margin, 0.0, 2.0),
            ("triplet_margin", self.double_triplet.margin, 0.0, 4.0),
            ("class_weight", self.losses.class_weight, 0.0, open),
            ("pair_weight", self.losses.pair_weight, 0.0, open),
            ("label_weight", self.losses.label_weight, 0.0, open),
            ("softmax_weight", self.losses.softmax_weight, 0.0, open),
            ("temperature", self.losses.temperature, 1e-3, open),
            ("keep_weight", self.metric.keep_weight, 0.0, open),
            ("ranking_weight", self.metric.ranking_weight, 0.0, open),
            ("graded_weight", self.metric.graded_weight, 0.0, open),
            ("average", self.steps.average, 0.0, 0.9999),
            ("validation", self.selection.validation, 0.01, 0.9),
            ("duplicate_cosine", self.selection.duplicate_cosine, 0.0, 2.0),
        ];
        for (name, value, low, high) in real {
            // NaN is in no range.
            if !(low..=high).contains(&value) {
                return Err(out_of_range(name, &format!("{low} to {high}"), &value.to_string()));
            }
        }
        Ok(())
    }
}

fn out_of_range(name: &str, expected: &str, got: &str) -> Error {
    Error::new(ErrorCode::BadArgument, format!("setting `{name}` is out of range"))
        .expected(expected)
        .got(got)
}
