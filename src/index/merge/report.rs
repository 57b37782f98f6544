//! What a merge did.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::index::build::report::{Skipped, seconds};

/// What a merge of indexes did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MergeReport {
    /// Live documents of the result.
    pub documents: u64,
    /// Their items, by media type.
    pub items: BTreeMap<String, u64>,
    /// Documents that were left out: none.
    pub skipped: Vec<Skipped>,
    /// Those of the parts, sources of which a part is missing, and those that are not listed, since there are too many.
    pub warnings: u64,
    /// Documents that gave way to one of the same id in an index named later.
    pub replaced: u64,
    /// Parts that the result lacks, of each source of which it has some.
    pub missing: Vec<MissingParts>,
    /// Segments of the result.
    pub segments: u64,
    /// Bytes of their files.
    pub bytes: u64,
    /// Where the time went.
    pub stages: MergeTimes,
}

/// Entries of [`MissingParts::shards`].
pub(crate) const MAX_MISSING: usize = 1_000;

/// Parts that are missing from what was merged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MissingParts {
    /// The source.
    pub source: String,
    /// How many parts it has.
    pub of: u32,
    /// Those that are missing, the first 1,000.
    pub shards: Vec<u32>,
    /// How many more are missing.
    pub unlisted: u64,
}

/// Time of each stage of a merge, one after the other; in seconds where it is serialised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct MergeTimes {
    /// Opening the indexes, and reading all files against their checksums.
    #[serde(with = "seconds")]
    pub check: Duration,
    /// Bringing the files together.
    #[serde(rename = "move", with = "seconds")]
    pub bring: Duration,
    /// Finding duplicates and merging segments, cells apart.
    #[serde(with = "seconds")]
    pub merge: Duration,
    /// Making cells and codes.
    #[serde(with = "seconds")]
    pub cells: Duration,
}
