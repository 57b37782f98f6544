//! What is shown of a ranking: hits, counts, explanations.

mod bytes;
pub(crate) mod document;
mod explain;
pub(crate) mod facets;
pub(crate) mod hits;
mod joined;
mod periods;
pub(crate) mod response;
