//! What every similarity implements: a rule, and a query item that it has compiled against one media type of items.

use std::fmt;

use half::slice::HalfFloatSliceExt;
use uncsm_format::{MediaView, Vectors};

use crate::error::Result;
use crate::model::{Bundle, Calibration, QueryHalf, QueryHub, Target, dot};

/// One way to compare a query item with a stored row.
pub(in crate::search) trait Measure {
    /// Name of the leg in results and weights.
    fn leg(&self) -> &'static str;

    /// Its name in the plan of a query.
    fn describe(&self) -> String {
        self.leg().into()
    }

    /// How an explanation says what a document's value is made of.
    fn formula(&self) -> &'static str {
        "(sum of weight x value over wanted parts - sum of weight x max(0, value) over unwanted) / weight_sum"
    }

    /// Targets that the bundle must have.
    fn targets(&self) -> &'static [Target] {
        &[]
    }

    /// Whether values are log-odds of the metric network.
    fn is_metric(&self) -> bool {
        false
    }

    /// From a value to 0..=1, growing with it.
    fn unit_interval(&self, value: f32) -> f32;

    /// A query item of media type `pair.0` against items of media type `pair.1`; `None` where the bundle has no head for
    /// the pair.
    ///
    /// # Errors
    /// [`crate::ErrorCode::BadArgument`] where the bundle lacks what the similarity reads.
    fn compile(
        &self,
        bundle: &Bundle,
        pair: (usize, usize),
        vector: &[f32],
    ) -> Result<Option<Box<dyn RowScorer>>>;
}

/// A query item that is compiled against one media type of items.
pub(in crate::search) trait RowScorer: fmt::Debug + Send + Sync {
    /// What the similarity says of a row; anything for a damaged one.
    fn compare(&self, row: &Row) -> f32;

    /// [`RowScorer::compare`], with the least number where that is no number: a damaged row must lose against every sound
    /// one, and NaN would win under total order.
    fn raw(&self, row: &Row) -> f32 {
        let raw = self.compare(row);
        if raw.is_finite() { raw } else { f32::MIN }
    }

    /// What documents are ranked by: the calibrated logit where there is a calibration.
    fn value(&self, raw: f32) -> f32 {
        raw
    }

    /// What tells which of a document's items is the best: `value` at even odds unless a prior was given, so that probabilities
    /// are of the item that ranks.
    fn order(&self, _row: &Row, _raw: f32, value: f32) -> f32 {
        value
    }

    /// Changes every calibration: lets probabilities assume another rate of matches.
    fn recalibrate(&mut self, _change: &dyn Fn(Calibration) -> Calibration) {}

    /// Its calibrations.
    fn calibrations(&self) -> Vec<Calibration> {
        self.query_halves().into_iter().filter_map(|query| query.calibration).collect()
    }

    /// Whether the sigmoid of a value is a probability.
    fn is_calibrated(&self) -> bool {
        false
    }

    /// How much a document loses by being like an unwanted item, at least 0 and growing with `value`.
    fn penalty(&self, value: f32) -> f32 {
        value.max(0.0)
    }

    /// The query sides of the metric network's heads, by target; none for other similarities.
    fn query_halves(&self) -> Vec<&QueryHalf> {
        Vec::new()
    }

    /// The parts of the raw logits of a row, by target.
    fn numbers(&self, row: &Row) -> Vec<HeadNumbers> {
        self.query_halves().into_iter().map(|query| HeadNumbers::of(query, row)).collect()
    }
}

/// What one target's head says of one row, part by part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::search) struct HeadNumbers {
    pub(in crate::search) bilinear: f32,
    pub(in crate::search) hidden: f32,
    pub(in crate::search) bias: f32,
    /// What the hub term adds, where the head has one.
    pub(in crate::search) hub: Option<HubNumbers>,
    pub(in crate::search) raw: f32,
    pub(in crate::search) calibration: Option<Calibration>,
}

/// `value = -weight * (query + item)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::search) struct HubNumbers {
    pub(in crate::search) weight: f32,
    pub(in crate::search) query: f32,
    pub(in crate::search) item: f32,
    pub(in crate::search) value: f32,
}

impl HubNumbers {
    fn of(hub: &QueryHub, row: &Row) -> Self {
        let item = hub.of_item(&row.hubs);
        Self { weight: hub.weight, query: hub.own, item, value: -hub.term(&row.hubs) }
    }
}

impl HeadNumbers {
    fn of(query: &QueryHalf, row: &Row) -> Self {
        let bilinear = dot(&query.bilinear, &row.vector);
        Self {
            bilinear,
            hidden: query.without_hub(&row.vector, &row.half) - query.bias - bilinear,
            bias: query.bias,
            hub: query.hub.as_ref().map(|hub| HubNumbers::of(hub, row)),
            raw: query.logit(&row.vector, &row.half, &row.hubs),
            calibration: query.calibration,
        }
    }
}

/// Room for one row as f32, reused over rows.
#[derive(Default)]
pub(in crate::search) struct Row {
    pub(in crate::search) vector: Vec<f32>,
    pub(in crate::search) half: Vec<f32>,
    pub(in crate::search) hubs: Vec<f32>,
    pub(in crate::search) inverse_norm: f32,
}

impl Row {
    #[inline]
    pub(in crate::search) fn load(&mut self, view: &MediaView<'_>, row: usize) {
        self.vector.resize(view.dim, 0.0);
        self.half.resize(view.half, 0.0);
        let at = row * view.dim..(row + 1) * view.dim;
        match view.vectors {
            Vectors::F16(all) => all[at].convert_to_f32_slice(&mut self.vector),
            Vectors::F32(all) => self.vector.copy_from_slice(&all[at]),
        }
        view.halves[row * view.half..(row + 1) * view.half].convert_to_f32_slice(&mut self.half);
        self.hubs.clear();
        self.hubs.extend_from_slice(view.hubs_of(row));
        self.inverse_norm = view.inverse_norms[row];
    }
}

/// `1 / (1 + exp(-x))`.
pub(in crate::search) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `-ln(1 - p)` for log-odds of `p`.
pub(super) fn log_loss(log_odds: f32) -> f32 {
    log_odds.max(0.0) + (-log_odds.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_penalty_is_minus_the_logarithm_of_not_matching() {
        for x in [-30.0f32, -2.0, 0.0, 1.5, 30.0] {
            let expected = -(1.0 - f64::from(sigmoid(x))).ln();
            if x < 15.0 {
                assert!((f64::from(log_loss(x)) - expected).abs() < 1e-5, "{x}");
            }
            assert!(log_loss(x) >= 0.0 && log_loss(x) >= log_loss(x - 0.5));
        }
    }
}
