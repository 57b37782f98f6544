//! What reading a source left out, counted by reason.

use std::fmt::Write;

use crate::output::{in_flags, sentence};
use serde::Serialize;
use uncsm_index::{Error, ErrorCode};

/// Reasons that are kept apart; the rest is counted together.
const MOST: usize = 50;
/// Log lines of one reason.
const LOGGED: u64 = 5;

/// A reason, how often it was met, and where first.
#[derive(Debug, Serialize)]
pub struct Reason {
    pub reason: String,
    pub count: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// The reason without its numbers.
    #[serde(skip)]
    key: String,
}

/// All reasons in the order in which they were met.
#[derive(Debug, Default)]
pub struct LeftOut {
    pub count: u64,
    pub reasons: Vec<Reason>,
    first: Option<Error>,
    /// The first that is a fault of the source.
    fault: Option<Error>,
}

impl LeftOut {
    /// Counts `error`, and logs it unless its reason was logged often enough.
    pub fn add(&mut self, error: Error) {
        let count = self.counted(&error, 1);
        if count <= LOGGED {
            tracing::warn!("{}", sentence(&error));
        }
        // Files of other kinds are no fault.
        if self.fault.is_none() && error.code() != ErrorCode::UnknownMedia {
            self.fault = Some(error.clone());
        }
        self.first.get_or_insert(error);
    }

    fn counted(&mut self, error: &Error, by: u64) -> u64 {
        self.count += by;
        let facts = error.facts();
        let key = without_numbers(&facts.message);
        let at = self.reasons.iter().position(|reason| reason.key == key);
        let at = at.unwrap_or_else(|| {
            if self.reasons.len() == MOST {
                self.reasons.push(Reason {
                    reason: "other reasons".to_owned(),
                    count: 0,
                    file: None,
                    line: None,
                    key: String::new(),
                });
            }
            if self.reasons.len() > MOST {
                return MOST;
            }
            let hint = facts.hint.as_ref().map(|hint| format!("; {}", in_flags(hint))).unwrap_or_default();
            self.reasons.push(Reason {
                reason: format!("{}{hint}", facts.message),
                count: 0,
                file: facts.file.as_ref().map(|file| file.display().to_string()),
                line: facts.line,
                key,
            });
            self.reasons.len() - 1
        });
        self.reasons[at].count += by;
        self.reasons[at].count
    }

    /// Counts `count` rows of features that are all zero, of which `first` is the first.
    pub fn zeros(&mut self, media: &str, count: u64, first: u64, file: &std::path::Path) {
        let what = format!("all features of `{media}` are zero in a row, so that it is no item");
        let error = Error::new(ErrorCode::NoItems, what).file(file).line(first);
        self.counted(&error, count);
        tracing::warn!("{}: {count} rows", sentence(&error));
        self.first.get_or_insert(error);
    }

    /// The first that is a fault of the source.
    pub fn into_fault(self) -> Option<Error> {
        self.fault
    }

    /// The error of data that are too few, with the first fault of the source as its cause, else what was left out first; else
    /// with the place of the source.
    pub fn cause_of(&self, error: Error, file: &std::path::Path, line: Option<u64>) -> Error {
        if !matches!(error.code(), ErrorCode::Empty | ErrorCode::TooFewData) || error.facts().file.is_some() {
            return error;
        }
        let Some(first) = self.fault.as_ref().or(self.first.as_ref()) else {
            let error = error.file(file);
            return match line {
                Some(line) => error.line(line),
                None => error,
            };
        };
        let facts = first.facts();
        let hint = error.facts().hint.clone().map(|hint| hint.text("; ")).unwrap_or_default();
        let error = error
            .hint(hint.text(format_args!("{} were left out, the first: {}", self.count, facts.message)))
            .file(facts.file.as_deref().unwrap_or(file));
        match facts.line {
            Some(line) => error.line(line),
            None => error,
        }
    }

    /// One line for each reason.
    pub fn text(&self) -> String {
        let mut out = String::new();
        for reason in &self.reasons {
            let place = match (&reason.file, reason.line) {
                (Some(file), Some(line)) => format!(" (first: {file}:{line})"),
                (Some(file), None) => format!(" (first: {file})"),
                _ => String::new(),
            };
            let _ = writeln!(out, "left out: {} times: {}{place}", reason.count, reason.reason);
        }
        out
    }
}

/// `row 17: ..` and `row 18: ..` are one reason.
fn without_numbers(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for c in message.chars() {
        if !c.is_ascii_digit() {
            out.push(c);
        } else if !out.ends_with('#') {
            out.push('#');
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_counted_and_bounded() {
        let mut left = LeftOut::default();
        for line in 0..7 {
            left.add(Error::new(ErrorCode::BadValue, format!("row {line}: bad")).file("a").line(line));
        }
        for at in 0..60u8 {
            left.add(Error::new(ErrorCode::BadValue, "x".repeat(usize::from(at) + 1)));
        }
        assert_eq!((left.count, left.reasons.len()), (67, MOST + 1));
        assert_eq!((left.reasons[0].count, left.reasons[0].reason.as_str()), (7, "row 0: bad"));
        assert_eq!(left.reasons[MOST].count, 11);
        let error = left.cause_of(Error::new(ErrorCode::TooFewData, "too few"), "c".as_ref(), Some(9));
        let facts = error.facts();
        assert_eq!((facts.file.as_deref(), facts.line), (Some("a".as_ref()), Some(0)), "{error}");
        assert!(error.to_string().contains("67 were left out, the first: row 0: bad"), "{error}");
        // A file of another kind that comes before a fault is not the cause.
        let mut left = LeftOut::default();
        left.add(Error::new(ErrorCode::UnknownMedia, "1 file of the kind `.avif` left out").file("d"));
        left.add(Error::new(ErrorCode::BadValue, "a fault").file("e").line(3));
        let error = left.cause_of(Error::new(ErrorCode::TooFewData, "too few"), "c".as_ref(), None);
        assert_eq!((error.facts().file.as_deref(), error.facts().line), (Some("e".as_ref()), Some(3)));
        assert!(error.to_string().contains("2 were left out, the first: a fault"), "{error}");
        let error = LeftOut::default().cause_of(Error::new(ErrorCode::Empty, "none"), "c".as_ref(), Some(9));
        assert_eq!((error.facts().file.as_deref(), error.facts().line), (Some("c".as_ref()), Some(9)));
    }
}
