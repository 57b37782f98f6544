//! The legs of a query, and the documents of all of them with what each leg gives.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use serde::Serialize;
use tantivy::DocAddress;

use crate::error::Result;
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

/// Which part of a fused ranking is made, and where the ids of its documents come from.
#[derive(Clone, Copy)]
pub(in crate::search) struct Page<'p> {
    /// How many of the best.
    pub(in crate::search) end: usize,
    /// Fills in ids that are missing.
    pub(in crate::search) name: &'p Name<'p>,
}

/// See [`Page::name`].
type Name<'p> = dyn Fn(&mut [FusedDoc]) -> Result<()> + 'p;

impl Page<'static> {
    /// All of a ranking whose documents have their ids.
    pub(super) const ALL: Self = Self { end: usize::MAX, name: &|_| Ok(()) };
}

/// The best of the legs' documents as one ranking by `score`, which fills in what each leg contributes. Ids are read of what stands
/// on the page, and of what is equal to its last.
pub(in crate::search) fn join(
    legs: &[Leg<'_>],
    page: Page<'_>,
    mut score: impl FnMut(&mut [Share]) -> f32,
) -> Result<Vec<FusedDoc>> {
    let most = legs.iter().map(|leg| leg.docs.len()).sum();
    let mut places: HashMap<DocAddress, u32, BuildHasherDefault<Spread>> =
        HashMap::with_capacity_and_hasher(most, BuildHasherDefault::default());
    // Ranks by place and leg; 0 for none.
    let mut ranks: Vec<u32> = Vec::with_capacity(most * legs.len());
    for (leg, docs) in legs.iter().enumerate() {
        for (rank, doc) in (1..).zip(docs.docs) {
            let next = places.len() as u32;
            let place = *places.entry(doc.address).or_insert(next) as usize;
            ranks.resize(ranks.len().max((place + 1) * legs.len()), 0);
            ranks[place * legs.len() + leg] = rank;
        }
    }
    let mut shares = vec![Share::default(); legs.len()];
    let mut fill = |shares: &mut [Share], ranks: &[u32]| {
        for ((share, leg), &rank) in shares.iter_mut().zip(legs).zip(ranks) {
            let at = (rank as usize).checked_sub(1);
            *share = Share {
                rank: at.map(|at| at + 1),
                score: at.map(|at| leg.docs[at].score),
                ..Share::default()
            };
        }
        score(shares)
    };
    let by_place = || ranks.chunks_exact(legs.len().max(1));
    let scores: Vec<f32> = by_place().map(|ranks| fill(&mut shares, ranks)).collect();
    let mut least = f32::NEG_INFINITY;
    if page.end < scores.len() {
        let Some(last) = page.end.checked_sub(1) else { return Ok(Vec::new()) };
        least = *scores.clone().select_nth_unstable_by(last, |a, b| b.total_cmp(a)).1;
    }
    let mut fused = Vec::new();
    for (ranks, &score) in by_place().zip(&scores) {
        if page.end < scores.len() && score.total_cmp(&least).is_lt() {
            continue;
        }
        let found = ranks.iter().zip(legs).find(|(rank, _)| **rank > 0);
        let Some((&rank, leg)) = found else { continue };
        let doc = RankedDoc { score, ..leg.docs[rank as usize - 1].clone() };
        let mut shares = vec![Share::default(); legs.len()];
        fill(&mut shares, ranks);
        fused.push(FusedDoc { doc, shares });
    }
    (page.name)(&mut fused)?;
    fused.sort_by(|a, b| a.doc.order(&b.doc));
    fused.truncate(page.end);
    Ok(fused)
}

/// Hashes addresses, which nobody chooses: a product spreads them well, at a tenth of the cost of a hash that is safe.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        // Tables take the low bits and the highest seven.
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u32(byte.into()));
    }

    fn write_u32(&mut self, part: u32) {
        self.0 = (self.0.rotate_left(23) ^ u64::from(part)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::search::fusion::{Normalise, linear, rrf};

    /// A leg in its order, of documents of two segments that may be in other legs too.
    fn docs() -> impl Strategy<Value = Vec<RankedDoc>> {
        proptest::collection::btree_map((0u32..2, 0u32..40), -3i8..4, 0..50).prop_map(|docs| {
            let ranked = |((segment, doc), score): ((u32, u32), i8)| RankedDoc {
                score: f32::from(score),
                address: DocAddress::new(segment, doc),
                id: id(segment, doc),
            };
            let mut docs: Vec<RankedDoc> = docs.into_iter().map(ranked).collect();
            docs.sort_by(RankedDoc::order);
            docs
        })
    }

    /// Some have none, and their order is not that of addresses.
    fn id(segment: u32, doc: u32) -> Option<String> {
        (doc % 7 != 3).then(|| format!("{:02}", (doc * 37 + segment * 11) % 80))
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_page_is_the_beginning_of_the_whole_and_its_ids_alone_are_read(
            legs in proptest::collection::vec((docs(), 0u8..3), 1..4), end in 0usize..60, by_rank in any::<bool>(),
        ) {
            // Without any weight there is no mean.
            prop_assume!(legs.iter().any(|(_, weight)| *weight > 0));
            let bare = |docs: &Vec<RankedDoc>| -> Vec<RankedDoc> {
                docs.iter().map(|doc| RankedDoc { id: None, ..doc.clone() }).collect()
            };
            let bares: Vec<Vec<RankedDoc>> = legs.iter().map(|(docs, _)| bare(docs)).collect();
            let leg = |docs, weight: &u8| Leg { docs, weight: f32::from(*weight), similarity: None };
            let whole: Vec<Leg<'_>> = legs.iter().map(|(docs, weight)| leg(docs, weight)).collect();
            let bares: Vec<Leg<'_>> = bares.iter().zip(&legs).map(|(docs, (_, weight))| leg(docs, weight)).collect();
            let named = std::cell::Cell::new(0);
            let name = |fused: &mut [FusedDoc]| {
                named.set(fused.len());
                fused.iter_mut().for_each(|f| f.doc.id = id(f.doc.address.segment_ord, f.doc.address.doc_id));
                Ok(())
            };
            let page = Page { end, name: &name };
            let (expected, got) = match by_rank {
                true => (rrf(&whole, 60.0), crate::search::fusion::rrf::joined(&bares, 60.0, page).unwrap()),
                false => {
                    let normalise = Normalise::MinMax;
                    (linear(&whole, normalise), crate::search::fusion::linear::joined(&bares, normalise, page).unwrap())
                }
            };
            let last = end.checked_sub(1).and_then(|last| expected.get(last)).map(|f| f.doc.score);
            let equal = |f: &&FusedDoc| last.is_none_or(|last| f.doc.score.total_cmp(&last).is_ge());
            let read = if end == 0 { 0 } else { expected.iter().filter(equal).count() };
            prop_assert_eq!(&got[..], &expected[..end.min(expected.len())]);
            prop_assert_eq!(named.get(), read);
        }
    }
}
