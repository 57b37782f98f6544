//! From a ranking to hits, with every number that made them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use tantivy::query::Weight;
use tantivy::{DocAddress, TantivyDocument};

use super::explain;
use super::facets::{self, FacetCount};
use super::fusion::{FusedDoc, Share};
use super::legs::{self, MetricFruit, Ranking};
use super::plan::Plan;
use super::request::{ListItems, Request};
use super::scorer::{BestItem, DocScorer};
use super::snippets::Snippets;
use crate::error::Result;

/// What a query brings home.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Response {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Documents that were let through to the ranking.
    pub candidates: u64,
    /// Documents that filter (with minimum probability and exclusions) and keywords let through: what facets count unless
    /// [`FacetsOver::Hits`](super::FacetsOver) was asked for.
    pub matched: u64,
    /// Documents whose items were scored.
    pub scored: u64,
    /// Whether every document that was let through was a candidate and was scored.
    pub exact: bool,
    /// Whether a time budget ended the query before its end.
    pub partial: bool,
    /// By field: values and their counts, most frequent first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facets: BTreeMap<String, Vec<FacetCount>>,
    /// Results of the aggregations, in tantivy's JSON form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregations: Option<Value>,
    /// What was run, where an explanation was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Value>,
}

/// A document that was found.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// 1-based, counted from the best of all, so past `offset`.
    pub rank: usize,
    /// Its id, where the index has ids.
    pub id: Option<String>,
    /// Position of its index, where several are searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// What it is ranked by: the fused score, or the score of the only leg.
    pub score: f32,
    /// Match probability of the query's wanted media parts: that of the pairs of parts and best items, not corrected for
    /// the number of items. `None` without such a part, or where nothing was calibrated.
    pub probability: Option<f32>,
    /// By leg: `keyword`, and `metric`, `cosine` or `posterior`.
    pub legs: BTreeMap<&'static str, LegScore>,
    /// The document's best item for each query part, or all of them.
    pub items: Vec<HitItem>,
    /// Stored fields.
    pub fields: Map<String, Value>,
    /// By field: the passage that fits the keywords best, as HTML; absent where none of the words is in it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub snippets: BTreeMap<String, String>,
    /// Every number that made it, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Value>,
    /// Where it is; segments of several indexes are numbered on.
    #[serde(skip)]
    pub address: DocAddress,
}

/// What one leg says of a hit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LegScore {
    /// BM25, calibrated logit, cosine, or dot product of posteriors; `None` where the leg does not match the document.
    pub score: Option<f32>,
    /// 1-based; `None` outside the leg's window.
    pub rank: Option<usize>,
}

/// An item of a hit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HitItem {
    /// Position of the query part.
    pub part: usize,
    /// Media type of the query part.
    pub part_media: String,
    /// Media type of the item.
    pub media: String,
    /// Position among the document's items of that media type.
    pub index: u32,
    /// Raw logit of the metric network (under another similarity: its value).
    pub logit: f32,
    /// Match probability of this pair; `None` where it is not calibrated.
    pub probability: Option<f32>,
}

pub(super) fn run(request: &Request<'_>, plan: &Plan) -> Result<Response> {
    finish(request, plan, None)
}

/// Runs what is left to run, with the media leg where it was run already.
pub(super) fn finish(request: &Request<'_>, plan: &Plan, media: Option<MetricFruit>) -> Result<Response> {
    let facets = facets::Wanted::new(request)?;
    let snippets = Snippets::new(request, plan)?;
    let ranking = legs::rank(&request.engine.shards, plan, media)?;
    let (facets, aggregations) = facets.count(request, plan, &ranking)?;
    let keywords = plan.keywords.as_ref();
    let weights = keywords.map(|query| request.engine.shards.weights(&**query)).transpose()?;
    let end = plan.depth.end;
    let shown: Vec<&FusedDoc> = ranking.docs.iter().take(end).skip(request.offset).collect();
    let keyword = match &weights {
        Some(weights) => keyword_scores(request, weights, &shown)?,
        None => HashMap::new(),
    };
    let assembly = Assembly { request, plan, ranking: &ranking, weights, keyword, snippets };
    let mut hits = Vec::with_capacity(shown.len());
    for (at, doc) in shown.into_iter().enumerate() {
        plan.budget.check_cancelled()?;
        hits.push(assembly.hit(request.offset + at + 1, doc)?);
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
        plan: request.explains.then(|| explain::plan(request, plan)),
    })
}

