//! Which files are the corpus, and who reads each of them.

pub(in crate::corpus) mod files;
pub(in crate::corpus) mod glob;
pub(in crate::corpus) mod open;
pub(in crate::corpus) mod samples;
pub(in crate::corpus) mod shard;
pub(in crate::corpus) mod source;
