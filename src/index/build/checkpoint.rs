//! How far a build has come: kept in the payload of the commit itself, so that the two cannot disagree.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::report::BuildReport;
use crate::error::{Error, ErrorCode, Result};
use crate::index::files::directory::IndexDirectory;
use crate::index::files::guarded::guarded;

/// What a build was started with: facts of the source and options that shape the index, by name.
///
/// A build goes on only where all of them are what they were.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    source: String,
    facts: BTreeMap<String, String>,
}

impl Identity {
    /// The identity of a build of `source`, which is its name for people.
    pub fn new(source: impl fmt::Display) -> Self {
        Self { source: source.to_string(), facts: BTreeMap::new() }
    }

    /// Adds a fact, such as the length of the source or a fingerprint.
    #[must_use]
    pub fn with(mut self, name: impl Into<String>, value: impl fmt::Display) -> Self {
        self.facts.insert(name.into(), value.to_string());
        self
    }

    /// The name of the source.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Refuses `now` where it differs from what the build was started with.
    ///
    /// # Errors
    /// [`ErrorCode::Changed`], naming the first fact that differs.
    pub fn check(&self, now: &Self) -> Result<()> {
        let changed = |what: &str, before: Option<&String>, now: Option<&String>| {
            let show = |value: Option<&String>| value.map_or_else(|| "nothing".to_owned(), Clone::clone);
            Err(Error::new(ErrorCode::Changed, format!("the unfinished build began with another {what}"))
                .expected(show(before))
                .got(show(now))
                .hint("start anew without --resume, or with the source and options that it began with"))
        };
        if self.source != now.source {
            return changed("source", Some(&self.source), Some(&now.source));
        }
        for name in self.facts.keys().chain(now.facts.keys()) {
            let (before, now) = (self.facts.get(name), now.facts.get(name));
            if before != now {
                return changed(name, before, now);
            }
        }
        Ok(())
    }
}

/// A place in a source up to which everything is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checkpoint {
    /// What the build was started with.
    pub identity: Identity,
    /// What the source has given so far: documents, bad ones included.
    pub consumed: u64,
    /// The report so far.
    pub report: BuildReport,
}

/// The part of a commit payload that is read here; an app's own commit may have any payload, or none.
#[derive(Deserialize)]
struct Payload {
    build: Option<Checkpoint>,
}

impl Checkpoint {
    pub(crate) fn new(identity: Identity, consumed: u64, report: BuildReport) -> Self {
        Self { identity, consumed, report }
    }

    /// The checkpoint in the last commit of the index at `dir`; `None` where there is no index, no commit of a build, or
    /// nothing of it that reads.
    pub fn load(dir: &Path) -> Option<Self> {
        Self::find(dir).ok().flatten()
    }

    /// As [`Checkpoint::load`], but what may be there and does not read now is an error, so that nobody takes it for
    /// nothing.
    pub(crate) fn find(dir: &Path) -> Result<Option<Self>> {
        if !dir.join("meta.json").try_exists().map_err(|e| Error::io(dir, e))? {
            return Ok(None);
        }
        let read = || {
            let directory = IndexDirectory::open(dir)?;
            Ok(tantivy::Index::open(directory).and_then(|index| index.load_metas())?)
        };
        match guarded([dir], read) {
            Ok(metas) => {
                let payload = metas.payload.and_then(|text| serde_json::from_str::<Payload>(&text).ok());
                Ok(payload.and_then(|payload| payload.build))
            }
            Err(error) if error.facts().file.is_none() => Err(error.file(dir)),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_named() {
        let before = Identity::new("a.jsonl").with("length", 3).with("schema", "x");
        before.check(&before.clone()).unwrap();
        for (now, what, got) in [
            (Identity::new("b.jsonl").with("length", 3).with("schema", "x"), "source", "b.jsonl"),
            (Identity::new("a.jsonl").with("length", 4).with("schema", "x"), "length", "4"),
            (Identity::new("a.jsonl").with("length", 3), "schema", "nothing"),
            (before.clone().with("strict", true), "strict", "true"),
        ] {
            let error = before.check(&now).unwrap_err();
            assert_eq!((error.code(), error.facts().got.as_deref()), (ErrorCode::Changed, Some(got)));
            assert!(error.facts().message.ends_with(what), "{error}");
        }
    }

    #[test]
    fn a_folder_without_an_index_has_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Checkpoint::load(dir.path()), None);
        assert_eq!(Checkpoint::load(&dir.path().join("missing")), None);
    }
}
