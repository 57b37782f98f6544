//! What a build did: documents, items, what was left out, and where the time went.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::corpus::Shard;
use crate::encode::Place;
use crate::error::{Error, Result};
use crate::hint::Named;

/// What to do with a document or item that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBad {
    /// Count it, list it, and go on.
    #[default]
    Warn,
    /// Stop with its error.
    Stop,
}

/// Entries of [`BuildReport::skipped`]; the list stands in commits, so it must not grow with a broken corpus.
pub const MAX_SKIPPED: usize = 10_000;
/// Bytes of all files and reasons of [`BuildReport::skipped`].
pub const MAX_SKIPPED_BYTES: usize = 2 << 20;
/// Bytes of one reason; a longer one is cut.
const MAX_REASON: usize = 1 << 10;

/// A document or item that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The corpus or features file.
    #[serde(serialize_with = "lossy")]
    pub file: PathBuf,
    /// 1-based line, or 0-based row of a features file.
    pub line: u64,
    /// Why, and the way out.
    pub reason: String,
}

impl Skipped {
    fn bytes(&self) -> usize {
        self.file.as_os_str().len() + self.reason.len()
    }
}

/// A name that is not UTF-8 must not make a report fail.
fn lossy<S: serde::Serializer>(path: &Path, serializer: S) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(&path.to_string_lossy())
}

/// What a build did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct BuildReport {
    /// Documents added.
    pub documents: u64,
    /// Items added, by media type.
    pub items: BTreeMap<String, u64>,
    /// Documents, items and parts of these left out: at most [`MAX_SKIPPED`] of them, and [`MAX_SKIPPED_BYTES`].
    pub skipped: Vec<Skipped>,
    /// Documents and items left out that are not in the list any more.
    #[serde(default)]
    pub unlisted: u64,
    /// All warnings: what was left out, documents without items, keys without a field.
    pub warnings: u64,
    /// Documents that have no item: keywords find them, pictures and sentences do not.
    pub without_items: u64,
    /// Nested values, which went into `_extra`.
    pub nested: u64,
    /// Values of keys that the schema does not have, which went into `_extra`.
    pub unknown: u64,
    /// Words that are too long for a term of their field, so that no keyword finds them; what is stored has them.
    #[serde(default)]
    pub long_words: u64,
    /// Which part of the source this is, where it is one.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<ShardDone>,
    /// Busy seconds of each stage; the stages run beside each other. Those of a build that was resumed are summed up.
    #[serde(default)]
    pub stages: StageTimes,
}

/// A part of a source that is an index now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ShardDone {
    /// Which part.
    pub shard: Shard,
    /// Whether it was there, so that nothing was done.
    pub already: bool,
}

impl ShardDone {
    pub(crate) fn new(shard: Shard, already: bool) -> Self {
        Self { shard, already }
    }
}

/// Busy time of each stage of a build, in seconds where it is serialised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct StageTimes {
    /// Reading documents from the source.
    #[serde(with = "seconds")]
    pub read: Duration,
    /// Reading, hashing, decoding and encoding items.
    #[serde(with = "seconds")]
    pub encode: Duration,
    /// Mapping features to the shared space.
    #[serde(with = "seconds")]
    pub pathways: Duration,
    /// Handing documents to the host, which may have to wait for it.
    #[serde(with = "seconds")]
    pub index: Duration,
    /// Commits.
    #[serde(with = "seconds")]
    pub commit: Duration,
}

