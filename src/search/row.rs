//! One query item against one stored row.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use uncsm_format::{MediaView, Vectors};

use super::scorer::{Similarity, sigmoid};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{Bundle, Calibration, QueryHalf, Target, dot};

/// A query item that is compiled against one media type of items.
#[derive(Debug)]
pub(super) enum RowScorer {
    Metric(QueryHalf),
    /// The two targets, `class` first.
    Both(Box<[QueryHalf; 2]>),
    /// The query vector at length 1.
    Cosine(Vec<f32>),
    Posterior(Vec<f32>, Range<usize>),
}

/// What one target's head says of one row, part by part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct HeadNumbers {
    pub(super) bilinear: f32,
    pub(super) hidden: f32,
    pub(super) bias: f32,
    pub(super) raw: f32,
    pub(super) calibration: Option<Calibration>,
}

impl RowScorer {
    /// `None` where the bundle has no head for this pair of media types.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for posteriors that the bundle does not have.
    pub(super) fn new(
        bundle: &Bundle,
        similarity: Similarity,
        (query_media, item_media): (usize, usize),
        vector: &[f32],
    ) -> Result<Option<Self>> {
        let half = |target| bundle.metric().query_half(target, query_media, item_media, vector);
        Ok(match similarity {
            Similarity::Metric(target) => half(target).map(Self::Metric),
            Similarity::Both => {
                half(Target::Class).zip(half(Target::Pair)).map(|halves| Self::Both(Box::new(halves.into())))
            }
            Similarity::Cosine => {
                let norm = dot(vector, vector).sqrt();
                let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
                Some(Self::Cosine(vector.iter().map(|v| v * inverse).collect()))
            }
            Similarity::Posterior => {
                let range = bundle.posterior().ok_or_else(|| {
                    Error::new(ErrorCode::BadArgument, "the bundle has no class posteriors")
                        .hint("it was trained without --label; use --similarity metric or cosine")
                })?;
                Some(Self::Posterior(vector[range.clone()].to_vec(), range))
            }
        })
    }

    /// What the similarity says of a row: raw logit, cosine, or dot product of posteriors. Under both targets it is the
    /// log-odds of the mean of their probabilities.
    #[inline]
    pub(super) fn raw(&self, row: &Row) -> f32 {
        let raw = match self {
            Self::Metric(query) => query.logit(&row.vector, &row.half),
            Self::Both(heads) => {
                let [class, pair] = heads.each_ref().map(|head| {
                    let raw = head.logit(&row.vector, &row.half);
                    f64::from(head.calibration.map_or(raw, |fit| fit.logit(raw)))
                });
                mixed_log_odds(class, pair)
            }
            Self::Cosine(unit) => dot(unit, &row.vector) * row.inverse_norm,
            Self::Posterior(query, range) => dot(query, &row.vector[range.clone()]),
        };
        // A damaged row must lose against every sound one, and NaN would win under total order.
        if raw.is_finite() { raw } else { f32::MIN }
    }

    /// What documents are ranked by: the calibrated logit where there is a calibration.
    #[inline]
    pub(super) fn value(&self, raw: f32) -> f32 {
        match self {
            Self::Metric(query) => query.calibration.map_or(raw, |calibration| calibration.logit(raw)),
            _ => raw,
        }
    }

    /// Lets probabilities assume another rate of matches.
    pub(super) fn set_prior(&mut self, prior: f32) {
        let heads: &mut [QueryHalf] = match self {
            Self::Metric(query) => std::slice::from_mut(query),
            Self::Both(heads) => &mut **heads,
            Self::Cosine(_) | Self::Posterior(..) => &mut [],
        };
        for head in heads {
            head.calibration = head.calibration.map(|fit| fit.with_prior(prior));
        }
    }

    /// Whether the sigmoid of a value is a probability.
    pub(super) fn is_calibrated(&self) -> bool {
        match self {
            Self::Metric(query) => query.calibration.is_some(),
            Self::Both(heads) => heads.iter().all(|head| head.calibration.is_some()),
            Self::Cosine(_) | Self::Posterior(..) => false,
        }
    }

