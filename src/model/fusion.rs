//! A learned fusion: one logistic layer over what the legs of a query say about a document.
//!
//! `score(x) = b + sum_k w_k x_k` with `w_k >= 0`, summed in the order of the entries; its sigmoid is the probability that
//! the document is relevant, for as many relevant documents as others. [`FusionLayer::fit`] learns it from judged
//! queries; it stands in a [`Bundle`](super::bundle::Bundle) beside the calibrations and needs no rebuild of an index.

use serde::{Deserialize, Serialize};

use super::calibration::sigmoid;
use super::metric::Target;
use crate::error::{Error, ErrorCode, Result};

/// Added to a rank before its inverse is taken, as in reciprocal rank fusion.
const RANKS: f32 = 60.0;
/// Media logits are clamped to plus and minus this: beyond it a probability is 0 or 1 to four digits.
const LOGIT: f32 = 10.0;

/// What the layer reads of one document: numbers from 0, each of which grows with relevance.
///
/// A leg that does not have the document gives 0 in all its entries, which is the least that they can be, so that a missing
/// leg never rewards.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FusionFeatures(pub [f32; FusionFeatures::LEN]);

impl FusionFeatures {
    /// Number of entries.
    pub const LEN: usize = 5;

    /// Names of the entries, in their order.
    pub const NAMES: [&'static str; Self::LEN] =
        ["keyword", "keyword_share", "keyword_rank", "media", "media_rank"];

    /// `keyword`: the BM25 score, the best one of the leg, and the 1-based rank; `media`: the calibrated logit and the
    /// 1-based rank. `None` outside the leg.
    ///
    /// Entries: `ln(1 + bm25)`, `bm25 / best` in 0 to 1, `61 / (60 + rank)`; the logit clamped to -10 to 10, plus 10,
    /// `61 / (60 + rank)`. A score below 0 counts as 0, a rank of 0 as 1; NaN stays NaN, which a fit refuses.
    pub fn new(keyword: Option<(f32, f32, usize)>, media: Option<(f32, usize)>) -> Self {
        let by_rank = |rank: usize| (RANKS + 1.0) / (RANKS + rank.max(1) as f32);
        let [amount, share, keyword_rank] = keyword.map_or([0.0; 3], |(bm25, best, rank)| {
            let bm25 = bm25.clamp(0.0, f32::INFINITY);
            let share = if bm25 == 0.0 { 0.0 } else { (bm25 / best).clamp(0.0, 1.0) };
            [bm25.ln_1p(), share, by_rank(rank)]
        });
        let [logit, media_rank] = media.map_or([0.0; 2], |(logit, rank)| {
            // clamp keeps NaN, and infinities end at the bounds.
            [logit.clamp(-LOGIT, LOGIT) + LOGIT, by_rank(rank)]
        });
        Self([amount, share, keyword_rank, logit, media_rank])
    }
}

/// What a layer was learned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FusionCounts {
    /// Queries with documents of different grades; others teach no order and are not counted.
    pub lines: u64,
    /// Their documents of a grade above 0.
    pub positives: u64,
    /// Their documents of grade 0.
    pub negatives: u64,
}

/// The layer: a weight per entry of [`FusionFeatures`] and a bias.
///
/// Invariant: all numbers are finite, no weight is negative and at least one is positive, so the score never falls where
/// an entry grows.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct FusionLayer {
    target: Target,
    weights: [f32; FusionFeatures::LEN],
    bias: f32,
    learned_from: FusionCounts,
}

/// A layer as it is read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    target: Target,
    weights: [f32; FusionFeatures::LEN],
    bias: f32,
    learned_from: FusionCounts,
}

impl TryFrom<Unchecked> for FusionLayer {
    type Error = Error;

    fn try_from(read: Unchecked) -> Result<Self> {
        Self::new(read.target, read.weights, read.bias, read.learned_from)
    }
}

