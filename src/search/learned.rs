//! The fusion that a bundle has learned: its layer over the legs of a query.

use super::fusion::{FusedDoc, Leg, Share, join};
use super::legs;
use super::request::Request;
use crate::error::{Error, ErrorCode, Result};
use crate::index::guarded;
use crate::model::{FusionFeatures, FusionLayer};

/// Entries of [`FusionFeatures`] that stem from the keyword leg; the others stem from the media leg.
const KEYWORD_ENTRIES: usize = 3;

/// The features of a document by the keyword leg and the media leg, in this order.
fn features(shares: &[Share], best_keyword: f32) -> FusionFeatures {
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

impl Request<'_> {
    /// What a learned fusion reads of every document that is in the window of a leg, best first by `rrf`, with its id: the
    /// rows that [`crate::model::FusionLayer::fit`] learns from.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] without keywords or without a media part; those of [`Request::run`].
    pub fn fusion_features(self) -> Result<Vec<(Option<String>, FusionFeatures)>> {
        let shards = &self.engine.shards;
        guarded(shards.dirs(), || self.features_unguarded())
    }

    fn features_unguarded(self) -> Result<Vec<(Option<String>, FusionFeatures)>> {
        let request = self.fusion(super::fusion::Fusion::Rrf);
        let plan = request.plan()?;
        if plan.keywords.is_none() || plan.media.is_none() {
            return Err(Error::new(ErrorCode::BadArgument, "a fusion is learned from queries of two legs")
                .expected("keywords and a media part"));
        }
        let ranking = legs::rank(&request, &plan, None)?;
        let first = |doc: &FusedDoc| doc.shares[0].rank.filter(|rank| *rank == 1).and(doc.shares[0].score);
        let best = ranking.docs.iter().find_map(first).unwrap_or(0.0);
        Ok(ranking.docs.iter().map(|doc| (doc.doc.id.clone(), features(&doc.shares, best))).collect())
    }
}
