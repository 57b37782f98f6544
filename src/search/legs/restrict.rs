//! Queries that restrict.

use tantivy::query::{AllQuery, BooleanQuery, Occur, Query};

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
