//! Running a plan: the legs, their fusion, and the hits with every number that made them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use tantivy::query::{AllQuery, BooleanQuery, EnableScoring, Occur, Query, Weight};
use tantivy::{DocAddress, SegmentReader, TantivyDocument};

use super::collector::{MetricCollector, MetricFruit};
use super::fusion::{self, FusedDoc, Fusion, Leg};
use super::keyword::{KeywordCollector, KeywordFruit};
use super::request::{Plan, Request};
use super::top::RankedDoc;
use crate::error::Result;

/// What a query brings home.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Response {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Documents that filter and keywords let through to the ranking.
    pub candidates: u64,
    /// Documents whose items were scored.
    pub scored: u64,
    /// Whether every candidate was scored.
    pub exact: bool,
}

/// A document that was found.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// 1-based, counted from the best of all, so past `offset`.
    pub rank: usize,
    /// Its id, where the index has ids.
    pub id: Option<String>,
    /// What it is ranked by: the fused score, or the score of the only leg.
    pub score: f32,
    /// Match probability of the query's media parts; `None` without one, or where nothing was calibrated.
    pub probability: Option<f32>,
    /// By leg: `keyword`, and `metric`, `cosine` or `posterior`.
    pub legs: BTreeMap<&'static str, LegScore>,
    /// The document's best item for each query part.
    pub items: Vec<HitItem>,
    /// Stored fields.
    pub fields: serde_json::Map<String, serde_json::Value>,
    /// Where it is.
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
}

pub(super) fn run(request: &Request<'_>, plan: Plan) -> Result<Response> {
    let searcher = &request.engine.searcher;
    let end = request.offset + request.k;
    let window = request.window.max(end);
    let all: Box<dyn Query> = Box::new(AllQuery);
    let restricted = |query: &Option<Box<dyn Query>>| both(query.as_deref(), plan.filter.as_deref());
    let media_leg = |query: Option<Box<dyn Query>>, k| -> Result<MetricFruit> {
        let Some(scorer) = &plan.media else { return Ok(MetricFruit::default()) };
        let collector = MetricCollector::new(scorer.clone(), request.engine.index.cache(), k);
        Ok(searcher.search(query.as_ref().unwrap_or(&all), &collector)?)
    };
    let keyword_leg = |query: Option<Box<dyn Query>>, k| -> Result<KeywordFruit> {
        Ok(searcher.search(query.as_ref().unwrap_or(&all), &KeywordCollector::new(k))?)
    };
    let leg = plan.media.as_ref().map(|scorer| scorer.similarity().leg());
    let (fused, candidates, scored, names) = match (&plan.keywords, leg) {
        (_, None) => {
            let fruit = keyword_leg(restricted(&plan.keywords), end)?;
            // A filter alone is no leg: its documents come in order of id.
            (alone(fruit.docs), fruit.matched, 0, plan.keywords.iter().map(|_| "keyword").collect())
        }
        (None, Some(leg)) => {
            let fruit = media_leg(restricted(&None), end)?;
            (alone(fruit.docs), fruit.matched, fruit.scored, vec![leg])
        }
        (Some(_), Some(leg)) if request.fusion == Fusion::Metric => {
            let fruit = media_leg(restricted(&plan.keywords), end)?;
            let docs = alone(fruit.docs).into_iter().map(|mut doc| {
                doc.ranks.insert(0, None);
                doc
            });
            (docs.collect(), fruit.matched, fruit.scored, vec!["keyword", leg])
        }
        (Some(_), Some(leg)) => {
            let keyword = keyword_leg(restricted(&plan.keywords), window)?;
            let media = media_leg(restricted(&None), window)?;
            let legs = [
                Leg { docs: &keyword.docs, weight: request.weights.0 },
                Leg { docs: &media.docs, weight: request.weights.1 },
            ];
            (fusion::rrf(&legs), media.matched, media.scored, vec!["keyword", leg])
        }
    };
    let scoring = EnableScoring::enabled_from_searcher(searcher);
    let weight = plan.keywords.as_ref().map(|keywords| keywords.weight(scoring)).transpose()?;
    let mut hits = Vec::new();
    for (at, doc) in fused.into_iter().enumerate().take(end).skip(request.offset) {
        hits.push(hit(request, &plan, at + 1, &doc, (&names, weight.as_deref()))?);
    }
    Ok(Response { hits, candidates, scored, exact: true })
}

/// `left AND right`, either of which may be missing.
fn both(left: Option<&dyn Query>, right: Option<&dyn Query>) -> Option<Box<dyn Query>> {
    match (left, right) {
        (Some(left), Some(right)) => {
            let clauses = vec![(Occur::Must, left.box_clone()), (Occur::Must, right.box_clone())];
            Some(Box::new(BooleanQuery::new(clauses)))
        }
        (one, other) => one.or(other).map(|query| query.box_clone()),
    }
}

/// A ranking of one leg.
fn alone(docs: Vec<RankedDoc>) -> Vec<FusedDoc> {
    docs.into_iter().enumerate().map(|(at, doc)| FusedDoc { doc, ranks: vec![Some(at + 1)] }).collect()
}

fn hit(
    request: &Request<'_>,
    plan: &Plan,
    rank: usize,
    fused: &FusedDoc,
    (names, keywords): (&[&'static str], Option<&dyn Weight>),
) -> Result<Hit> {
    let (engine, address) = (request.engine, fused.doc.address);
    let reader = engine.searcher.segment_reader(address.segment_ord);
    let vectors = engine.index.cache().get(reader)?;
    let media = plan.media.as_ref().and_then(|scorer| scorer.doc(&vectors, address.doc_id));
    let metric = match (&plan.metric, &plan.media) {
        (Some(metric), Some(ranks)) if Arc::ptr_eq(metric, ranks) => media.clone(),
        (metric, _) => metric.as_ref().and_then(|scorer| scorer.doc(&vectors, address.doc_id)),
    };
    let mut legs = BTreeMap::new();
    for (&name, &rank) in names.iter().zip(&fused.ranks) {
        let score = if name == "keyword" {
            match (names, keywords) {
                ([_], _) => Some(fused.doc.score),
                (_, Some(weight)) => keyword_score(reader, weight, address)?,
                (_, None) => None,
            }
        } else {
            media.as_ref().map(|score| score.value)
        };
        legs.insert(name, LegScore { score, rank });
    }
    let bundle = engine.index.bundle();
    let items = media.iter().flat_map(|score| &score.best).map(|best| HitItem {
        part: best.part,
        part_media: bundle.media()[plan.part_media[best.part]].name.clone(),
        media: bundle.media()[best.media].name.clone(),
        index: vectors.view(best.media).ordinals[best.row],
        logit: best.raw,
    });
    let document: TantivyDocument = engine.searcher.doc(address)?;
    Ok(Hit {
        rank,
        id: fused.doc.id.clone(),
        score: fused.doc.score,
        probability: metric.and_then(|score| score.probability),
        legs,
        items: items.collect(),
        fields: engine.index.fields().stored_fields(&document, engine.searcher.schema()),
        address,
    })
}

/// BM25 of one document; `None` where the keywords do not match it.
fn keyword_score(reader: &SegmentReader, keywords: &dyn Weight, address: DocAddress) -> Result<Option<f32>> {
    let mut scorer = keywords.scorer(reader, 1.0)?;
    if scorer.doc() < address.doc_id {
        scorer.seek(address.doc_id);
    }
    Ok((scorer.doc() == address.doc_id).then(|| scorer.score()))
}
