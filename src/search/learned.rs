//! The fusion that a bundle has learned: its layer over the legs of a query.

use super::fusion::{FusedDoc, Leg, Share, join};
use crate::model::{FusionFeatures, FusionLayer};

/// Entries of [`FusionFeatures`] that stem from the keyword leg; the others stem from the media leg.
const KEYWORD_ENTRIES: usize = 3;

/// The features of a document by the keyword leg and the media leg, in this order.
pub(super) fn features(shares: &[Share], best_keyword: f32) -> FusionFeatures {
    let of = |leg: usize| shares.get(leg).and_then(|share| share.score.zip(share.rank));
    let keyword = of(0).map(|(score, rank)| (score, best_keyword, rank));
    FusionFeatures::new(keyword, of(1))
}

/// Ranks by the layer's logit, best first, ties by id. `legs` are the keyword leg and the media leg.
pub(super) fn fuse(legs: &[Leg<'_>], layer: &FusionLayer) -> Vec<FusedDoc> {
    let best = legs.first().and_then(|leg| leg.docs.first()).map_or(0.0, |doc| doc.score);
    join(legs, |shares| {
        let features = features(shares, best);
        for (leg, share) in shares.iter_mut().enumerate() {
            let own = |entry: usize| (entry < KEYWORD_ENTRIES) == (leg == 0);
            let terms = layer.weights().iter().zip(&features.0).enumerate();
            share.contribution = terms.filter(|(entry, _)| own(*entry)).map(|(_, (w, x))| w * x).sum();
        }
        layer.score(&features)
    })
}
