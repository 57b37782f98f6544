//! From a ranking to hits, with every number that made them.

use std::collections::HashMap;
use std::sync::Arc;

use tantivy::DocAddress;
use tantivy::query::Weight;

use super::response::{Hit, HitItem, LegScore, Response};
use super::{explain, facets};
use crate::error::Result;
use crate::index::SegmentVectors;
use crate::search::fusion::{FusedDoc, Share};
use crate::search::legs::{self, Ranking};
use crate::search::plan::Plan;
use crate::search::plan::asked::ListItems;
use crate::search::scorer::{BestItem, DocScorer};

/// Runs what is left to run of a plan, whose legs are `ranking`, and shows the best.
pub(crate) fn respond(plan: &Plan, ranking: &Ranking) -> Result<Response> {
    let (facets, aggregations) = facets::count(plan, ranking)?;
    let keywords = plan.keywords.as_ref();
    let mut shown: Vec<FusedDoc> =
        ranking.docs.iter().skip(plan.depth.offset).take(plan.depth.k).cloned().collect();
    plan.view.name(shown.iter_mut().map(|fused| &mut fused.doc))?;
    let mut keyword = ranked_scores(ranking, &shown);
    // What has a rank was scored, and where all matches have one, others do not match.
    let is_known = ranking.has_all_keywords || keyword.len() == shown.len();
    let needs = plan.explains || !(is_known || shown.is_empty());
    let weights = keywords.filter(|_| needs).map(|query| plan.view.shards.weights(&**query)).transpose()?;
    if let Some(weights) = weights.as_ref().filter(|_| !is_known) {
        keyword = keyword_scores(plan, weights, &shown)?;
    }
    let assembly = Assembly { plan, ranking, weights, keyword };
    let mut hits = Vec::with_capacity(shown.len());
    for (at, doc) in shown.iter().enumerate() {
        plan.budget.check_cancelled()?;
        let at = plan.depth.offset + at;
        let mut hit = assembly.hit(at + 1, doc)?;
        if let Some(placed) = ranking.placed.get(at) {
            (hit.sort, hit.collapsed) = (placed.sort.clone(), placed.others);
        }
        hits.push(hit);
    }
    Ok(Response {
        hits,
        candidates: ranking.candidates,
        matched: ranking.matched,
        scored: ranking.scored,
        exact: ranking.exact && !ranking.partial,
        partial: ranking.partial,
        facets,
        aggregations,
        warnings: plan.warnings.clone(),
        did_you_mean: plan.did_you_mean.clone(),
        plan: plan.explains.then(|| explain::plan(plan)),
    })
}

struct Assembly<'r> {
    plan: &'r Plan,
    ranking: &'r Ranking,
    /// The compiled keywords, by shard.
    weights: Option<Vec<Box<dyn Weight>>>,
    /// BM25 of what is shown, where the keywords match it.
    keyword: HashMap<DocAddress, f32>,
}

