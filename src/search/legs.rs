//! Running the legs of a plan over all shards, and joining them after the global merge.

use tantivy::query::{AllQuery, BooleanQuery, Occur, Query};

use super::collector::{MetricFruit, Scan, ScanCollector, merge};
use super::fusion::{self, FusedDoc, Fusion, Leg, Share};
use super::keyword::{self, KeywordCollector, KeywordFruit};
use super::learned;
use super::plan::Plan;
use super::product::ProductCollector;
use super::row::unit_interval;
use super::view::shard::moved;
use super::top::RankedDoc;
use crate::error::Result;

/// All that a query ranked, best first.
pub(super) struct Ranking {
    pub(super) docs: Vec<FusedDoc>,
    /// Names of the legs, in the order of every document's shares.
    pub(super) legs: Vec<&'static str>,
    /// Documents that were let through to the ranking.
    pub(super) candidates: u64,
    /// Documents that filter and keywords let through.
    pub(super) matched: u64,
    pub(super) scored: u64,
    pub(super) partial: bool,
}

/// Whether the media leg runs over filter alone, whatever the keywords: such legs of several queries share a pass.
pub(super) fn media_leg_depth(plan: &Plan) -> Option<usize> {
    let depth = plan.depth;
    plan.media.as_ref()?;
    match (&plan.keywords, plan.fusion) {
        (None, _) => Some(depth.alone),
        (Some(_), Fusion::Rrf | Fusion::Linear | Fusion::Learned) => Some(depth.window),
        (Some(_), Fusion::Product | Fusion::Metric) => None,
    }
}

/// Runs all legs. `media` is the leg of [`media_leg_depth`] where it was run already.
pub(super) fn rank(plan: &Plan, media: Option<MetricFruit>) -> Result<Ranking> {
    let depth = plan.depth;
    let name = plan.media.as_ref().map(|scorer| scorer.similarity().leg());
    let filter = plan.filter.as_deref();
    let mut ranking = match (&plan.keywords, &plan.media) {
        (keywords, None) => {
            let fruit = keyword_leg(plan, both(keywords.as_deref(), filter), depth.alone)?;
            // A filter alone is no leg: its documents come in order of id.
            Ranking {
                legs: keywords.iter().map(|_| "keyword").collect(),
                candidates: fruit.matched,
                matched: fruit.matched,
                scored: 0,
                partial: fruit.partial,
                docs: alone(fruit.docs, usize::from(keywords.is_some()), 0),
            }
        }
        (None, Some(_)) => {
            let fruit =
                media.map_or_else(|| media_leg(plan, both(None, filter), depth.alone), Ok)?;
            one_leg(fruit, vec![name.unwrap_or("metric")], 0)
        }
        (Some(keywords), Some(_)) if plan.fusion == Fusion::Metric => {
            let fruit = media_leg(plan, both(Some(&**keywords), filter), depth.alone)?;
            one_leg(fruit, vec!["keyword", name.unwrap_or("metric")], 1)
        }
        (Some(keywords), Some(scorer)) if plan.fusion == Fusion::Product => {
            let query = both(Some(&**keywords), filter);
            let parts = plan.view.shards.search(query_of(&query), |shard| ProductCollector {
                scorer: scorer.clone(),
                cache: shard.cache.clone(),
                k: depth.alone,
                weights: plan.weights,
                budget: plan.budget.clone(),
            })?;
            let fruits = parts.into_iter().map(|(base, f)| vec![at_base(f, base)]).collect();
            let fruit = merge(fruits, &[depth.alone]).pop().unwrap_or_default();
            one_leg(fruit, vec!["keyword", name.unwrap_or("metric")], 2)
        }
        (Some(keywords), Some(scorer)) => {
            let keyword = keyword_leg(plan, both(Some(&**keywords), filter), depth.window)?;
            let media =
                media.map_or_else(|| media_leg(plan, both(None, filter), depth.window), Ok)?;
            let legs = [
                Leg { docs: &keyword.docs, weight: plan.weights.0, similarity: None },
                Leg { docs: &media.docs, weight: plan.weights.1, similarity: Some(scorer.similarity()) },
            ];
            let docs = match (plan.fusion, &plan.layer) {
                (Fusion::Learned, Some(layer)) => learned::fuse(&legs, layer),
                (Fusion::Linear, _) => fusion::linear(&legs, plan.normalise),
                _ => fusion::rrf(&legs, plan.rrf_k),
            };
            Ranking {
                docs,
                legs: vec!["keyword", scorer.similarity().leg()],
                candidates: media.matched,
                matched: keyword.matched,
                scored: media.scored,
                partial: keyword.partial || media.partial,
            }
        }
    };
    // A minimum probability stops matching without a word.
    ranking.partial |= plan.has_minimum && plan.budget.is_spent();
    plan.budget.check_cancelled()?;
    Ok(ranking)
}

