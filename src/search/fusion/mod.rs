//! Joining the legs of a query into one ranking: one file per fusion, and the table of all.
//!
//! Every formula grows with the score of every leg, and gives a document that a leg does not have nothing for it: a missing
//! leg never rewards, and two legs are never weighed against each other inside a segment or an index. (Of two documents of a
//! leg the better one always gets more; under [`Normalise::ZScore`] a better best one also widens the deviation, so that
//! what it gets itself may shrink.)
//!
//! A new one is a file with a [`Rule`], a variant of [`Fusion`] and its line in [`Fusion::rule`].

mod learned;
mod leg;
mod linear;
mod metric;
mod product;
mod rrf;
mod rule;
mod scale;

use serde::{Deserialize, Serialize};

pub use leg::{FusedDoc, Leg, Share};
pub use linear::linear;
pub use rrf::{RRF_K, rrf};
pub use scale::Normalise;

pub(in crate::search) use learned::features;
pub(in crate::search) use leg::Page;
pub(in crate::search) use rule::{Asked, Joined, Rule, Score, Settings};

/// How keywords and media parts become one ranking. `w` are the weights of the legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Fusion {
    /// Reciprocal rank fusion: `sum over legs of w / (k + rank)`; matches filter AND (keywords OR media leg).
    #[default]
    Rrf,
    /// `sum over legs of w n / sum of w` with normalised scores `n` ([`Normalise`]); matches as [`Fusion::Rrf`].
    Linear,
    /// `bm25 ^ w_keyword * p ^ w_media`, where `p` in 0 to 1 is the match probability at even odds (`(1 + cosine) / 2`, or the dot
    /// product of posteriors), 0 without an item; matches filter AND keywords.
    Product,
    /// Keywords only restrict, the network ranks; matches filter AND keywords.
    Metric,
    /// The bundle's own layer ([`crate::model::FusionLayer`]), trained from relevance or clicks; matches as
    /// [`Fusion::Rrf`].
    Learned,
}

impl Fusion {
    pub(in crate::search) fn rule(self) -> &'static dyn Rule {
        match self {
            Self::Rrf => &rrf::Rrf,
            Self::Linear => &linear::Linear,
            Self::Product => &product::Product,
            Self::Metric => &metric::Metric,
            Self::Learned => &learned::Learned,
        }
    }
}

#[cfg(test)]
mod tests {
    use tantivy::DocAddress;

    use super::*;
    use crate::search::top::RankedDoc;

    pub(super) fn leg(ids: &[u32]) -> Vec<RankedDoc> {
        let best = ids.len() as f32;
        let docs = ids.iter().enumerate();
        docs.map(|(at, &id)| RankedDoc {
            score: best - at as f32,
            address: DocAddress::new(0, id),
            id: Some(format!("{id}")),
        })
        .collect()
    }

    pub(super) fn of(docs: &[RankedDoc], weight: f32) -> Leg<'_> {
        Leg { docs, weight, similarity: None }
    }

    pub(super) fn order(fused: &[FusedDoc]) -> Vec<u32> {
        fused.iter().map(|f| f.doc.address.doc_id).collect()
    }
}