impl StageTimes {
    /// The stages in order, with their names.
    pub fn named(&self) -> [(&'static str, Duration); 5] {
        [
            ("read", self.read),
            ("encode", self.encode),
            ("pathways", self.pathways),
            ("index", self.index),
            ("commit", self.commit),
        ]
    }
}

pub(crate) mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_f64(time.as_secs_f64())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        Duration::try_from_secs_f64(f64::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

/// Nanoseconds of one stage, counted on its thread and read on another.
#[derive(Debug, Default)]
pub(crate) struct Clock(AtomicU64);

impl Clock {
    pub(crate) fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let out = work();
        self.0.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        out
    }

    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

/// The clocks of the stages before the last.
#[derive(Debug, Default)]
pub(crate) struct Clocks {
    pub(crate) read: Clock,
    pub(crate) encode: Clock,
    pub(crate) pathways: Clock,
}

impl BuildReport {
    /// Counts segments that merges found damaged, and lists them; `dir` is the index.
    pub fn damaged(&mut self, dir: &Path, segments: &[(String, String)]) {
        for (segment, reason) in segments {
            // The reason begins with the file, where one is known.
            let named = reason.split_once(": ").filter(|(file, _)| file.starts_with(segment.as_str()));
            let (file, reason) = match named {
                Some((file, reason)) => (dir.join(file), reason),
                None => (
                    dir.join(format!("{segment}.{}", crate::index::files::names::FIELD_TYPE)),
                    reason.as_str(),
                ),
            };
            let reason = format!("damaged, and left out of merges: {reason}");
            self.list(Skipped { file, line: 0, reason });
        }
    }

    fn list(&mut self, mut skipped: Skipped) {
        self.warnings += 1;
        if skipped.reason.len() > MAX_REASON {
            let end = (0..=MAX_REASON).rev().find(|&at| skipped.reason.is_char_boundary(at)).unwrap_or(0);
            skipped.reason.truncate(end);
            skipped.reason.push_str("..");
        }
        // Once full, it stays so: then its bytes are not summed up any more.
        let fits = self.unlisted == 0
            && self.skipped.len() < MAX_SKIPPED
            && self.skipped.iter().chain([&skipped]).map(Skipped::bytes).sum::<usize>() <= MAX_SKIPPED_BYTES;
        if fits {
            self.skipped.push(skipped);
        } else {
            self.unlisted += 1;
        }
    }

    /// Lists what `error` says, at `place` where the error has no place of its own, in the words of `words`.
    pub(crate) fn skip(
        &mut self,
        error: Error,
        place: Option<&Place>,
        on_bad: OnBad,
        words: Option<fn(Named) -> String>,
    ) -> Result<()> {
        if on_bad == OnBad::Stop {
            let located = error.facts().file.is_some();
            return Err(match place {
                Some(place) if !located => place.of(error),
                _ => error,
            });
        }
        let facts = error.facts();
        let file = place.map(|p| p.file.clone()).or_else(|| facts.file.clone()).unwrap_or_default();
        let line = place.map(|p| p.line).or(facts.line).unwrap_or_default();
        let mut reason = facts.message.clone();
        match (&facts.expected, &facts.got) {
            (Some(expected), Some(got)) => reason = format!("{reason} (expected {expected}, got {got})"),
            (Some(expected), None) => reason = format!("{reason} (expected {expected})"),
            (None, Some(got)) => reason = format!("{reason} (got {got})"),
            (None, None) => {}
        }
        if let Some(hint) = &facts.hint {
            let hint = words.map_or_else(|| hint.to_string(), |words| hint.render(words));
            reason = format!("{reason}; {hint}");
        }
        // Which of the document's pictures it is: `file` and `line` are the place in the corpus.
        if let (Some(place), Some(item)) = (place, &facts.file)
            && *item != place.file
        {
            reason = format!("{}: {reason}", item.display());
        }
        if let Some(place) = place {
            reason = place.of(Error::new(error.code(), reason)).facts().message.clone();
        }
        tracing::warn!("{}:{line}: {reason}", file.display());
        self.list(Skipped { file, line, reason });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn the_list_of_what_was_left_out_is_bounded() {
        let mut report = BuildReport::default();
        for line in 0..MAX_SKIPPED as u64 + 3 {
            let error = Error::new(ErrorCode::BadJson, "bad").line(line);
            report.skip(error, None, OnBad::Warn, None).unwrap();
        }
        let counts = (report.skipped.len(), report.unlisted, report.warnings);
        assert_eq!(counts, (MAX_SKIPPED, 3, MAX_SKIPPED as u64 + 3));
    }

    #[test]
    fn reasons_have_hints_and_bounded_bytes() {
        let mut report = BuildReport::default();
        let error = Error::new(ErrorCode::BadJson, "bad").got("x").hint("write it again");
        report.skip(error, None, OnBad::Warn, None).unwrap();
        assert_eq!(report.skipped[0].reason, "bad (got x); write it again");
        for line in 0..5000 {
            let error = Error::new(ErrorCode::BadJson, "\u{e4}".repeat(4000)).line(line);
            report.skip(error, None, OnBad::Warn, None).unwrap();
        }
        let bytes: usize = report.skipped.iter().map(Skipped::bytes).sum();
        assert!(bytes <= MAX_SKIPPED_BYTES && bytes > MAX_SKIPPED_BYTES - 2 * MAX_REASON, "{bytes}");
        assert!(report.skipped[1].reason.len() <= MAX_REASON + 2);
        assert_eq!(report.skipped.len() as u64 + report.unlisted, 5001);
        assert_eq!(report.warnings, 5001);
    }

    #[test]
    fn a_report_survives_json() {
        let mut report = BuildReport { documents: 3, ..BuildReport::default() };
        report.stages.encode = Duration::from_millis(1500);
        report
            .skip(Error::new(ErrorCode::BadJson, "bad").file("a").line(2), None, OnBad::Warn, None)
            .unwrap();
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["stages"]["encode"], 1.5);
        assert_eq!(serde_json::from_value::<BuildReport>(json).unwrap(), report);
    }
}
