//! Bringing the scores of a leg to one scale.

use serde::{Deserialize, Serialize};

use super::leg::Leg;
use crate::search::similarity::Similarity;

/// How [`Fusion::Linear`](super::Fusion::Linear) brings the scores of a leg to one scale, over the leg's documents after the global merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Normalise {
    /// `(x - min) / (max - min)`; 1 where all are equal.
    MinMax,
    /// The z-score, moved so that the last document of the leg gets 1 and one outside of it 0:
    /// `(x - min) / deviation + 1`.
    ZScore,
    /// The media leg gives its match probability at even odds, whatever the size of the index (`(1 + cosine) / 2`, or the dot
    /// product of posteriors), the keyword leg its share of the best BM25 score. The default, chosen on train rows by `benches/relevance`.
    #[default]
    Probability,
}

/// From the scores of one leg to the scale of a linear fusion.
pub(super) enum Scale {
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
    pub(super) fn of(leg: &Leg<'_>, normalise: Normalise) -> Self {
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

    pub(super) fn apply(&self, score: f32) -> f32 {
        match self {
            Self::Unit(similarity) => similarity.measure().unit_interval(score),
            Self::Affine { from, width, shift, .. } if *width > 0.0 => {
                ((score - from) / width + shift).max(0.0)
            }
            Self::Affine { flat, .. } if score > f32::MIN => *flat,
            Self::Affine { .. } => 0.0,
        }
    }
}
