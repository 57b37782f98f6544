//! The metric network under one target.

use uncsm_format::MediaView;

use super::compare::{LinearForm, Measure, Row, RowScorer, log_loss, logits, sigmoid};
use crate::error::Result;
use crate::model::{Bundle, Calibration, QueryHalf, Target};

pub(super) struct Metric(pub(super) Target);

impl Measure for Metric {
    fn leg(&self) -> &'static str {
        "metric"
    }

    fn describe(&self) -> String {
        format!("metric, target {}", self.0.as_str())
    }

    fn formula(&self) -> &'static str {
        "(sum of weight x logit over wanted parts - sum of weight x ln(1 + exp(logit)) over unwanted) / weight_sum; \
         raw = u'Mv + w.relu(query_half + item_half) + bias, and + hub where the head has one"
    }

    fn targets(&self) -> &'static [Target] {
        match self.0 {
            Target::Class => &[Target::Class],
            Target::Pair => &[Target::Pair],
        }
    }

    fn is_metric(&self) -> bool {
        true
    }

    fn unit_interval(&self, value: f32) -> f32 {
        sigmoid(value)
    }

    fn compile(
        &self,
        bundle: &Bundle,
        (query, item): (usize, usize),
        vector: &[f32],
    ) -> Result<Option<Box<dyn RowScorer>>> {
        bundle.check_head(self.0, query, item)?;
        let head = bundle.metric().query_half(self.0, query, item, vector);
        Ok(head.map(|head| Box::new(Head(self.0, head)) as Box<dyn RowScorer>))
    }
}

#[derive(Debug, Clone)]
struct Head(Target, QueryHalf);

impl RowScorer for Head {
    fn copy(&self) -> Box<dyn RowScorer> {
        Box::new(self.clone())
    }

    fn compare(&self, row: &Row) -> f32 {
        self.1.logit(&row.vector, &row.half, &row.hubs)
    }

    fn compare_all(&self, view: &MediaView<'_>, at: &[u32], out: &mut [f32]) {
        logits(&self.1, view, at, out);
    }

    fn value(&self, raw: f32) -> f32 {
        self.1.calibration.map_or(raw, |calibration| calibration.logit(raw))
    }

    fn floor(&self, value: f32) -> Option<f32> {
        self.1.below(value)
    }

    fn order(&self, _view: &MediaView<'_>, _at: usize, raw: f32, value: f32) -> f32 {
        match self.1.calibration {
            Some(fit) if fit.rate.is_some() => fit.even().logit(raw),
            _ => value,
        }
    }

    fn recalibrate(&mut self, change: &dyn Fn(Calibration) -> Calibration) {
        self.1.calibration = self.1.calibration.map(change);
    }

    fn is_calibrated(&self) -> bool {
        self.1.calibration.is_some()
    }

    fn penalty(&self, value: f32) -> f32 {
        log_loss(value)
    }

    fn forms(&self) -> Vec<LinearForm<'_>> {
        vec![LinearForm::of_head(self.0, &self.1)]
    }

    fn query_halves(&self) -> Vec<&QueryHalf> {
        vec![&self.1]
    }
}
