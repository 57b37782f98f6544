//! From raw logits to probabilities: Platt scaling, a monotone curve where there are pairs enough, and a stored prior.
//!
//! `probability = sigmoid(c(raw) + log_odds(prior) - log_odds(1/2))` with `c(raw) = slope * raw + offset` or a curve
//! through knots, fitted on validation pairs that are weighted so that half of the mass is positive. Source: J. Platt, "Probabilistic outputs for support vector machines",
//! 1999; the prior shift is Bayes' rule on the odds.

mod curve;

use serde::{Deserialize, Serialize};

pub use curve::Curve;

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
    /// Assumed rate of matches, in (0, 1); 0.5 where nobody said otherwise.
    pub prior: f32,
    /// Rate of matches among all validation pairs.
    pub natural: f32,
    /// Matches that the fit has seen.
    pub positives: u64,
    /// Takes the place of slope and offset between its ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub curve: Option<Curve>,
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
        self.slope > 0.0 && self.curve.is_none_or(|curve| curve.is_sound())
    }

    /// The same fit under another rate of matches, clamped to `[1e-6, 1 - 1e-6]`.
    #[must_use]
    pub fn with_prior(&self, prior: f32) -> Self {
        Self { prior: prior.clamp(1e-6, 1.0 - 1e-6), ..*self }
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

/// Fits a [`Calibration`] to raw logits and whether each is a match; `None` where a side is missing.
///
/// Positives and negatives get half of the total weight each. Newton's method with step halving on the logistic loss,
/// in f64, over at most 50 rounds; Platt's smoothed targets keep separable data finite.
/// Cost: rounds times pairs.
pub(crate) fn fit(pairs: &[(f32, bool)]) -> Option<Calibration> {
    let positives = pairs.iter().filter(|(_, positive)| *positive).count();
    let negatives = pairs.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    let (n_pos, n_neg) = (positives as f64, negatives as f64);
    // Standardise the raw logits first: Newton then starts well scaled.
    let mean = pairs.iter().map(|p| f64::from(p.0)).sum::<f64>() / pairs.len() as f64;
    let var = pairs.iter().map(|p| (f64::from(p.0) - mean).powi(2)).sum::<f64>() / pairs.len() as f64;
    let scale = var.sqrt().max(1e-12);
    let (target_pos, target_neg) = ((n_pos + 1.0) / (n_pos + 2.0), 1.0 / (n_neg + 2.0));
    let points: Vec<(f64, f64, f64)> = pairs
        .iter()
        .map(|&(raw, positive)| {
            let x = (f64::from(raw) - mean) / scale;
            if positive { (x, target_pos, 0.5 / n_pos) } else { (x, target_neg, 0.5 / n_neg) }
        })
        .collect();
    let loss = |a: f64, b: f64| -> f64 {
        points
            .iter()
            .map(|&(x, t, w)| {
                let z = a * x + b;
                w * (z.max(0.0) - z * t + (-z.abs()).exp().ln_1p())
            })
            .sum()
    };
    let (mut a, mut b) = (1.0f64, 0.0f64);
    let mut current = loss(a, b);
    for _ in 0..50 {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for &(x, t, w) in &points {
            let z = a * x + b;
            let p = if z >= 0.0 { 1.0 / (1.0 + (-z).exp()) } else { z.exp() / (1.0 + z.exp()) };
            let (g, h) = (w * (p - t), w * p * (1.0 - p));
            ga += g * x;
            gb += g;
            haa += h * x * x;
            hab += h * x;
            hbb += h;
        }
        let det = haa * hbb - hab * hab;
        if det.abs() < 1e-18 {
            break;
        }
        let (da, db) = ((hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det);
        let mut step = 1.0;
        let mut improved = false;
        while step > 1e-6 {
            // A slope that is not positive would turn the ranking around: never accepted.
            let (na, nb) = (a - step * da, b - step * db);
            let next = if na > 0.0 { loss(na, nb) } else { f64::INFINITY };
            if next < current {
                improved = current - next > 1e-12;
                (a, b, current) = (na, nb, next);
                break;
            }
            step *= 0.5;
        }
        if !improved {
            break;
        }
    }
    let slope = (a.max(1e-3) / scale) as f32;
    let offset = (b - f64::from(slope) * mean) as f32;
    if !(slope.is_finite() && slope > 0.0 && offset.is_finite()) {
        return None;
    }
    Some(Calibration {
        slope,
        offset,
        prior: 0.5,
        natural: (n_pos / pairs.len() as f64) as f32,
        positives: positives as u64,
        curve: curve::fit(pairs, (slope, offset)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const C: Calibration =
        Calibration { slope: 2.0, offset: -1.0, prior: 0.5, natural: 0.1, positives: 7, curve: None };

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

    #[test]
    fn fit_finds_known_parameters_at_balanced_mass() {
        // Log-odds of the generating process at equal mass: 2x - 1.
        let mut pairs = Vec::new();
        for i in 0..4000 {
            let x = -3.0 + 6.0 * (i as f32) / 4000.0;
            let p = sigmoid(2.0 * x - 1.0);
            let quota = (p * 20.0).round() as usize;
            pairs.extend((0..20).map(|k| (x, k < quota)));
        }
        let fitted = fit(&pairs).unwrap();
        let rate = fitted.natural;
        // The fit is for one half; at the natural rate it gives back the process.
        let natural = fitted.with_prior(rate);
        for x in [-1.0f32, 0.0, 0.5, 1.0, 2.0] {
            assert!((natural.probability(x) - sigmoid(2.0 * x - 1.0)).abs() < 0.02, "{x}");
        }
    }

    #[test]
    fn fit_stays_finite_and_positive_on_hard_input() {
        assert!(fit(&[(1.0, true)]).is_none());
        assert!(fit(&[]).is_none());
        let separable: Vec<(f32, bool)> = (0..100).map(|i| (i as f32, i >= 50)).collect();
        let reversed: Vec<(f32, bool)> = (0..100).map(|i| (i as f32, i < 50)).collect();
        let constant: Vec<(f32, bool)> = (0..10).map(|i| (3.0, i < 5)).collect();
        for pairs in [&separable, &reversed, &constant] {
            let fitted = fit(pairs).unwrap();
            assert!(
                fitted.slope > 0.0 && fitted.slope.is_finite() && fitted.offset.is_finite(),
                "{fitted:?}"
            );
        }
    }
}
