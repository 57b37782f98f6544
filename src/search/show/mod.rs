//! What is shown of a ranking: hits, counts, explanations.

pub(crate) mod document;
mod explain;
pub(crate) mod facets;
pub(crate) mod hits;
mod periods;
pub(crate) mod response;
