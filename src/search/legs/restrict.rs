//! Queries that restrict, and addresses of one shard among those of all.

use tantivy::query::{AllQuery, BooleanQuery, Occur, Query};

use super::scan::MetricFruit;
use crate::search::view::shard::moved;

/// All documents where there is no query.
pub(in crate::search) fn query_of(query: &Option<Box<dyn Query>>) -> &dyn Query {
    query.as_deref().unwrap_or(&AllQuery)
}

/// `left AND right`, either of which may be missing.
pub(in crate::search) fn both(left: Option<&dyn Query>, right: Option<&dyn Query>) -> Option<Box<dyn Query>> {
    match (left, right) {
        (Some(left), Some(right)) => {
            let clauses = vec![(Occur::Must, left.box_clone()), (Occur::Must, right.box_clone())];
            Some(Box::new(BooleanQuery::new(clauses)))
        }
        (one, other) => one.or(other).map(|query| query.box_clone()),
    }
}

pub(super) fn at_base(fruit: MetricFruit, base: u32) -> MetricFruit {
    MetricFruit { docs: moved(fruit.docs, base), ..fruit }
}
