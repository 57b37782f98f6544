//! Weighted mean of normalised scores.

use super::leg::{FusedDoc, Leg, Page, join};
use super::rule::{Rule, Score, Settings};
use super::scale::{Normalise, Scale};
use crate::error::Result;

pub(super) struct Linear;

impl Rule for Linear {
    fn score(&self) -> Score {
        Score::Apart(|legs, settings, page| joined(legs, settings.normalise, page))
    }

    fn formula(&self, settings: &Settings, _: &str) -> String {
        let scale = match settings.normalise {
            Normalise::MinMax => "(score - min) / (max - min)",
            Normalise::ZScore => "(score - min) / deviation + 1",
            Normalise::Probability => "match probability, and score / best score of the keywords",
        };
        format!("sum over legs of weight x normalised / sum of weights; normalised = {scale}")
    }
}

/// Weighted mean of normalised scores, best first, ties by id. A leg that does not have a document adds nothing.
pub fn linear(legs: &[Leg<'_>], normalise: Normalise) -> Vec<FusedDoc> {
    // Only a missing id could fail.
    joined(legs, normalise, Page::ALL).unwrap_or_default()
}

pub(super) fn joined(legs: &[Leg<'_>], normalise: Normalise, page: Page<'_>) -> Result<Vec<FusedDoc>> {
    let scales: Vec<Scale> = legs.iter().map(|leg| Scale::of(leg, normalise)).collect();
    let sum: f32 = legs.iter().map(|leg| leg.weight).sum();
    join(legs, page, |shares| {
        for ((leg, scale), share) in legs.iter().zip(&scales).zip(shares.iter_mut()) {
            share.normalised = share.score.map(|score| scale.apply(score));
            share.contribution = share.normalised.map_or(0.0, |n| leg.weight * n / sum);
        }
        shares.iter().map(|share| share.contribution).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::fusion::tests::{leg, of};

    #[test]
    fn linear_scales_by_its_formulas() {
        let a = leg(&[1, 2, 3]); // 3, 2, 1
        let got = |normalise| -> Vec<f32> {
            linear(&[of(&a, 2.0), of(&[], 2.0)], normalise).iter().map(|f| f.doc.score).collect()
        };
        assert_eq!(got(Normalise::MinMax), [0.5, 0.25, 0.0]);
        let deviation = (2.0f32 / 3.0).sqrt();
        let expected = [(2.0 / deviation + 1.0) / 2.0, (1.0 / deviation + 1.0) / 2.0, 0.5];
        for (got, expected) in got(Normalise::ZScore).iter().zip(expected) {
            assert!((got - expected).abs() < 1e-6);
        }
        assert_eq!(got(Normalise::Probability), [0.5, 1.0 / 3.0, 1.0 / 6.0]);
    }

    #[test]
    fn equal_scores_of_a_leg_count_in_full_and_damage_flattens_nothing() {
        let mut a = leg(&[1, 2]);
        a[1].score = a[0].score;
        let flat = linear(&[of(&a, 1.0)], Normalise::MinMax);
        assert_eq!((flat[0].doc.score, flat[1].doc.score), (1.0, 1.0));
        let mut b = leg(&[1, 2, 3]);
        b[2].score = f32::MIN;
        for normalise in [Normalise::MinMax, Normalise::ZScore, Normalise::Probability] {
            let scores: Vec<f32> = linear(&[of(&b, 1.0)], normalise).iter().map(|f| f.doc.score).collect();
            assert!(scores.iter().all(|x| x.is_finite() && *x >= 0.0), "{scores:?}");
            assert!(scores[0] > scores[1] && scores[1] >= scores[2], "{normalise:?} {scores:?}");
        }
    }
}
