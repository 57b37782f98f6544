//! Joining the legs of a query into one ranking, after the global merge of each leg.
//!
//! Every formula grows with the score of every leg, and gives a document that a leg does not have nothing for it: a missing
//! leg never rewards, and two legs are never weighed against each other inside a segment or an index. (Of two documents of a
//! leg the better one always gets more; under [`Normalise::ZScore`] a better best one also widens the deviation, so that
//! what it gets itself may shrink.)

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tantivy::DocAddress;

use super::row::unit_interval;
use super::scorer::Similarity;
use super::top::RankedDoc;

/// The constant of reciprocal rank fusion (Cormack, Clarke, Buettcher: "Reciprocal rank fusion outperforms Condorcet
/// and individual rank learning methods", 2009).
pub const RRF_K: f32 = 60.0;

/// How keywords and media parts become one ranking. `w` are the weights of the legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fusion {
    /// Reciprocal rank fusion: `sum over legs of w / (k + rank)`; matches filter AND (keywords OR media leg).
    #[default]
    Rrf,
    /// `sum over legs of w n / sum of w` with normalised scores `n` ([`Normalise`]); matches as [`Fusion::Rrf`].
    Linear,
    /// `bm25 ^ w_keyword * p ^ w_media`, where `p` in 0 to 1 is the match probability (`(1 + cosine) / 2`, or the dot
    /// product of posteriors), 0 without an item; matches filter AND keywords.
    Product,
    /// Keywords only restrict, the network ranks; matches filter AND keywords.
    Metric,
    /// The bundle's own layer ([`crate::model::FusionLayer`]), trained from relevance or clicks; matches as
    /// [`Fusion::Rrf`].
    Learned,
}

/// How [`Fusion::Linear`] brings the scores of a leg to one scale, over the leg's documents after the global merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalise {
    /// `(x - min) / (max - min)`; 1 where all are equal.
    MinMax,
    /// The z-score, moved so that the last document of the leg gets 1 and one outside of it 0:
    /// `(x - min) / deviation + 1`.
    ZScore,
    /// The media leg gives its match probability (`(1 + cosine) / 2`, or the dot product of posteriors), the keyword leg
    /// its share of the best BM25 score. The default, chosen on train rows by `benches/relevance`.
    #[default]
    Probability,
}

/// One leg of a query, ranked best first, with its weight.
#[derive(Debug, Clone, Copy)]
pub struct Leg<'a> {
    /// Documents in order; a document past the end has no rank and gets nothing.
    pub docs: &'a [RankedDoc],
    /// Factor of the leg's share.
    pub weight: f32,
    /// What the scores are: BM25 where there is none.
    pub similarity: Option<Similarity>,
}

/// What one leg gives a document of a fused ranking.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
#[non_exhaustive]
pub struct Share {
    /// 1-based; `None` outside the leg.
    pub rank: Option<usize>,
    /// The leg's own score of it, where it has a rank.
    pub score: Option<f32>,
    /// The score on the scale of the fusion.
    pub normalised: Option<f32>,
    /// What enters the fused score: a summand, under [`Fusion::Product`] a factor.
    pub contribution: f32,
}

/// A document of a fused ranking.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FusedDoc {
    /// The document, with the fused score.
    pub doc: RankedDoc,
    /// By leg.
    pub shares: Vec<Share>,
}

