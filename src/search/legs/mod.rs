//! Running the legs of a plan over all shards, and joining them after the global merge: one file per leg.

mod keyword;
mod media;
mod metric;
mod product;
mod restrict;
mod scan;
mod sort;

use super::fusion::{FusedDoc, Leg, Page, Score, Share};
use super::plan::Plan;
use super::top::RankedDoc;
use crate::error::Result;

pub use metric::{MetricCollector, MetricSegmentCollector};
pub use scan::MetricFruit;

pub(super) use media::{pass, scan_of};
pub(super) use restrict::{both, query_of};
pub(super) use sort::Placed;

/// What a query ranked, best first: what is shown, and all where the plan asks for the whole. Documents of one leg come without
/// their ids.
pub(super) struct Ranking {
    pub(super) docs: Vec<FusedDoc>,
    /// What the order of the plan says of each of them, where it has one.
    pub(super) placed: Vec<Placed>,
    /// Whether every document that matches the keywords and the filter has a rank in the keyword leg.
    pub(super) has_all_keywords: bool,
    /// Names of the legs, in the order of every document's shares.
    pub(super) legs: Vec<&'static str>,
    /// Documents that were let through to the ranking.
    pub(super) candidates: u64,
    /// Documents that filter and keywords let through.
    pub(super) matched: u64,
    pub(super) scored: u64,
    /// Whether the candidates were all documents that were let through.
    pub(super) exact: bool,
    pub(super) partial: bool,
}

/// Documents of the media leg where it runs over the filter alone, whatever the keywords: such legs of several queries share
/// a pass.
pub(super) fn media_leg_depth(plan: &Plan) -> Option<usize> {
    plan.media.as_ref().filter(|_| plan.candidates.exact())?;
    match (&plan.keywords, plan.fusion.rule().score()) {
        (None, _) => Some(plan.depth.alone),
        (Some(_), Score::Apart(_)) => Some(plan.depth.window),
        (Some(_), Score::Together(_) | Score::Restricted) => None,
    }
}

/// Runs all legs. `media` is the leg of [`media_leg_depth`] where it was run already.
pub(super) fn rank(plan: &Plan, media: Option<MetricFruit>) -> Result<Ranking> {
    let depth = plan.depth;
    let filter = plan.filter.as_deref();
    let mut ranking = match (&plan.keywords, &plan.media) {
        (keywords, None) => {
            let query = both(keywords.as_deref(), filter);
            if let Some(order) = &plan.order {
                return finish(plan, sort::matches(plan, order, query, depth.alone)?);
            }
            let fruit = keyword::run(plan, query, depth.alone)?;
            // A filter alone is no leg: its documents come in order of id.
            Ranking {
                legs: keywords.iter().map(|_| "keyword").collect(),
                candidates: fruit.matched,
                matched: fruit.matched,
                scored: 0,
                exact: true,
                partial: fruit.partial,
                has_all_keywords: keywords.is_some(),
                docs: alone(fruit.docs, usize::from(keywords.is_some()), 0),
                placed: Vec::new(),
            }
        }
        (None, Some(scorer)) => {
            let run = || media::run(plan, scorer, both(None, filter), depth.alone);
            let found = media.map_or_else(run, |fruit| Ok(fruit.into()))?;
            one_leg(found, vec![scorer.similarity().leg()], 0)
        }
        (Some(keywords), Some(scorer)) => {
            let legs = vec!["keyword", scorer.similarity().leg()];
            let restricted = || both(Some(&**keywords), filter);
            match plan.fusion.rule().score() {
                Score::Restricted => one_leg(media::run(plan, scorer, restricted(), depth.alone)?, legs, 1),
                Score::Together(together) => {
                    let fruit = product::run(plan, scorer, together, restricted(), depth.alone)?;
                    one_leg(fruit.into(), legs, 2)
                }
                Score::Apart(join) => {
                    let keyword = keyword::run(plan, restricted(), depth.window)?;
                    let run = || media::run(plan, scorer, both(None, filter), depth.window);
                    let found = media.map_or_else(run, |fruit| Ok(fruit.into()))?;
                    let of_keyword =
                        Leg { docs: &keyword.docs, weight: plan.settings.weights.0, similarity: None };
                    let of_media = Leg {
                        docs: &found.fruit.docs,
                        weight: plan.settings.weights.1,
                        similarity: Some(scorer.similarity()),
                    };
                    let name = |fused: &mut [FusedDoc]| plan.view.name(fused.iter_mut().map(|f| &mut f.doc));
                    let end = if depth.whole { usize::MAX } else { depth.end };
                    let page = Page { end, name: &name };
                    Ranking {
                        docs: join(&[of_keyword, of_media], &plan.settings, page)?,
                        placed: Vec::new(),
                        legs,
                        candidates: found.fruit.matched,
                        matched: keyword.matched,
                        scored: found.fruit.scored,
                        exact: found.exact,
                        has_all_keywords: !keyword.partial && keyword.docs.len() as u64 == keyword.matched,
                        partial: keyword.partial || found.fruit.partial,
                    }
                }
            }
        }
    };
    if let Some(order) = &plan.order {
        sort::window(plan, order, &mut ranking)?;
    }
    finish(plan, ranking)
}

fn finish(plan: &Plan, mut ranking: Ranking) -> Result<Ranking> {
    // A minimum probability stops matching without a word.
    ranking.partial |= plan.minimum.is_some() && plan.budget.is_spent();
    ranking.exact &= !plan.minimum.as_ref().is_some_and(|minimum| minimum.left_out());
    plan.budget.check_cancelled()?;
    Ok(ranking)
}

/// The shares of a document of two legs where the fusion scores it inside its segment, from its legs' scores.
pub(super) fn shares_of_scores(plan: &Plan, keyword: Option<f32>, media: Option<f32>) -> Option<Vec<Share>> {
    match plan.fusion.rule().score() {
        Score::Together(together) => product::shares(plan, together, keyword, media),
        Score::Apart(_) | Score::Restricted => None,
    }
}

/// A ranking by the media leg of `legs` at position `at`; past the end, by no leg alone.
fn one_leg(found: media::Found, legs: Vec<&'static str>, at: usize) -> Ranking {
    let media::Found { fruit, matched, exact } = found;
    Ranking {
        candidates: fruit.matched,
        matched,
        scored: fruit.scored,
        exact,
        partial: fruit.partial,
        has_all_keywords: false,
        docs: alone(fruit.docs, legs.len(), at),
        placed: Vec::new(),
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
