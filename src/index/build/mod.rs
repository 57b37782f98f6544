//! From a source to a directory: one builder over the pipeline, its checkpoints and its report.

pub(crate) mod builder;
pub(crate) mod checkpoint;
pub(crate) mod fill;
pub(crate) mod fresh;
pub(crate) mod identity;
pub(crate) mod into;
pub(crate) mod options;
pub(crate) mod partial;
pub(crate) mod pipeline;
pub(crate) mod project;
pub(crate) mod report;
pub(crate) mod settings;
pub(crate) mod shard;
pub(crate) mod source;

#[cfg(test)]
mod tests;