/// Reciprocal rank fusion of `legs`, best first, ties by id. A leg that does not have a document adds nothing.
pub fn rrf(legs: &[Leg<'_>], k: f32) -> Vec<FusedDoc> {
    join(legs, |shares| {
        for (leg, share) in legs.iter().zip(shares.iter_mut()) {
            share.normalised = share.rank.map(|rank| 1.0 / (k + rank as f32));
            share.contribution = share.normalised.map_or(0.0, |n| leg.weight * n);
        }
        shares.iter().map(|share| share.contribution).sum()
    })
}

/// Weighted mean of normalised scores, best first, ties by id. A leg that does not have a document adds nothing.
pub fn linear(legs: &[Leg<'_>], normalise: Normalise) -> Vec<FusedDoc> {
    let scales: Vec<Scale> = legs.iter().map(|leg| Scale::of(leg, normalise)).collect();
    let sum: f32 = legs.iter().map(|leg| leg.weight).sum();
    join(legs, |shares| {
        for ((leg, scale), share) in legs.iter().zip(&scales).zip(shares.iter_mut()) {
            share.normalised = share.score.map(|score| scale.apply(score));
            share.contribution = share.normalised.map_or(0.0, |n| leg.weight * n / sum);
        }
        shares.iter().map(|share| share.contribution).sum()
    })
}

/// `keyword ^ w_keyword * media ^ w_media` for a BM25 score and a media value in 0 to 1; 0 where one of them is 0 and has a
/// weight.
pub fn product_score(keyword: f32, media: f32, weights: (f32, f32)) -> f32 {
    let [keyword, media] = product_factors(keyword, media, weights);
    keyword * media
}

pub(super) fn product_factors(keyword: f32, media: f32, weights: (f32, f32)) -> [f32; 2] {
    // Boosts of a million to the eighth power leave the range of f32, and a factor of 0 must stay one.
    let factor = |base: f32, weight: f32| {
        if weight == 0.0 { 1.0 } else { base.max(0.0).powf(weight).min(f32::MAX) }
    };
    [factor(keyword, weights.0), factor(media, weights.1)]
}

/// The legs' documents as one ranking by `score`, which fills in what each leg contributes.
pub(super) fn join(legs: &[Leg<'_>], mut score: impl FnMut(&mut [Share]) -> f32) -> Vec<FusedDoc> {
    let mut by_address: HashMap<DocAddress, FusedDoc> = HashMap::new();
    for (leg, docs) in legs.iter().enumerate() {
        for (at, doc) in docs.docs.iter().enumerate() {
            let fused = by_address.entry(doc.address).or_insert_with(|| FusedDoc {
                doc: RankedDoc { score: 0.0, ..doc.clone() },
                shares: vec![Share::default(); legs.len()],
            });
            fused.shares[leg] = Share { rank: Some(at + 1), score: Some(doc.score), ..Share::default() };
        }
    }
    let mut fused: Vec<FusedDoc> = by_address.into_values().collect();
    for doc in &mut fused {
        doc.doc.score = score(&mut doc.shares);
    }
    fused.sort_by(|a, b| a.doc.order(&b.doc));
    fused
}

/// From the scores of one leg to the scale of a linear fusion.
enum Scale {
    /// `(x - from) / width + shift`, and `flat` where the width is 0.
    Affine {
        from: f32,
        width: f32,
        shift: f32,
        flat: f32,
    },
    Unit(Similarity),
}

impl Scale {
    fn of(leg: &Leg<'_>, normalise: Normalise) -> Self {
        // Damaged rows score f32::MIN, and would flatten all others.
        let sound = || leg.docs.iter().map(|doc| doc.score).filter(|&score| score > f32::MIN);
        let (min, max) = sound().fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), x| (a.min(x), b.max(x)));
        match (normalise, leg.similarity) {
            (Normalise::MinMax, _) => Self::Affine { from: min, width: max - min, shift: 0.0, flat: 1.0 },
            (Normalise::ZScore, _) => {
                let n = sound().count() as f64;
                let mean = sound().map(f64::from).sum::<f64>() / n;
                let variance = sound().map(|x| (f64::from(x) - mean).powi(2)).sum::<f64>() / n;
                Self::Affine { from: min, width: variance.sqrt() as f32, shift: 1.0, flat: 1.0 }
            }
            (Normalise::Probability, Some(similarity)) => Self::Unit(similarity),
            (Normalise::Probability, None) => Self::Affine { from: 0.0, width: max, shift: 0.0, flat: 0.0 },
        }
    }

    fn apply(&self, score: f32) -> f32 {
        match self {
            Self::Unit(similarity) => unit_interval(*similarity, score),
            Self::Affine { from, width, shift, .. } if *width > 0.0 => {
                ((score - from) / width + shift).max(0.0)
            }
            Self::Affine { flat, .. } if score > f32::MIN => *flat,
            Self::Affine { .. } => 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(ids: &[u32]) -> Vec<RankedDoc> {
        let best = ids.len() as f32;
        let docs = ids.iter().enumerate();
        docs.map(|(at, &id)| RankedDoc {
            score: best - at as f32,
            address: DocAddress::new(0, id),
            id: Some(format!("{id}")),
        })
        .collect()
    }

    fn of(docs: &[RankedDoc], weight: f32) -> Leg<'_> {
        Leg { docs, weight, similarity: None }
    }

    fn order(fused: &[FusedDoc]) -> Vec<u32> {
        fused.iter().map(|f| f.doc.address.doc_id).collect()
    }

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

    #[test]
    fn product_needs_both_sides() {
        assert_eq!(product_score(8.0, 0.5, (1.0, 1.0)), 4.0);
        assert_eq!(product_score(8.0, 0.0, (1.0, 1.0)), 0.0);
        assert_eq!(product_score(0.0, 0.9, (0.5, 2.0)), 0.0);
        assert_eq!(product_score(1e13, 0.0, (8.0, 1.0)), 0.0);
        assert!(product_score(1e13, 1.0, (8.0, 1.0)).is_finite());
        // Without a weight a side has no say, not even a missing one.
        assert_eq!(product_score(8.0, 0.0, (1.0, 0.0)), 8.0);
        assert!(product_score(8.0, 0.6, (0.3, 2.0)) > product_score(8.0, 0.5, (0.3, 2.0)));
        assert!(product_score(9.0, 0.5, (0.3, 2.0)) > product_score(8.0, 0.5, (0.3, 2.0)));
    }
}
