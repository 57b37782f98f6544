//! How a source gets into an index: what to do with documents that are there, when to commit, and what to hear of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::checkpoint::Checkpoint;
use super::identity::Identity;
use super::report::{BuildReport, OnBad};
use crate::encode::{Encoders, FeatureCache};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::Named;

/// What becomes of a document whose id is in the index already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// The index is new: ids are checked at the end, by [`crate::index::dir::duplicates::duplicate_ids`].
    #[default]
    None,
    /// It is replaced; vectors of items of equal content stay.
    Replace,
}

/// When a build commits on its way: at whichever comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitPolicy {
    /// Documents of the source between two commits, at least one.
    pub documents: u64,
    /// Time between two commits.
    pub time: Duration,
}

/// 50,000 documents or 60 seconds.
impl Default for CommitPolicy {
    fn default() -> Self {
        Self { documents: 50_000, time: Duration::from_secs(60) }
    }
}

impl CommitPolicy {
    /// # Errors
    /// [`ErrorCode::BadArgument`] for commits of no document.
    pub(crate) fn check(&self) -> Result<()> {
        if self.documents > 0 {
            return Ok(());
        }
        Err(Error::new(ErrorCode::BadArgument, "a commit needs documents").expected("at least 1").got(0))
    }
}

/// Commits on the way and at the end of a build.
#[derive(Debug, Clone, Copy)]
pub struct Commits<'a> {
    /// When.
    pub policy: CommitPolicy,
    /// What the build is started with; stands in each commit, so that it can be resumed.
    pub identity: &'a Identity,
}

/// How a source gets into an index.
#[derive(Default, Clone, Copy)]
pub struct BuildOptions<'a> {
    /// Encoders by media type; none are needed for features.
    pub encoders: Option<&'a Encoders>,
    /// What to do with what does not read.
    pub on_bad: OnBad,
    /// What to do with documents that are there.
    pub existing: Existing,
    /// Features of earlier runs, and where those of this one go.
    pub cache: Option<&'a FeatureCache>,
    /// Commits; without them nothing is committed, and the caller has to.
    pub commits: Option<Commits<'a>>,
    /// Set from outside, ends the build soon, with a last commit where there are [`BuildOptions::commits`].
    pub stop: Option<&'a AtomicBool>,
    /// The last commit of an earlier run on a new index, to go on from.
    pub start: Option<&'a Checkpoint>,
    /// Whether a source without a document that reads is no error: a part of one may have none.
    pub empty: bool,
    /// What settings and tasks are called in the reasons of a report; in the words of this library where it is `None`.
    pub words: Option<fn(Named) -> String>,
}

impl BuildOptions<'_> {
    /// Whether someone wants the build to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_some_and(|stop| stop.load(Ordering::SeqCst))
    }
}

/// What is heard of a build, before it begins and after each batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct BuildProgress {
    /// What the source has given so far, bad documents and those before the start included.
    pub consumed: u64,
    /// Documents added so far.
    pub documents: u64,
    /// Items added so far, of all media types.
    pub items: u64,
    /// Warnings so far.
    pub warnings: u64,
    /// How far the source is read, a little ahead of the rest: bytes of JSON Lines, else rows or documents.
    pub position: u64,
    /// Where [`BuildProgress::position`] will end, if that is known.
    pub length: Option<u64>,
}

impl BuildProgress {
    /// What is known when `consumed` of the source has come to `report`; how far it is read is another matter.
    pub(crate) fn after(consumed: u64, report: &BuildReport) -> Self {
        let items = report.items.values().sum();
        let (documents, warnings) = (report.documents, report.warnings);
        Self { consumed, documents, items, warnings, ..Self::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_counts_what_a_report_has() {
        let items = [("image".to_owned(), 3), ("text".to_owned(), 4)].into();
        let report = BuildReport { documents: 5, items, warnings: 2, ..BuildReport::default() };
        let at = BuildProgress::after(7, &report);
        assert_eq!((at.consumed, at.documents, at.items, at.warnings), (7, 5, 7, 2));
    }
}