    /// How much a document loses by being like an unwanted item, at least 0 and growing with `value`: `-ln(1 - p)` for
    /// log-odds of `p`, else the value itself where it is above 0.
    pub(super) fn penalty(&self, value: f32) -> f32 {
        match self {
            Self::Metric(_) | Self::Both(_) => value.max(0.0) + (-value.abs()).exp().ln_1p(),
            Self::Cosine(_) | Self::Posterior(..) => value.max(0.0),
        }
    }

    /// The first-layer query halves `[h]`, by target.
    pub(super) fn query_halves(&self) -> Vec<&QueryHalf> {
        match self {
            Self::Metric(query) => vec![query],
            Self::Both(heads) => heads.iter().collect(),
            Self::Cosine(_) | Self::Posterior(..) => Vec::new(),
        }
    }

    /// The parts of the raw logits of a row, by target.
    pub(super) fn numbers(&self, row: &Row) -> Vec<HeadNumbers> {
        let of = |query: &QueryHalf| {
            let bilinear = dot(&query.bilinear, &row.vector);
            let raw = query.logit(&row.vector, &row.half);
            HeadNumbers {
                bilinear,
                hidden: raw - query.bias - bilinear,
                bias: query.bias,
                raw,
                calibration: query.calibration,
            }
        };
        self.query_halves().into_iter().map(of).collect()
    }
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

/// Room for one row as f32, reused over rows.
#[derive(Default)]
pub(super) struct Row {
    pub(super) vector: Vec<f32>,
    pub(super) half: Vec<f32>,
    pub(super) inverse_norm: f32,
}

impl Row {
    #[inline]
    pub(super) fn load(&mut self, view: &MediaView<'_>, row: usize) {
        self.vector.resize(view.dim, 0.0);
        self.half.resize(view.half, 0.0);
        let at = row * view.dim..(row + 1) * view.dim;
        match view.vectors {
            Vectors::F16(all) => all[at].convert_to_f32_slice(&mut self.vector),
            Vectors::F32(all) => self.vector.copy_from_slice(&all[at]),
        }
        view.halves[row * view.half..(row + 1) * view.half].convert_to_f32_slice(&mut self.half);
        self.inverse_norm = view.inverse_norms[row];
    }
}

/// From a value to 0..=1, growing with it: the match probability of log-odds, `(1 + x) / 2` of a cosine, the dot product
/// of posteriors as it is.
pub(super) fn unit_interval(similarity: Similarity, value: f32) -> f32 {
    match similarity {
        Similarity::Metric(_) | Similarity::Both => sigmoid(value),
        Similarity::Cosine => ((1.0 + value) / 2.0).clamp(0.0, 1.0),
        Similarity::Posterior => value.clamp(0.0, 1.0),
    }
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

    #[test]
    fn a_penalty_is_minus_the_logarithm_of_not_matching() {
        let head = RowScorer::Metric(QueryHalf {
            bilinear: vec![],
            hidden: vec![],
            weights: vec![],
            bias: 0.0,
            calibration: None,
        });
        for x in [-30.0f32, -2.0, 0.0, 1.5, 30.0] {
            let expected = -(1.0 - f64::from(sigmoid(x))).ln();
            if x < 15.0 {
                assert!((f64::from(head.penalty(x)) - expected).abs() < 1e-5, "{x}");
            }
            assert!(head.penalty(x) >= 0.0 && head.penalty(x) >= head.penalty(x - 0.5));
        }
        let cosine = RowScorer::Cosine(vec![]);
        assert_eq!((cosine.penalty(-0.5), cosine.penalty(0.25)), (0.0, 0.25));
    }

    #[test]
    fn every_similarity_grows_into_the_unit_interval() {
        for similarity in
            [Similarity::Metric(Target::Pair), Similarity::Both, Similarity::Cosine, Similarity::Posterior]
        {
            let at: Vec<f32> =
                [-50.0, -1.0, -0.2, 0.3, 0.9, 40.0].map(|x| unit_interval(similarity, x)).to_vec();
            assert!(
                at.iter().all(|p| (0.0..=1.0).contains(p)) && at.windows(2).all(|w| w[0] <= w[1]),
                "{at:?}"
            );
        }
    }
}
