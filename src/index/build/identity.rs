//! What a build is started with, so that it goes on only with the same source and options.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::corpus::{files, fingerprint, folder_fingerprint};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};

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

    /// Adds what can be said of `paths` without reading them: length and time of a file; of several, and of a folder, those of the files
    /// that make documents.
    ///
    /// # Errors
    /// Those of looking at it.
    pub(crate) fn about(self, what: &str, paths: &[PathBuf]) -> Result<Self> {
        let list = files(paths)?;
        let [path] = list.as_slice() else {
            return Ok(self.with(format!("list of files ({what})"), fingerprint(&list)?));
        };
        let about = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
        if about.is_dir() {
            return Ok(self.with(format!("list of files ({what})"), folder_fingerprint(path)?));
        }
        let modified = about.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.map_or_else(|| "unknown".into(), |time| time.as_nanos().to_string());
        Ok(self
            .with(format!("length ({what})"), about.len())
            .with(format!("time of change ({what})"), modified))
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
        self.check_as(now, "the unfinished build began")
    }

    /// As [`Identity::check`], of what `began` says.
    pub(crate) fn check_as(&self, now: &Self, began: &str) -> Result<()> {
        let changed = |what: &str, before: Option<&String>, now: Option<&String>| {
            let show = |value: Option<&String>| value.map_or_else(|| "nothing".to_owned(), Clone::clone);
            Err(Error::new(ErrorCode::Changed, format!("{began} with another {what}"))
                .expected(show(before))
                .got(show(now))
                .hint(
                    Hint::new("start anew without")
                        .setting(Setting::Resume)
                        .text(", or with the source and options that it began with"),
                ))
        };
        if self.source != now.source {
            return changed("source", Some(&self.source), Some(&now.source));
        }
        let (began, now) = (self.plain(), now.plain());
        for name in began.keys().chain(now.keys()) {
            let (before, now) = (began.get(name).copied(), now.get(name).copied());
            let value = |fact: Option<(&String, &'_ String)>| fact.map(|(_, value)| value.clone());
            if value(before) != value(now) {
                let (written, _) = now.or(before).unwrap_or((name, name));
                return changed(written, value(before).as_ref(), value(now).as_ref());
            }
        }
        Ok(())
    }

    /// Names as they are written, and values, by names in which a setting is the same as a flag of the command line.
    fn plain(&self) -> BTreeMap<String, (&String, &String)> {
        self.facts.iter().map(|fact| (fact.0.replace("--", ""), fact)).collect()
    }
}

/// The paths of a source, whatever folder they are named from; a pattern stands for what it is below its folder.
pub(crate) fn absolute(paths: &[PathBuf]) -> Result<String> {
    let one = |path: &PathBuf| match path.canonicalize() {
        Ok(path) => Ok(path.to_string_lossy().into_owned()),
        Err(_) if files(std::slice::from_ref(path)).is_ok() => {
            let path = std::path::absolute(path).map_err(|e| Error::io(path, e))?;
            Ok(path.to_string_lossy().into_owned())
        }
        Err(e) => Err(Error::io(path, e)),
    };
    Ok(paths.iter().map(one).collect::<Result<Vec<_>>>()?.join("\n"))
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
    fn a_build_that_the_command_line_began_goes_on() {
        let flag = |name: &str| format!("{}{name}", "--");
        let old =
            Identity::new("a").with(flag("strict"), false).with(format!("length ({})", flag("corpus")), 3);
        let new = Identity::new("a").with("strict", false).with("length (corpus)", 3);
        old.check(&new).unwrap();
        assert_eq!(old.check(&new.with("strict", true)).unwrap_err().code(), ErrorCode::Changed);
    }
}