impl FusionLayer {
    /// A layer of known numbers.
    ///
    /// # Errors
    /// [`ErrorCode::NotFinite`]; [`ErrorCode::BadValue`] for a negative weight, or where all weights are 0, since such a
    /// layer ranks nothing.
    pub fn new(
        target: Target,
        weights: [f32; FusionFeatures::LEN],
        bias: f32,
        learned_from: FusionCounts,
    ) -> Result<Self> {
        if !(bias.is_finite() && weights.iter().all(|weight| weight.is_finite())) {
            return Err(Error::new(ErrorCode::NotFinite, "a learned fusion holds NaN or infinity")
                .expected("finite numbers"));
        }
        if weights.iter().any(|weight| *weight < 0.0) || weights.iter().all(|weight| *weight == 0.0) {
            return Err(Error::new(ErrorCode::BadValue, "the weights of a learned fusion rank nothing")
                .expected("no negative weight, and one above 0")
                .got(format!("{weights:?}")));
        }
        Ok(Self { target, weights, bias, learned_from })
    }

    /// What the media logits that it was learned on are about; other logits do not fit it.
    pub fn target(&self) -> Target {
        self.target
    }

    /// The weights, in the order of [`FusionFeatures::NAMES`].
    pub fn weights(&self) -> &[f32; FusionFeatures::LEN] {
        &self.weights
    }

    /// Score of a document that no leg has.
    pub fn bias(&self) -> f32 {
        self.bias
    }

    /// Queries that it was learned from.
    pub fn lines(&self) -> u64 {
        self.learned_from.lines
    }

    /// Documents of a grade above 0 that it was learned from.
    pub fn positives(&self) -> u64 {
        self.learned_from.positives
    }

    /// Documents of grade 0 that it was learned from.
    pub fn negatives(&self) -> u64 {
        self.learned_from.negatives
    }

    /// The log-odds that the document is relevant; ranks by it are those that the layer was learned for.
    ///
    /// Summed in one order, bias first, without fused multiply-add, so every machine gives the same bits. Never falls where
    /// an entry grows.
    pub fn score(&self, features: &FusionFeatures) -> f32 {
        self.weights.iter().zip(&features.0).fold(self.bias, |sum, (weight, x)| sum + weight * x)
    }

