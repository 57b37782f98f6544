//! What people say of items and queries: graded pairs, and what is relevant.

pub(in crate::corpus) mod pairs;
pub(in crate::corpus) mod relevance;
