//! From a source to a directory: the pipeline, its checkpoints and its report.

pub(crate) mod checkpoint;
pub(crate) mod fill;
pub(crate) mod partial;
pub(crate) mod pipeline;
pub(crate) mod project;
pub(crate) mod report;
