//! The media leg: candidates, cut by filter and keywords, ranked by their items.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use tantivy::query::Query;

use super::restrict::{at_base, both, query_of};
use super::scan::{MetricFruit, Scan, ScanCollector, merge};
use crate::error::Result;
use crate::search::candidates::CandidateQuery;
use crate::search::plan::Plan;
use crate::search::scorer::DocScorer;
use crate::search::view::shard::Shards;

/// What the media leg found.
pub(super) struct Found {
    pub(super) fruit: MetricFruit,
    /// Documents that filter and keywords let through, candidates or not.
    pub(super) matched: u64,
    /// Whether all of them were candidates.
    pub(super) exact: bool,
}

impl From<MetricFruit> for Found {
    /// Of a pass over all documents.
    fn from(fruit: MetricFruit) -> Self {
        Self { matched: fruit.matched, exact: true, fruit }
    }
}

/// The best `k` by `scorer` of the plan's candidates that `query` matches, in all shards.
pub(super) fn run(
    plan: &Plan,
    scorer: &Arc<DocScorer>,
    query: Option<Box<dyn Query>>,
    k: usize,
) -> Result<Found> {
    let shards = &plan.view.shards;
    let scan = || Scan { scorer: scorer.clone(), k, id: plan.view.id.clone(), budget: plan.budget.clone() };
    let one = |query: &Option<Box<dyn Query>>| -> Result<MetricFruit> {
        Ok(pass(shards, query, &[scan()])?.pop().unwrap_or_default())
    };
    if plan.candidates.exact() {
        return Ok(one(&query)?.into());
    }
    let candidates = CandidateQuery {
        source: plan.candidates.clone(),
        scorer: scorer.clone(),
        cache: shards.cache.clone(),
        filter: query.as_ref().map(|query| query.box_clone().into()),
        k,
        budget: plan.budget.clone(),
        inexact: Arc::default(),
    };
    let fruit = one(&both(Some(&candidates), query.as_deref()))?;
    let exact = !candidates.inexact.load(Ordering::Relaxed);
    // A pass that saw all has counted.
    let matched =
        if exact || plan.budget.is_spent() { fruit.matched } else { matched(shards, query.as_deref())? };
    Ok(Found { fruit, matched, exact })
}

/// Live documents that `query` matches.
fn matched(shards: &Shards, query: Option<&dyn Query>) -> Result<u64> {
    let mut count = 0;
    for shard in shards.iter() {
        count += match query {
            Some(query) => query.count(&shard.searcher)? as u64,
            None => shard.searcher.num_docs(),
        };
    }
    Ok(count)
}

/// Ranks what `query` matches in all shards by every one of `scans`, in one walk.
pub(in crate::search) fn pass(
    shards: &Shards,
    query: &Option<Box<dyn Query>>,
    scans: &[Scan],
) -> Result<Vec<MetricFruit>> {
    let ks: Vec<usize> = scans.iter().map(|scan| scan.k).collect();
    let parts = shards.search(query_of(query), |shard| ScanCollector::new(scans.to_vec(), &shard.cache))?;
    let fruits = parts.into_iter().map(|(base, fruits)| {
        fruits.into_iter().map(|fruit| at_base(fruit, base)).collect::<Vec<MetricFruit>>()
    });
    Ok(merge(fruits.collect(), &ks))
}