    /// The sigmoid of the score, in [0, 1]: the probability of relevance among as many relevant documents as others.
    pub fn probability(&self, features: &FusionFeatures) -> f32 {
        sigmoid(self.score(features))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTS: FusionCounts = FusionCounts { lines: 5, positives: 6, negatives: 70 };

    fn layer() -> FusionLayer {
        FusionLayer::new(Target::Class, [0.5, 0.0, 0.25, 2.0, 1.0], -3.0, COUNTS).unwrap()
    }

    #[test]
    fn entries_are_what_the_names_say() {
        let x = FusionFeatures::new(Some((std::f32::consts::E - 1.0, 6.0, 1)), Some((2.5, 62))).0;
        assert!((x[0] - 1.0).abs() < 1e-6 && (x[1] - 0.286_380_3).abs() < 1e-6, "{x:?}");
        assert_eq!(x[2..], [1.0, 12.5, 0.5]);
        assert_eq!(FusionFeatures::new(None, None).0, [0.0; 5]);
        assert_eq!(FusionFeatures::new(None, Some((-99.0, 1))).0, [0.0, 0.0, 0.0, 0.0, 1.0]);
        assert_eq!(FusionFeatures::new(None, Some((f32::INFINITY, 0))).0[3..], [20.0, 1.0]);
        assert_eq!(FusionFeatures::new(Some((0.0, 0.0, 1)), None).0, [0.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(FusionFeatures::new(Some((-1.0, 3.0, 1)), None).0, [0.0, 0.0, 1.0, 0.0, 0.0]);
        assert!(FusionFeatures::new(Some((f32::NAN, 3.0, 1)), None).0[0].is_nan());
        assert!(FusionFeatures::new(None, Some((f32::NAN, 1))).0[3].is_nan());
    }

    #[test]
    fn more_of_anything_never_scores_less_and_a_missing_leg_scores_least() {
        let layer = layer();
        let ascending = |scores: Vec<f32>| scores.windows(2).all(|two| two[0] <= two[1]);
        let media = Some((0.3, 4));
        let amounts = [0.0, 0.1, 0.5, 1.0, 8.0, 40.0];
        assert!(ascending(
            amounts.iter().map(|&x| layer.score(&FusionFeatures::new(Some((x, 40.0, 5)), media))).collect()
        ));
        let keyword = Some((3.0, 4.0, 2));
        let logits = [-30.0, -10.0, -0.1, 0.0, 0.1, 7.0, 10.0, 11.0];
        assert!(ascending(
            logits.iter().map(|&x| layer.score(&FusionFeatures::new(keyword, Some((x, 9))))).collect()
        ));
        let ranks = [1000, 100, 10, 2, 1];
        assert!(ascending(
            ranks.iter().map(|&x| layer.score(&FusionFeatures::new(keyword, Some((0.0, x))))).collect()
        ));
        let least = |x: [f32; 5], without: [f32; 5]| x.iter().zip(&without).all(|(x, y)| x >= y);
        let worst = FusionFeatures::new(Some((1e-9, 1e9, usize::MAX)), Some((f32::NEG_INFINITY, usize::MAX)));
        assert!(least(worst.0, FusionFeatures::new(None, Some((f32::NEG_INFINITY, usize::MAX))).0));
        assert!(least(worst.0, FusionFeatures::new(Some((1e-9, 1e9, usize::MAX)), None).0));
        assert_eq!(layer.score(&FusionFeatures::new(None, None)), layer.bias());
    }

    #[test]
    fn the_score_is_the_sum_in_order() {
        let layer = layer();
        let x = FusionFeatures([0.1, 0.2, 0.3, 0.4, 0.5]);
        let by_hand = ((((-3.0f32 + 0.5 * 0.1) + 0.0 * 0.2) + 0.25 * 0.3) + 2.0 * 0.4) + 1.0 * 0.5;
        assert_eq!(layer.score(&x).to_bits(), by_hand.to_bits());
        assert!((layer.probability(&x) - 1.0 / (1.0 + (-by_hand).exp())).abs() < 1e-6);
    }

    #[test]
    fn json_reads_back_and_what_is_no_layer_is_refused() {
        let weights = [0.1f32, 1.0e-7, 3.402_823e38, 16_777_217.0, 0.333_333_34];
        let odd = FusionLayer::new(Target::Pair, weights, -0.7, COUNTS).unwrap();
        for layer in [layer(), odd] {
            let text = serde_json::to_string(&layer).unwrap();
            assert_eq!(serde_json::from_str::<FusionLayer>(&text).unwrap(), layer, "{text}");
        }
        let good = serde_json::to_string(&layer()).unwrap();
        for (from, to) in [
            ("0.5,", "-0.5,"),
            ("0.5,", "1e39,"),
            ("0.5,", ""),
            ("0.5,", "null,"),
            ("-3.0", "1e60"),
            ("\"class\"", "\"both\""),
            ("\"bias\"", "\"base\""),
            ("{\"lines\"", "{\"more\":1,\"lines\""),
            ("5,\"positives\"", "-5,\"positives\""),
            ("[0.5,0.0,0.25,2.0,1.0]", "[0.0,0.0,-0.0,0.0,0.0]"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(serde_json::from_str::<FusionLayer>(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_that_rank_nothing_are_named() {
        let code = |weights, bias| FusionLayer::new(Target::Pair, weights, bias, COUNTS).unwrap_err().code();
        assert_eq!(code([0.0; 5], 1.0), ErrorCode::BadValue);
        assert_eq!(code([1.0, 0.0, -1e-9, 0.0, 0.0], 1.0), ErrorCode::BadValue);
        assert_eq!(code([1.0, f32::NAN, 0.0, 0.0, 0.0], 1.0), ErrorCode::NotFinite);
        assert_eq!(code([1.0, f32::INFINITY, 0.0, 0.0, 0.0], 1.0), ErrorCode::NotFinite);
        assert_eq!(code([1.0; 5], f32::NEG_INFINITY), ErrorCode::NotFinite);
    }
}
