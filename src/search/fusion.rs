//! Joining the legs of a query into one ranking, after the global merge of each leg.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use tantivy::DocAddress;

use super::top::RankedDoc;

/// The constant of reciprocal rank fusion (Cormack, Clarke, Buettcher: "Reciprocal rank fusion outperforms Condorcet
/// and individual rank learning methods", 2009).
pub const RRF_K: f32 = 60.0;

/// How keywords and media parts become one ranking.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fusion {
    /// Reciprocal rank fusion: `sum over legs of weight / (60 + rank)`; matches filter AND (keywords OR media leg).
    #[default]
    Rrf,
    /// Keywords only restrict, the network ranks; matches filter AND keywords.
    Metric,
}

/// One leg of a query, ranked best first, with its weight.
#[derive(Debug, Clone, Copy)]
pub struct Leg<'a> {
    /// Documents in order; a document past the end has no rank and gets nothing.
    pub docs: &'a [RankedDoc],
    /// Factor of the leg's share.
    pub weight: f32,
}

/// A document of a fused ranking with its 1-based rank in each leg.
#[derive(Debug, Clone, PartialEq)]
pub struct FusedDoc {
    /// The document, with the fused score.
    pub doc: RankedDoc,
    /// By leg; `None` outside the leg.
    pub ranks: Vec<Option<usize>>,
}

/// Reciprocal rank fusion of `legs`, best first, ties by id. A leg that does not have a document adds nothing.
pub fn rrf(legs: &[Leg<'_>]) -> Vec<FusedDoc> {
    let mut by_address: HashMap<DocAddress, FusedDoc> = HashMap::new();
    for (leg, docs) in legs.iter().enumerate() {
        for (at, doc) in docs.docs.iter().enumerate() {
            let fused = by_address.entry(doc.address).or_insert_with(|| FusedDoc {
                doc: RankedDoc { score: 0.0, ..doc.clone() },
                ranks: vec![None; legs.len()],
            });
            fused.ranks[leg] = Some(at + 1);
        }
    }
    let mut fused: Vec<FusedDoc> = by_address.into_values().collect();
    for doc in &mut fused {
        let share = |(leg, rank): (&Leg<'_>, &Option<usize>)| {
            rank.map_or(0.0, |rank| leg.weight / (RRF_K + rank as f32))
        };
        doc.doc.score = legs.iter().zip(&doc.ranks).map(share).sum();
    }
    fused.sort_by(|a, b| a.doc.order(&b.doc));
    fused
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leg(ids: &[u32]) -> Vec<RankedDoc> {
        let doc =
            |&id: &u32| RankedDoc { score: 0.0, address: DocAddress::new(0, id), id: Some(format!("{id}")) };
        ids.iter().map(doc).collect()
    }

    #[test]
    fn a_document_in_both_legs_wins_and_a_missing_leg_adds_nothing() {
        let (a, b) = (leg(&[1, 2, 3]), leg(&[4, 2]));
        let fused = rrf(&[Leg { docs: &a, weight: 1.0 }, Leg { docs: &b, weight: 1.0 }]);
        let order: Vec<u32> = fused.iter().map(|f| f.doc.address.doc_id).collect();
        assert_eq!(order, [2, 1, 4, 3]);
        assert_eq!(fused[0].ranks, [Some(2), Some(2)]);
        assert_eq!(fused[1].ranks, [Some(1), None]);
        assert!((fused[1].doc.score - 1.0 / 61.0).abs() < 1e-7);
        assert_eq!(fused[1].doc.score, fused[2].doc.score);
    }

    #[test]
    fn weights_turn_the_order_and_an_empty_leg_changes_nothing() {
        let (a, b) = (leg(&[1]), leg(&[2]));
        let fused = rrf(&[Leg { docs: &a, weight: 1.0 }, Leg { docs: &b, weight: 2.0 }]);
        assert_eq!(fused[0].doc.address.doc_id, 2);
        let fused = rrf(&[Leg { docs: &a, weight: 1.0 }, Leg { docs: &[], weight: 9.0 }]);
        assert_eq!((fused.len(), fused[0].doc.address.doc_id), (1, 1));
    }
}
