//! One file per command.

pub mod completions;
#[cfg(feature = "train")]
pub mod demo;
pub mod index;
pub mod learn;
pub mod man;
pub mod opened;
pub mod query;
#[cfg(feature = "serve")]
pub mod serve;
#[cfg(any(test, not(feature = "serve")))]
pub mod without_serving;

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
