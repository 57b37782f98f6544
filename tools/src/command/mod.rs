//! One file per command.

pub mod add;
pub mod attach;
pub mod build;
#[cfg(feature = "train")]
pub mod calibrate;
pub mod completions;
pub mod delete;
#[cfg(feature = "train")]
pub mod demo;
#[cfg(feature = "train")]
pub mod demo_queries;
pub mod documents;
pub mod encoders;
pub mod eval;
pub mod features;
#[cfg(feature = "train")]
pub mod fuse;
pub mod inspect;
pub mod man;
pub mod merge;
pub mod opened;
pub mod query;
pub mod query_batch;
pub mod query_text;
pub mod rows;
pub mod schema;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(feature = "train")]
pub mod train;
pub mod verify;
#[cfg(any(test, not(feature = "serve")))]
pub mod without_serving;
#[cfg(any(test, not(feature = "train")))]
pub mod without_training;

/// How a command ended, for the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// `query` without a hit.
    Nothing,
    /// `verify` with damage, which is printed as the result.
    Damaged,
    /// `query --batch` with bad lines, which are answered with their errors.
    BadLines,
}
