//! From raw logits to probabilities: Platt scaling, a monotone curve where there are pairs enough, and a stored prior.
//!
//! `probability = sigmoid(c(raw) + log_odds(prior) - log_odds(1/2))` with `c(raw) = slope * raw + offset` or a curve
//! through knots, fitted on validation pairs that are weighted so that half of the mass is positive. Source: J. Platt,
//! "Probabilistic outputs for support vector machines", 1999; the prior shift is Bayes' rule on the odds.
//!
//! Without a prior from a caller it is the rate of matches among the validation pairs. How it moves with the index that is
//! searched, [`Rate`] says. What documents are ranked by assumes even odds then ([`Calibration::even`]), so that a score
//! depends on the two items alone, and the balance of several parts, media types and legs is not moved by the size of an
//! index.

mod curve;
mod rate;

use serde::{Deserialize, Serialize};

pub use curve::Curve;
pub(crate) use curve::KNOTS;
pub use rate::Rate;

/// The calibration of one target and ordered pair of media types.
///
/// Invariant: `slope > 0` and the curve ascends, so the probability grows with the raw logit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Factor of the raw logit, positive.
    pub slope: f32,
    /// Added after the factor; fitted for a prior of one half.
    pub offset: f32,
    /// Assumed rate of matches, in (0, 1).
    pub prior: f32,
    /// Rate of matches among all validation pairs.
    pub natural: f32,
    /// Matches that the fit has seen.
    pub positives: u64,
    /// Takes the place of slope and offset between its ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curve>,
    /// How `prior` moves with the index; `None` where a caller gave it, and in bundles from before there were rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
}

impl Calibration {
    /// The calibrated logit of a raw one: the log-odds of a match.
    pub fn logit(&self, raw: f32) -> f32 {
        let odds = match &self.curve {
            None => self.slope * raw + self.offset,
            Some(curve) => curve.at(raw, self.slope),
        };
        odds + log_odds(self.prior)
    }

    /// The probability of a match, in [0, 1]; monotone in `raw`.
    pub fn probability(&self, raw: f32) -> f32 {
        sigmoid(self.logit(raw))
    }

    /// Whether the probability grows with the raw logit, as it must.
    pub(crate) fn is_sound(&self) -> bool {
        self.slope > 0.0
            && self.curve.is_none_or(|curve| curve.is_sound())
            && self.rate.is_none_or(|rate| rate.is_sound())
    }

    /// The same fit under a given rate of matches, clamped to `[1e-6, 1 - 1e-6]`, in an index of any size.
    #[must_use]
    pub fn with_prior(&self, prior: f32) -> Self {
        Self { prior: prior.clamp(1e-6, 1.0 - 1e-6), rate: None, ..*self }
    }

    /// The same fit in an index with so many items of the media type that is looked for; a given prior stays.
    #[must_use]
    pub fn for_items(&self, items: u64) -> Self {
        match self.rate {
            Some(rate) => Self { prior: rate.prior(self.prior, items), ..*self },
            None => *self,
        }
    }

    /// The same fit as documents are ranked by it: at even odds unless a prior was given.
    #[must_use]
    pub fn even(&self) -> Self {
        if self.rate.is_some() { self.with_prior(0.5) } else { *self }
    }

    /// The prior that a caller gave. One half without a rate is what bundles had before there were rates.
    pub(crate) fn given_prior(&self) -> Option<f32> {
        (self.rate.is_none() && self.prior != 0.5).then_some(self.prior)
    }

    /// The raw logit that has this probability: the inverse of [`Calibration::probability`].
    ///
    /// Infinite at 0 and 1.
    pub fn raw_for(&self, probability: f32) -> f32 {
        let odds = log_odds(probability) - log_odds(self.prior);
        match &self.curve {
            None => (odds - self.offset) / self.slope,
            Some(curve) => curve.inverse(odds, self.slope),
        }
    }

