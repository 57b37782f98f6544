//! Reciprocal rank fusion.

use super::leg::{FusedDoc, Leg, Page, join};
use super::rule::{Rule, Score, Settings};
use crate::error::Result;

/// The constant of reciprocal rank fusion (Cormack, Clarke, Buettcher: "Reciprocal rank fusion outperforms Condorcet
/// and individual rank learning methods", 2009).
pub const RRF_K: f32 = 60.0;

pub(super) struct Rrf;

impl Rule for Rrf {
    fn score(&self) -> Score {
        Score::Apart(|legs, settings, page| joined(legs, settings.rrf_k, page))
    }

    fn formula(&self, settings: &Settings, _: &str) -> String {
        format!("sum over legs of weight / ({} + rank)", settings.rrf_k)
    }
}

/// Reciprocal rank fusion of `legs`, best first, ties by id. A leg that does not have a document adds nothing.
pub fn rrf(legs: &[Leg<'_>], k: f32) -> Vec<FusedDoc> {
    // Only a missing id could fail.
    joined(legs, k, Page::ALL).unwrap_or_default()
}

pub(super) fn joined(legs: &[Leg<'_>], k: f32, page: Page<'_>) -> Result<Vec<FusedDoc>> {
    join(legs, page, |shares| {
        for (leg, share) in legs.iter().zip(shares.iter_mut()) {
            share.normalised = share.rank.map(|rank| 1.0 / (k + rank as f32));
            share.contribution = share.normalised.map_or(0.0, |n| leg.weight * n);
        }
        shares.iter().map(|share| share.contribution).sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::fusion::tests::{leg, of, order};
    use crate::search::fusion::{Normalise, Share, linear};

    #[test]
    fn a_document_in_both_legs_wins_and_a_missing_leg_adds_nothing() {
        let (a, b) = (leg(&[1, 2, 3]), leg(&[4, 2]));
        let fused = rrf(&[of(&a, 1.0), of(&b, 1.0)], RRF_K);
        assert_eq!(order(&fused), [2, 1, 4, 3]);
        let ranks: Vec<_> = fused[0].shares.iter().map(|share| share.rank).collect();
        assert_eq!(ranks, [Some(2), Some(2)]);
        assert_eq!(fused[1].shares[1], Share::default());
        assert!((fused[1].doc.score - 1.0 / 61.0).abs() < 1e-7);
        assert_eq!(fused[1].doc.score, fused[2].doc.score);
    }

    #[test]
    fn weights_turn_the_order_and_an_empty_leg_changes_nothing() {
        let (a, b) = (leg(&[1]), leg(&[2]));
        let fused = rrf(&[of(&a, 1.0), of(&b, 2.0)], RRF_K);
        assert_eq!(fused[0].doc.address.doc_id, 2);
        for normalise in [Normalise::MinMax, Normalise::ZScore, Normalise::Probability] {
            let fused = linear(&[of(&a, 1.0), of(&b, 2.0)], normalise);
            assert_eq!(fused[0].doc.address.doc_id, 2, "{normalise:?}");
        }
        let fused = rrf(&[of(&a, 1.0), of(&[], 9.0)], RRF_K);
        assert_eq!((fused.len(), fused[0].doc.address.doc_id), (1, 1));
    }
}