struct Assembly<'r, 'a> {
    request: &'r Request<'a>,
    plan: &'r Plan,
    ranking: &'r Ranking,
    /// The compiled keywords, by shard.
    weights: Option<Vec<Box<dyn Weight>>>,
    /// BM25 of what is shown, where the keywords match it.
    keyword: HashMap<DocAddress, f32>,
    snippets: Snippets,
}

impl Assembly<'_, '_> {
    fn hit(&self, rank: usize, fused: &FusedDoc) -> Result<Hit> {
        let (request, plan) = (self.request, self.plan);
        let (engine, address) = (request.engine, fused.doc.address);
        let (shard_at, shard, inside) = engine.shards.at(address);
        let (reader, vectors) = engine.shards.segment(address);
        let score = |scorer: &Option<Arc<DocScorer>>| match scorer {
            Some(scorer) => scorer.doc(vectors, inside.doc_id),
            None => Ok(None),
        };
        let media = score(&plan.media)?;
        let probability = match (&plan.probability, &plan.media) {
            (Some(scorer), Some(ranks)) if Arc::ptr_eq(scorer, ranks) => media.clone(),
            (scorer, _) => score(scorer)?,
        };
        let weight = self.weights.as_ref().map(|weights| &*weights[shard_at]);
        let keyword = self.keyword.get(&address).copied();
        let value = media.as_ref().map(|score| score.value);
        let shares = self.shares(fused, keyword, value);
        let legs = self.ranking.legs.iter().zip(&shares).map(|(&name, share)| {
            let score = if name == "keyword" { keyword } else { value };
            (name, LegScore { score, rank: share.rank })
        });
        let legs = legs.collect();
        let items = match (request.items, &plan.media, &media) {
            (_, None, _) | (ListItems::Best, _, None) => Vec::new(),
            (ListItems::Best, _, Some(score)) => score.best.clone(),
            (ListItems::All, Some(scorer), _) => scorer.items(vectors, inside.doc_id)?,
        };
        let document: TantivyDocument = shard.searcher.doc(inside)?;
        let fields = match shard.fields {
            Some(fields) => fields.stored_fields(&document, shard.searcher.schema()),
            None => crate::schema::stored_fields(&document, shard.searcher.schema()),
        };
        let explanation = if request.explains {
            let keyword = match (weight, keyword) {
                (Some(weight), Some(_)) => Some(weight.explain(reader, inside.doc_id)?),
                _ => None,
            };
            let numbers = explain::Numbers { vectors, media: media.as_ref(), keyword, shares: &shares };
            Some(explain::hit(request, plan, self.ranking, fused, &numbers))
        } else {
            None
        };
        let item = |best: &BestItem| self.item(best, vectors);
        Ok(Hit {
            rank,
            id: fused.doc.id.clone(),
            index: (engine.shards.len() > 1).then_some(shard_at),
            score: fused.doc.score,
            probability: probability.and_then(|score| score.probability),
            legs,
            items: items.iter().map(item).collect(),
            snippets: self.snippets.of(&document),
            fields,
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

    fn item(&self, best: &BestItem, vectors: &crate::index::SegmentVectors) -> HitItem {
        let media = self.request.engine.bundle.media();
        HitItem {
            part: best.part,
            part_media: media[self.plan.parts[best.part].0].name.clone(),
            media: media[best.media].name.clone(),
            index: vectors.view(best.media).ordinals[best.row],
            logit: best.raw,
            probability: self.plan.media.as_ref().and_then(|scorer| scorer.item_probability(best)),
        }
    }
}

/// BM25 of the documents that the keywords match, with one walk per segment: opening a fuzzy word or a range looks through
/// the dictionary.
fn keyword_scores(
    request: &Request<'_>,
    weights: &[Box<dyn Weight>],
    shown: &[&FusedDoc],
) -> Result<HashMap<DocAddress, f32>> {
    let mut addresses: Vec<DocAddress> = shown.iter().map(|doc| doc.doc.address).collect();
    addresses.sort_unstable();
    let mut scores = HashMap::new();
    for segment in addresses.chunk_by(|a, b| a.segment_ord == b.segment_ord) {
        let (shard, _, _) = request.engine.shards.at(segment[0]);
        let (reader, _) = request.engine.shards.segment(segment[0]);
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
