//! What may be said to `merge`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Where the index comes into being
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// Indexes of one space and schema; they stay as they are
    #[arg(value_name = "INDEX", required = true)]
    pub index: Vec<PathBuf>,
    /// Of documents of equal id in several indexes, keep that of the index that is named last [default: an error with
    /// both]. Example: --on-duplicate last
    #[arg(long, value_name = "WHICH")]
    pub on_duplicate: Option<LastOnly>,
    /// The bundle of the result, of the space of all indexes [default: that of the indexes, which must be one].
    /// Example: --bundle rare.bundle
    #[arg(long, value_name = "BUNDLE")]
    pub bundle: Option<PathBuf>,
    /// Replace an index that is there already, when the new one is whole [default: an error]. Example: --force
    #[arg(long)]
    pub force: bool,
    /// Leave out what makes approximate search fast: for an index that is to be merged once more [default: off].
    /// Example: --no-cells
    #[arg(long)]
    pub no_cells: bool,
}

/// What may be kept of documents of equal id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LastOnly {
    /// That of the index that is named last
    Last,
}
