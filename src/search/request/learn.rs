//! What a learned fusion is made from.

use super::Request;
use crate::error::{Error, ErrorCode, Result};
use crate::index::guarded;
use crate::model::FusionFeatures;
use crate::search::fusion::{FusedDoc, Fusion, features};
use crate::search::legs;

impl Request {
    /// What a learned fusion reads of every document that is in the window of a leg, best first by `rrf`, with its id: the
    /// rows that [`crate::model::FusionLayer::fit`] learns from.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] without keywords or without a media part; those of [`Request::run`].
    pub fn fusion_features(self) -> Result<Vec<(Option<String>, FusionFeatures)>> {
        let shards = self.view.shards.clone();
        guarded(shards.dirs(), || self.features_unguarded())
    }

    fn features_unguarded(self) -> Result<Vec<(Option<String>, FusionFeatures)>> {
        let mut plan = self.fusion(Fusion::Rrf).plan()?;
        plan.depth.whole = true;
        if plan.keywords.is_none() || plan.media.is_none() {
            return Err(Error::new(ErrorCode::BadArgument, "a fusion is learned from queries of two legs")
                .expected("keywords and a media part"));
        }
        let ranking = legs::rank(&plan, None)?;
        let first = |doc: &FusedDoc| doc.shares[0].rank.filter(|rank| *rank == 1).and(doc.shares[0].score);
        let best = ranking.docs.iter().find_map(first).unwrap_or(0.0);
        Ok(ranking.docs.iter().map(|doc| (doc.doc.id.clone(), features(&doc.shares, best))).collect())
    }
}
