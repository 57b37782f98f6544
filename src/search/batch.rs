//! Many queries at once, in one pass over the stored rows.

use std::collections::BTreeMap;

use super::engine::Engine;
use super::hits::{self, Response};
use super::legs::{MetricFruit, Scan, media_leg_depth, pass};
use super::plan::Plan;
use super::request::Request;
use super::shard::Shards;
use crate::error::{Error, ErrorCode, Result};
use crate::index::guarded;

/// Queries of one pass at most: what they keep per document must stay in the cache of a core.
const PASS: usize = 32;

impl Engine<'_> {
    /// Runs all `requests`, which must be of this engine, and gives their responses in order. Media legs under the same
    /// filter share one pass over the stored rows, which is where a scan spends its time; answers are those of
    /// [`Request::run`]. A time budget counts for the shared pass, and again for what is a request's own.
    pub fn batch(&self, requests: Vec<Request<'_>>) -> Vec<Result<Response>> {
        let dirs = || self.shards.dirs();
        let mut plans: Vec<Result<Plan>> =
            requests.iter().map(|request| guarded(dirs(), || self.own_plan(request))).collect();
        // By what was typed: equal strings are equal filters.
        let mut groups: BTreeMap<(&[String], &[String]), Vec<usize>> = BTreeMap::new();
        for (at, (request, plan)) in requests.iter().zip(&plans).enumerate() {
            let Ok(plan) = plan else { continue };
            if media_leg_depth(plan).is_some() && request.minimum.is_none() {
                groups.entry((&request.filters, &request.excluded)).or_default().push(at);
            }
        }
        let mut legs: BTreeMap<usize, MetricFruit> = BTreeMap::new();
        for pass in groups.values().flat_map(|group| group.chunks(PASS)).filter(|pass| pass.len() > 1) {
            for &at in pass {
                if let Ok(plan) = &mut plans[at] {
                    plan.budget.restart();
                }
            }
            let members: Vec<&Plan> = pass.iter().filter_map(|&at| plans[at].as_ref().ok()).collect();
            // A failed pass is tried again query by query, so that each gets its own error.
            if let Ok(fruits) = guarded(dirs(), || scan(&self.shards, &members)) {
                legs.extend(pass.iter().copied().zip(fruits));
            }
        }
        let finish = |(at, (request, plan)): (usize, (&Request<'_>, Result<Plan>))| {
            let mut plan = plan?;
            plan.budget.restart();
            let leg = legs.remove(&at);
            guarded(dirs(), || hits::finish(request, &plan, leg))
        };
        requests.iter().zip(plans).enumerate().map(finish).collect()
    }

    fn own_plan<'r>(&self, request: &Request<'r>) -> Result<Plan> {
        if !std::ptr::addr_eq(request.engine, self) {
            return Err(Error::new(ErrorCode::BadArgument, "a request of another engine is in the batch"));
        }
        request.plan()
    }
}

/// The media legs of `members`, which have equal filters.
fn scan(shards: &Shards<'_>, members: &[&Plan]) -> Result<Vec<MetricFruit>> {
    let Some(first) = members.first() else { return Ok(Vec::new()) };
    let mut scans = Vec::new();
    for plan in members {
        if let (Some(scorer), Some(k)) = (&plan.media, media_leg_depth(plan)) {
            scans.push(Scan { scorer: scorer.clone(), k, budget: plan.budget.clone() });
        }
    }
    pass(shards, &first.filter, &scans)
}
