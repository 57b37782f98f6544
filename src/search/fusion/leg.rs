//! The legs of a query, and the documents of all of them with what each leg gives.

use std::collections::HashMap;

use serde::Serialize;
use tantivy::DocAddress;

use crate::search::similarity::Similarity;
use crate::search::top::RankedDoc;

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
    /// What enters the fused score: a summand, under [`Fusion::Product`](super::Fusion::Product) a factor.
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

/// The legs' documents as one ranking by `score`, which fills in what each leg contributes.
pub(in crate::search) fn join(legs: &[Leg<'_>], mut score: impl FnMut(&mut [Share]) -> f32) -> Vec<FusedDoc> {
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