impl Assembly<'_> {
    fn hit(&self, rank: usize, fused: &FusedDoc) -> Result<Hit> {
        let (plan, address) = (self.plan, fused.doc.address);
        let shards = &plan.view.shards;
        let (shard_at, shard, inside) = shards.at(address);
        let (reader, vectors) = shards.segment(address);
        let doc = inside.doc_id;
        let score = |scorer: &Arc<DocScorer>| scorer.doc(vectors, doc);
        let media = plan.media.as_ref().map(score).transpose()?.flatten();
        let is = |one: &Arc<DocScorer>, other: &Option<Arc<DocScorer>>| {
            other.as_ref().is_some_and(|other| Arc::ptr_eq(one, other))
        };
        let probability = match (&plan.probability, &media) {
            (Some(scorer), _) if is(scorer, &plan.media) => {
                media.as_ref().and_then(|media| media.probability)
            }
            (Some(scorer), Some(media)) if is(scorer, &plan.rated) => {
                scorer.rated(vectors, doc, media)?.and_then(|score| score.probability)
            }
            (scorer, _) => {
                scorer.as_ref().map(score).transpose()?.flatten().and_then(|score| score.probability)
            }
        };
        let weight = self.weights.as_ref().map(|weights| &*weights[shard_at]);
        let keyword = self.keyword.get(&address).copied();
        let value = media.as_ref().map(|score| score.value);
        let mut scored = fused.clone();
        if plan.order.is_some() && plan.media.is_none() {
            // Sorted by something else: the score of the leg is known only now.
            scored.doc.score = keyword.unwrap_or(scored.doc.score);
            for share in &mut scored.shares {
                (share.score, share.normalised, share.contribution) =
                    (keyword, keyword, keyword.unwrap_or_default());
            }
        }
        let fused = &scored;
        let shares = self.shares(fused, keyword, value);
        let legs = self.ranking.legs.iter().zip(&shares).map(|(&name, share)| {
            let score = if name == "keyword" { keyword } else { value };
            (name, LegScore { score, rank: share.rank })
        });
        let legs = legs.collect();
        let items = match (plan.items, &plan.media, &media) {
            (_, None, _) | (ListItems::Best, _, None) => Vec::new(),
            (ListItems::Best, _, Some(score)) => score.best.clone(),
            (ListItems::All, Some(scorer), _) => scorer.items(vectors, inside.doc_id)?,
        };
        let document = match plan.fields.is_none() && plan.snippets.is_empty() {
            true => None,
            false => Some(shard.document(inside)?),
        };
        let stored = document.as_ref().filter(|_| !plan.fields.is_none());
        let fields = stored.map(|document| plan.fields.of(shard.stored_fields(document, &plan.view.id)));
        let explanation = if plan.explains {
            let keyword = match (weight, keyword) {
                (Some(weight), Some(_)) => Some(weight.explain(reader, inside.doc_id)?),
                _ => None,
            };
            let numbers = explain::Numbers { vectors, media: media.as_ref(), keyword, shares: &shares };
            Some(explain::hit(plan, self.ranking, fused, &numbers))
        } else {
            None
        };
        let item = |best: &BestItem| self.item(best, vectors);
        Ok(Hit {
            rank,
            id: fused.doc.id.clone(),
            index: (shards.len() > 1).then_some(shard_at),
            score: fused.doc.score,
            sort: Vec::new(),
            collapsed: None,
            probability,
            legs,
            items: items.iter().map(item).collect(),
            snippets: document.as_ref().map(|document| plan.snippets.of(document)).unwrap_or_default(),
            fields: fields.unwrap_or_default(),
            explanation,
            address,
        })
    }

    /// Where documents are scored inside their segments the shares are known only now; else they are complete already.
    fn shares(&self, fused: &FusedDoc, keyword: Option<f32>, value: Option<f32>) -> Vec<Share> {
        if self.ranking.legs.len() == 2
            && let Some(shares) = legs::shares_of_scores(self.plan, keyword, value)
        {
            return shares;
        }
        fused.shares.clone()
    }

    fn item(&self, best: &BestItem, vectors: &SegmentVectors) -> HitItem {
        let media = self.plan.view.bundle.media();
        let rated = self.plan.rated.as_ref().and_then(|scorer| Some((scorer, scorer.again(vectors, best)?)));
        let (best, probability) = match rated {
            Some((scorer, rated)) => (rated, scorer.item_probability(&rated)),
            None => (*best, None),
        };
        HitItem {
            part: best.part,
            part_media: media[self.plan.parts[best.part].0].name.clone(),
            media: media[best.media].name.clone(),
            index: vectors.view(best.media).ordinals[best.row],
            logit: best.raw,
            // Where there is a probability, the value is its log-odds.
            calibrated_logit: probability.map(|_| best.value),
            probability,
        }
    }
}

/// BM25 of those that have a rank in a keyword leg.
fn ranked_scores(ranking: &Ranking, shown: &[FusedDoc]) -> HashMap<DocAddress, f32> {
    let Some(leg) = ranking.legs.iter().position(|name| *name == "keyword") else { return HashMap::new() };
    let ranked = |fused: &FusedDoc| {
        let share = fused.shares.get(leg)?;
        share.rank.and(share.score).map(|score| (fused.doc.address, score))
    };
    shown.iter().filter_map(ranked).collect()
}

/// BM25 of the documents that the keywords match, with one walk per segment: opening a fuzzy word or a range looks through
/// the dictionary.
fn keyword_scores(
    plan: &Plan,
    weights: &[Box<dyn Weight>],
    shown: &[FusedDoc],
) -> Result<HashMap<DocAddress, f32>> {
    let mut addresses: Vec<DocAddress> = shown.iter().map(|doc| doc.doc.address).collect();
    addresses.sort_unstable();
    let mut scores = HashMap::new();
    for segment in addresses.chunk_by(|a, b| a.segment_ord == b.segment_ord) {
        let (shard, _, _) = plan.view.shards.at(segment[0]);
        let (reader, _) = plan.view.shards.segment(segment[0]);
        let mut scorer = weights[shard].scorer(reader, 1.0)?;
        for &address in segment {
            if scorer.doc() < address.doc_id {
                scorer.seek(address.doc_id);
            }
            if scorer.doc() == address.doc_id {
                scores.insert(address, scorer.score());
            }
        }
    }
    Ok(scores)
}