    /// A raw logit such that the calibrated logits of it and of all below it are below `logit`, rounding included; `None`
    /// where none was found.
    ///
    /// Between two knots, and outside of them, [`Calibration::logit`] is a chain of operations that grow, and so do their
    /// roundings: the end of a stretch has its largest logit. From one stretch to the next it may lose a rounding, so the end
    /// of each is asked.
    pub(crate) fn below(&self, logit: f32) -> Option<f32> {
        let prior = log_odds(self.prior);
        let odds = logit - prior;
        let start = match &self.curve {
            None => (odds - self.offset) / self.slope,
            Some(curve) => curve.inverse(odds, self.slope),
        };
        let is_below = |raw: f32| {
            let ends = self.curve.iter().flat_map(|curve| curve.ends_up_to(raw));
            self.logit(raw) < logit && ends.map(|end| end + prior).all(|end| end < logit)
        };
        // Factor 4 a step: from a rounding to beyond every number.
        let steps = (0..64).map(|i| start.abs().max(1e-6) * 1e-7 * 4f32.powi(i));
        steps.map(|step| start - step).find(|&raw| is_below(raw))
    }
}

/// `ln(p / (1 - p))`.
fn log_odds(p: f32) -> f32 {
    (p / (1.0 - p)).ln()
}

/// `1 / (1 + exp(-x))` without overflow.
pub(crate) fn sigmoid(x: f32) -> f32 {
    if x >= 0.0 {
        1.0 / (1.0 + (-x).exp())
    } else {
        let e = x.exp();
        e / (1.0 + e)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A knot is at 0, before which the smallest numbers are: some stretches end a rounding above it.
    fn curved(seed: u32) -> Calibration {
        let noise = |i: usize| ((i as u32 + 1) * 7919 * (seed + 1) % 1009) as f32 / 1009.0;
        let knot = |i: usize| {
            let place = i as f32 - 5.0;
            [place * (0.05 + noise(40)), (place + 0.9 * noise(i + 20)) * 3.1]
        };
        let knots = std::array::from_fn(knot);
        Calibration { curve: Some(Curve(knots)), ..C.with_prior(0.01 + 0.9 * noise(50)) }
    }

    #[test]
    fn nothing_at_or_below_a_floor_reaches_the_logit() {
        let mut steps_down = 0;
        for seed in 0..200 {
            let fit = if seed < 10 { C.with_prior(0.003 * (seed + 1) as f32) } else { curved(seed) };
            let knots: Vec<f32> = fit.curve.iter().flat_map(|curve| curve.0).map(|knot| knot[0]).collect();
            steps_down += knots.iter().filter(|&&x| fit.logit(x.next_down()) > fit.logit(x)).count();
            // The logits of knots and their neighbours, and of points between.
            let near = |&x: &f32| [x.next_down().next_down(), x.next_down(), x, x.next_up()];
            let raws: Vec<f32> =
                knots.iter().flat_map(near).chain((-40..40).map(|i| i as f32 * 0.21)).collect();
            for logit in raws.iter().map(|&raw| fit.logit(raw)) {
                let floor = fit.below(logit).unwrap();
                assert!(raws.iter().all(|&raw| raw > floor || fit.logit(raw) < logit), "{seed}: {logit}");
                // It is no lower than it must be, but for roundings.
                let close = fit.logit(floor + 0.01 * floor.abs().max(1.0));
                assert!(close >= logit, "{seed}: {floor} for {logit}, {close}");
            }
        }
        assert!(steps_down > 0, "no curve of this test loses a rounding at a knot");
        for logit in [f32::NAN, f32::NEG_INFINITY] {
            assert_eq!(C.below(logit).filter(|raw| raw.is_finite()), None, "{logit}");
        }
    }

    const C: Calibration = Calibration {
        slope: 2.0,
        offset: -1.0,
        prior: 0.5,
        natural: 0.1,
        positives: 7,
        curve: None,
        rate: None,
    };

    #[test]
    fn probability_grows_with_the_logit_and_has_an_inverse() {
        let raws = [-30.0f32, -3.0, -0.5, 0.0, 0.25, 1.0, 2.0];
        assert!(raws.windows(2).all(|w| C.probability(w[0]) < C.probability(w[1])));
        for p in [0.01f32, 0.2, 0.5, 0.8, 0.99] {
            assert!((C.probability(C.raw_for(p)) - p).abs() < 1e-5, "{p}");
            let shifted = C.with_prior(0.03);
            assert!((shifted.probability(shifted.raw_for(p)) - p).abs() < 1e-5, "{p}");
        }
    }

    #[test]
    fn prior_moves_the_odds_by_bayes_rule() {
        let half = C.probability(0.3);
        let shifted = C.with_prior(0.1).probability(0.3);
        let odds = half / (1.0 - half) / 9.0;
        assert!((shifted - odds / (1.0 + odds)).abs() < 1e-6);
    }
}
