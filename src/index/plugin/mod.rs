//! What a tantivy app registers: the field, its values, the segment plugin, and the merge policy.

pub(crate) mod error;
pub(crate) mod id;
pub(crate) mod registered;
pub(crate) mod field;
pub(crate) mod value;
pub(crate) mod segment;
pub(crate) mod cache;
mod derive;
pub(crate) mod writer;
pub(crate) mod merge;
pub(crate) mod policy;
pub(crate) mod host;
pub(crate) mod create;
