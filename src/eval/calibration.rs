//! How far probabilities can be trusted.
//!
//! Over all pairs of the split, with weights that bring the rate of matches to `r` (one half, or as it is):
//! - expected calibration error: pairs in the order of probability, cut into 15 bins of equal mass; the mean over the
//!   bins of `|mean probability - rate of matches|` (Naeini et al., "Obtaining well calibrated probabilities using
//!   Bayesian binning", 2015);
//! - Brier skill: `1 - B / (r (1 - r))` with `B` the mean of `(probability - match)^2`: 0 for always saying `r`.
//!
//! Probabilities are shifted to the prior `r` that they are measured at. The precision counts pairs as they are, with
//! the prior that the bundle stores.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::matches::matches;
use super::measures::{direction_name, directions};
use crate::data::{Items, Similarity, TrainingData};
use crate::model::Target;

/// Errors at one rate of matches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtRate {
    /// Expected calibration error, in [0, 1].
    pub ece: f64,
    /// Brier skill score; at most 1, 0 for a constant.
    pub brier_skill: f64,
}

/// Precision of the pairs with probability of at least 0.8.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrecisionAt {
    /// Rate of matches among them; null without such pairs.
    pub value: Option<f64>,
    /// Their number.
    pub pairs: u64,
}

/// Calibration of one direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// `class` or `pair`.
    pub target: &'static str,
    /// The prior that the bundle stores.
    pub prior: f32,
    /// With matches and others weighing the same.
    pub half: AtRate,
    /// With all pairs weighing the same.
    pub natural: AtRate,
    /// At the stored prior.
    #[serde(rename = "precision_at_0.8")]
    pub precision: PrecisionAt,
}

/// One entry per ordered pair of media types. Serialises as `{"image_to_text": {..} or null, ..}`.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationReport {
    /// Names like `image_to_text` and their figures.
    pub each: Vec<(String, Option<Rates>)>,
}

impl Serialize for CalibrationReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.each.len()))?;
        for (name, rates) in &self.each {
            map.serialize_entry(name, rates)?;
        }
        map.end()
    }
}

const BINS: usize = 15;

/// Of the metric network's default target.
pub(super) fn report(items: &Items<'_>, data: &TrainingData) -> CalibrationReport {
    let target = items.bundle.default_target();
    let one = |a, b| rates(items, data, Similarity::Metric(target), target, (a, b));
    each_direction(items, &one)
}

/// Of the dot product of class posteriors, calibrated on the same pairs: what the metric network is to be measured against.
pub(super) fn posterior_report(items: &Items<'_>, data: &TrainingData) -> CalibrationReport {
    each_direction(items, &|a, b| rates(items, data, Similarity::Posterior, Target::Class, (a, b)))
}

fn each_direction(items: &Items<'_>, one: &dyn Fn(usize, usize) -> Option<Rates>) -> CalibrationReport {
    let each = directions(items.media.len()).into_iter();
    CalibrationReport { each: each.map(|(a, b)| (direction_name(items, (a, b)), one(a, b))).collect() }
}

fn rates(
    items: &Items<'_>,
    data: &TrainingData,
    similarity: Similarity,
    target: Target,
    (a, b): (usize, usize),
) -> Option<Rates> {
    let calibration = match similarity {
        Similarity::Posterior => items.bundle.posterior_calibration(a, b)?,
        _ => items.bundle.metric().calibration(target, a, b)?,
    };
    let scores = items.scores(similarity, a, b)?;
    let (positives, negatives) = matches((items, items), data, target, a, b, &scores);
    if positives.is_empty() || negatives.is_empty() {
        return None;
    }
    let natural = positives.len() as f64 / (positives.len() + negatives.len()) as f64;
    let at = |rate: f64| {
        let fit = calibration.with_prior(rate as f32);
        let weighted = |scores: &[f32], is_match: f64, mass: f64| -> Vec<(f64, f64, f64)> {
            let weight = mass / scores.len() as f64;
            scores.iter().map(|raw| (f64::from(fit.probability(*raw)), is_match, weight)).collect()
        };
        let pairs = [weighted(&positives, 1.0, rate), weighted(&negatives, 0.0, 1.0 - rate)].concat();
        errors(pairs, rate)
    };
    let confident =
        |scores: &[f32]| scores.iter().filter(|raw| calibration.probability(**raw) >= 0.8).count();
    let (right, wrong) = (confident(&positives), confident(&negatives));
    let count = right + wrong;
    Some(Rates {
        target: target.as_str(),
        prior: calibration.prior,
        half: at(0.5),
        natural: at(natural),
        precision: PrecisionAt {
            value: (count > 0).then(|| right as f64 / count as f64),
            pairs: count as u64,
        },
    })
}

/// Errors of `(probability, match, weight)`, weights summing to 1, at the rate of matches `rate`.
fn errors(mut pairs: Vec<(f64, f64, f64)>, rate: f64) -> AtRate {
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.total_cmp(&b.1)));
    let brier: f64 = pairs.iter().map(|(p, is_match, weight)| weight * (p - is_match).powi(2)).sum();
    let (mut ece, mut mass, mut gap, mut bin) = (0.0, 0.0f64, 0.0f64, 1usize);
    let mut at = 0;
    while at < pairs.len() {
        // Equal probabilities stay in one bin, so that their order does not count.
        let p = pairs[at].0;
        while at < pairs.len() && pairs[at].0 == p {
            let (_, is_match, weight) = pairs[at];
            mass += weight;
            gap += weight * (p - is_match);
            at += 1;
        }
        if mass >= bin as f64 / BINS as f64 - 1e-12 || at == pairs.len() {
            ece += gap.abs();
            gap = 0.0;
            while bin as f64 / BINS as f64 <= mass + 1e-12 {
                bin += 1;
            }
        }
    }
    AtRate { ece, brier_skill: 1.0 - brier / (rate * (1.0 - rate)).max(1e-12) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `n` pairs per probability, of which the rounded share `truth(p)` are matches.
    fn pairs(truth: impl Fn(f64) -> f64) -> (Vec<(f64, f64, f64)>, f64) {
        let mut out = Vec::new();
        for k in 0..300 {
            let p = (k as f64 + 0.5) / 300.0;
            let hits = (truth(p) * 100.0).round() as usize;
            out.extend((0..100).map(|i| (p, f64::from(u8::from(i < hits)), 1.0 / 30_000.0)));
        }
        let rate = out.iter().map(|x| x.1 * x.2).sum();
        (out, rate)
    }

    #[test]
    fn honest_probabilities_have_no_error_and_the_skill_of_their_spread() {
        let (pairs, rate) = pairs(|p| p);
        let at = errors(pairs, rate);
        assert!(at.ece < 0.005, "{at:?}");
        // Uniform honest probabilities: B = E[p(1-p)] = 1/6 against 1/4.
        assert!((at.brier_skill - 1.0 / 3.0).abs() < 0.01, "{at:?}");
    }

    #[test]
    fn overconfidence_shows() {
        let (pairs, rate) = pairs(|p| 0.5 + 0.4 * (p - 0.5));
        let at = errors(pairs, rate);
        // Mean of |p - (0.5 + 0.4 (p - 0.5))| = 0.6 * 1/4.
        assert!((at.ece - 0.15).abs() < 0.01, "{at:?}");
    }

    #[test]
    fn a_constant_has_no_skill() {
        let constant: Vec<_> = (0..10).map(|i| (0.5, f64::from(i % 2), 0.1)).collect();
        let at = errors(constant, 0.5);
        assert!(at.ece < 1e-9 && at.brier_skill.abs() < 1e-9, "{at:?}");
    }
}