/// The shares of a document under [`Fusion::Product`], from its two legs' scores.
pub(super) fn product_shares(
    plan: &Plan,
    keyword: Option<f32>,
    media: Option<f32>,
) -> Option<Vec<Share>> {
    let scorer = plan.media.as_ref()?;
    let unit = media.map_or(0.0, |value| unit_interval(scorer.similarity(), value));
    let factors = fusion::product_factors(keyword.unwrap_or(0.0), unit, plan.weights);
    let share = |score: Option<f32>, normalised: Option<f32>, contribution: f32| Share {
        rank: None,
        score,
        normalised,
        contribution,
    };
    Some(vec![share(keyword, keyword, factors[0]), share(media, media.map(|_| unit), factors[1])])
}

fn keyword_leg(
    plan: &Plan,
    query: Option<Box<dyn Query>>,
    k: usize,
) -> Result<KeywordFruit> {
    let parts = plan
        .view
        .shards
        .search(query_of(&query), |_| KeywordCollector::new(k).within(plan.budget.clone()))?;
    let moved = |(base, fruit): (u32, KeywordFruit)| KeywordFruit { docs: moved(fruit.docs, base), ..fruit };
    Ok(keyword::merge(parts.into_iter().map(moved).collect(), k))
}

fn media_leg(
    plan: &Plan,
    query: Option<Box<dyn Query>>,
    k: usize,
) -> Result<MetricFruit> {
    let Some(scorer) = &plan.media else { return Ok(MetricFruit::default()) };
    let parts = plan.view.shards.search(query_of(&query), |shard| {
        let scan = Scan { scorer: scorer.clone(), k, budget: plan.budget.clone() };
        ScanCollector::new(vec![scan], &shard.cache)
    })?;
    let fruits = parts
        .into_iter()
        .map(|(base, fruits)| fruits.into_iter().map(|fruit| at_base(fruit, base)).collect())
        .collect();
    Ok(merge(fruits, &[k]).pop().unwrap_or_default())
}

pub(super) fn at_base(fruit: MetricFruit, base: u32) -> MetricFruit {
    MetricFruit { docs: moved(fruit.docs, base), ..fruit }
}

/// All documents where there is no query.
pub(super) fn query_of(query: &Option<Box<dyn Query>>) -> &dyn Query {
    query.as_deref().unwrap_or(&AllQuery)
}

/// `left AND right`, either of which may be missing.
pub(super) fn both(left: Option<&dyn Query>, right: Option<&dyn Query>) -> Option<Box<dyn Query>> {
    match (left, right) {
        (Some(left), Some(right)) => {
            let clauses = vec![(Occur::Must, left.box_clone()), (Occur::Must, right.box_clone())];
            Some(Box::new(BooleanQuery::new(clauses)))
        }
        (one, other) => one.or(other).map(|query| query.box_clone()),
    }
}

/// A ranking by the media leg of `legs` at position `at`; past the end, by no leg alone.
fn one_leg(fruit: MetricFruit, legs: Vec<&'static str>, at: usize) -> Ranking {
    Ranking {
        candidates: fruit.matched,
        matched: fruit.matched,
        scored: fruit.scored,
        partial: fruit.partial,
        docs: alone(fruit.docs, legs.len(), at),
        legs,
    }
}

/// A ranking whose scores are those of the leg at position `at` of `legs`, or of none.
fn alone(docs: Vec<RankedDoc>, legs: usize, at: usize) -> Vec<FusedDoc> {
    let fused = |(rank, doc): (usize, RankedDoc)| {
        let mut shares = vec![Share::default(); legs];
        if let Some(share) = shares.get_mut(at) {
            *share = Share {
                rank: Some(rank + 1),
                score: Some(doc.score),
                normalised: Some(doc.score),
                contribution: doc.score,
            };
        }
        FusedDoc { doc, shares }
    };
    docs.into_iter().enumerate().map(fused).collect()
}
