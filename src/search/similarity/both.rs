//! The metric network under both targets: the mean of their probabilities, as log-odds.

use uncsm_format::MediaView;

use super::compare::{LinearForm, Measure, Row, RowScorer, log_loss, logits, sigmoid};
use crate::error::Result;
use crate::model::{Bundle, Calibration, QueryHalf, Target};

/// In the order of the heads.
const TARGETS: [Target; 2] = [Target::Class, Target::Pair];

pub(super) struct Both;

impl Measure for Both {
    fn leg(&self) -> &'static str {
        "metric"
    }

    fn describe(&self) -> String {
        "metric, both targets".into()
    }

    fn formula(&self) -> &'static str {
        "as for one target, with the log-odds of the mean of both targets' probabilities in place of the logit"
    }

    fn targets(&self) -> &'static [Target] {
        &TARGETS
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
        TARGETS.into_iter().try_for_each(|target| bundle.check_head(target, query, item))?;
        let [class, pair] = TARGETS.map(|target| bundle.metric().query_half(target, query, item, vector));
        Ok(class.zip(pair).map(|heads| Box::new(Heads(heads.into())) as Box<dyn RowScorer>))
    }
}

#[derive(Debug, Clone)]
struct Heads([QueryHalf; 2]);

impl Heads {
    /// The log-odds of the mean probability, under what `change` makes of the calibrations.
    fn mixed(&self, row: &Row, change: impl Fn(Calibration) -> Calibration) -> f32 {
        let [class, pair] = self.0.each_ref().map(|head| {
            let raw = head.logit(&row.vector, &row.half, &row.hubs);
            f64::from(head.calibration.map_or(raw, |fit| change(fit).logit(raw)))
        });
        mixed_log_odds(class, pair)
    }
}

impl RowScorer for Heads {
    fn copy(&self) -> Box<dyn RowScorer> {
        Box::new(self.clone())
    }

    fn compare(&self, row: &Row) -> f32 {
        self.mixed(row, |fit| fit)
    }

    fn compare_all(&self, view: &MediaView<'_>, at: &[u32], out: &mut [f32]) {
        let [class, pair] = &self.0;
        let mut pairs = vec![0.0; at.len()];
        logits(class, view, at, out);
        logits(pair, view, at, &mut pairs);
        for (out, raw) in out.iter_mut().zip(pairs) {
            *out = mixed_log_odds(odds_of(class, *out), odds_of(pair, raw));
        }
    }

    fn raws_above(&self, view: &MediaView<'_>, at: &[u32], floor: Option<f32>, out: &mut [f32]) {
        // A mean is at most the larger of two, and the room below the floor is beyond every rounding of `mixed_log_odds`,
        // which holds what is far out at 700.
        let odds = floor.filter(|floor| floor.abs() < 690.0).map(|floor| floor - 1e-5 * floor.abs().max(1.0));
        let low = |head: &QueryHalf| odds.and_then(|odds| head.below(odds));
        let [class, pair] = &self.0;
        let (Some(low_class), Some(low_pair)) = (low(class), low(pair)) else {
            return self.raws(view, at, out);
        };
        let mut pairs = vec![0.0; at.len()];
        logits(class, view, at, out);
        logits(pair, view, at, &mut pairs);
        for (out, raw) in out.iter_mut().zip(pairs) {
            let is_low = *out <= low_class && raw <= low_pair;
            let mixed =
                if is_low { f32::MIN } else { mixed_log_odds(odds_of(class, *out), odds_of(pair, raw)) };
            *out = if mixed.is_finite() { mixed } else { f32::MIN };
        }
    }

    fn floor(&self, value: f32) -> Option<f32> {
        Some(value.next_down())
    }

    fn order(&self, view: &MediaView<'_>, at: usize, _raw: f32, value: f32) -> f32 {
        let is_rated = |head: &QueryHalf| head.calibration.is_some_and(|fit| fit.rate.is_some());
        if !self.0.iter().any(is_rated) {
            return value;
        }
        let mut row = Row::default();
        row.load(view, at);
        let order = self.mixed(&row, |fit| fit.even());
        if order.is_finite() { order } else { f32::MIN }
    }

    fn keeps_raw(&self) -> bool {
        false
    }

    fn recalibrate(&mut self, change: &dyn Fn(Calibration) -> Calibration) {
        for head in &mut self.0 {
            head.calibration = head.calibration.map(change);
        }
    }

    fn is_calibrated(&self) -> bool {
        self.0.iter().all(|head| head.calibration.is_some())
    }

    fn penalty(&self, value: f32) -> f32 {
        log_loss(value)
    }

    fn forms(&self) -> Vec<LinearForm<'_>> {
        TARGETS.into_iter().zip(&self.0).map(|(target, head)| LinearForm::of_head(target, head)).collect()
    }

    fn of_form(&self, form: usize, number: f32) -> f32 {
        self.0.get(form).map_or(f32::MIN, |head| odds_of(head, number) as f32)
    }

    fn joined(&self, of_forms: &[f32]) -> f32 {
        match of_forms {
            [class, pair] => mixed_log_odds((*class).into(), (*pair).into()),
            _ => f32::MIN,
        }
    }

    fn query_halves(&self) -> Vec<&QueryHalf> {
        self.0.iter().collect()
    }
}

/// The calibrated logit of a raw one, where the head has a calibration.
fn odds_of(head: &QueryHalf, raw: f32) -> f64 {
    f64::from(head.calibration.map_or(raw, |fit| fit.logit(raw)))
}

/// `ln(p / (1 - p))` of the mean `p` of two probabilities, given by their log-odds; exact far out too.
fn mixed_log_odds(a: f64, b: f64) -> f32 {
    // 1 / (1 + e^-x) and 1 / (1 + e^x) by the larger exponent, so that neither side cancels.
    let sides = |x: f64| {
        let e = (-x.abs()).exp();
        let (large, small) = (1.0 / (1.0 + e), e / (1.0 + e));
        if x >= 0.0 { (large, small) } else { (small, large) }
    };
    // Beyond, the smaller side is 0 in f64 too.
    let ((p, not_p), (q, not_q)) = (sides(a.clamp(-700.0, 700.0)), sides(b.clamp(-700.0, 700.0)));
    ((p + q) / (not_p + not_q)).ln() as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_targets_mix_their_probabilities() {
        let logit = |p: f64| (p / (1.0 - p)).ln();
        for (p, q) in [(0.5, 0.5), (0.9, 0.2), (0.001, 0.4), (0.999_999, 0.5)] {
            let mixed = f64::from(mixed_log_odds(logit(p), logit(q)));
            assert!((mixed - logit((p + q) / 2.0)).abs() < 1e-5, "{p} {q}: {mixed}");
        }
        // Far out the probabilities round to 0 and 1, and the log-odds still tell documents apart.
        assert!(mixed_log_odds(60.0, 60.0) > mixed_log_odds(59.0, 59.0));
        assert!(mixed_log_odds(-60.0, -60.0) < mixed_log_odds(-59.0, -59.0));
        assert!((mixed_log_odds(-60.0, -60.0) + 60.0).abs() < 1e-3);
        assert!(mixed_log_odds(5000.0, 5000.0) >= 699.0 && mixed_log_odds(-5000.0, 3.0).is_finite());
    }
}
