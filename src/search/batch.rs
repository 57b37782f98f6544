//! Many queries at once, in one pass over the stored rows.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::engine::Engine;
use super::legs::{self, MetricFruit, media_leg_depth, pass, scan_of};
use super::plan::Plan;
use super::plan::asked::Clause;
use super::request::Request;
use super::show::hits;
use super::show::response::Response;
use crate::error::Result;
use crate::index::guarded;

/// Queries of one pass at most: what they keep per document must stay in the cache of a core.
const PASS: usize = 32;

/// What queries of one pass have in common: the state that they run on, the field of ids, and required filters, filters and
/// excluded ids as they were typed. Equal strings are equal filters.
type Common<'r> = (usize, &'r str, &'r [String], Vec<&'r str>, &'r [String]);

/// `None` for a filter that is no string: whether two are equal is not known.
fn common(request: &Request) -> Option<Common<'_>> {
    fn text(clause: &Clause) -> Option<&str> {
        match clause {
            Clause::Text(text) => Some(text),
            Clause::Query(_) => None,
        }
    }
    let filters = request.asked.filters.iter().map(text).collect::<Option<_>>()?;
    let view = &request.view;
    // An id excludes another document where another field names them.
    let state = std::sync::Arc::as_ptr(&view.shards).addr();
    Some((state, &view.id, view.required.texts(), filters, &request.asked.excluded))
}

impl Engine {
    /// Runs all `requests` and gives their responses in order. Media legs on one state under the same filter share one pass
    /// over the stored rows, which is where a scan spends its time; answers are those of [`Request::run`]. A time budget
    /// counts for the shared pass, and again for what is a request's own.
    pub fn batch(&self, requests: Vec<Request>) -> Vec<Result<Response>> {
        let mut plans: Vec<Result<Plan>> = requests
            .par_iter()
            .map(|request| guarded(request.view.shards.dirs(), || request.plan()))
            .collect();
        let mut groups: BTreeMap<Common<'_>, Vec<usize>> = BTreeMap::new();
        for (at, (request, plan)) in requests.iter().zip(&plans).enumerate() {
            let shares = |plan: &Plan| media_leg_depth(plan).is_some() && plan.minimum.is_none();
            if plan.as_ref().is_ok_and(shares)
                && let Some(common) = common(request)
            {
                groups.entry(common).or_default().push(at);
            }
        }
        let mut found: BTreeMap<usize, MetricFruit> = BTreeMap::new();
        for pass in groups.values().flat_map(|group| group.chunks(PASS)).filter(|pass| pass.len() > 1) {
            for &at in pass {
                if let Ok(plan) = &mut plans[at] {
                    plan.budget.restart();
                }
            }
            let members: Vec<&Plan> = pass.iter().filter_map(|&at| plans[at].as_ref().ok()).collect();
            // A failed pass is tried again query by query, so that each gets its own error.
            if let Ok(fruits) = guarded(requests[pass[0]].view.shards.dirs(), || scan(&members)) {
                found.extend(pass.iter().copied().zip(fruits));
            }
        }
        let finish = |(plan, leg): (Result<Plan>, Option<MetricFruit>)| {
            let mut plan = plan?;
            plan.budget.restart();
            guarded(plan.view.shards.dirs(), || hits::respond(&plan, &legs::rank(&plan, leg)?))
        };
        let legs: Vec<_> =
            plans.into_iter().enumerate().map(|(at, plan)| (plan, found.remove(&at))).collect();
        legs.into_par_iter().map(finish).collect()
    }
}

/// The media legs of `members`, which have equal restrictions and run on one state.
fn scan(members: &[&Plan]) -> Result<Vec<MetricFruit>> {
    let Some(first) = members.first() else { return Ok(Vec::new()) };
    let mut scans = Vec::new();
    for plan in members {
        if let (Some(scorer), Some(k)) = (&plan.media, media_leg_depth(plan)) {
            scans.push(scan_of(plan, scorer, k));
        }
    }
    pass(&first.view, &first.filter, &scans)
}
