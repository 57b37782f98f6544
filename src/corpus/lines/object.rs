//! The bytes of one document as a JSON object, with the place of what is wrong in them.

use std::path::Path;

use serde_json::{Map, Value};

use super::{json, not_finite};
use crate::error::{Error, ErrorCode, Result};

/// An object, and what was left out of it.
pub(in crate::corpus) type Object = (Map<String, Value>, Option<Error>);

/// The bytes of one document.
pub(in crate::corpus) struct Piece<'a> {
    pub(in crate::corpus) bytes: &'a [u8],
    /// The place of the first byte.
    pub(in crate::corpus) start: u64,
    /// What [`crate::corpus::document::one::Document::line`] is to be.
    pub(in crate::corpus) line: u64,
    pub(in crate::corpus) file: &'a Path,
    /// What it is: `a line`, `an element`.
    pub(in crate::corpus) what: &'static str,
}

impl Piece<'_> {
    /// Reads it.
    ///
    /// # Errors
    /// [`ErrorCode::BadJson`] for what is no UTF-8, no JSON or no object; [`ErrorCode::TooLarge`] for too many values.
    pub(in crate::corpus) fn object(&self) -> Result<Object> {
        let text = match std::str::from_utf8(self.bytes) {
            Ok(text) => text,
            Err(error) => {
                let at = error.valid_up_to();
                return Err(self
                    .bad_json(&format!("{} is not valid UTF-8", self.what), at)
                    .expected("UTF-8")
                    .got(format!("the byte 0x{:02x}", self.bytes.get(at).copied().unwrap_or_default()))
                    .hint("convert the file to UTF-8"));
            }
        };
        let mut flaw = None;
        let parsed = match json::parse(text) {
            Ok(value) => Ok(value),
            Err(error) => match not_finite::clean(text) {
                None => Err(self.syntax(&error, text, place(text, &error))),
                Some(cleaned) => {
                    let found = cleaned.flaw();
                    let at = self.start + found.facts().offset.unwrap_or_default();
                    flaw = Some(found.file(self.file).line(self.line).offset(at));
                    json::parse(&cleaned.text).map_err(|error| {
                        self.syntax(&error, text, cleaned.original(place(&cleaned.text, &error)))
                    })
                }
            },
        };
        match parsed? {
            Value::Object(object) => Ok((object, flaw)),
            other => Err(self
                .bad_json(&format!("{} is not a JSON object", self.what), 0)
                .expected("an object {\"id\": .., ..}")
                .got(json::type_name(&other))
                .hint(match self.what {
                    "a line" => "every line must hold one object",
                    _ => "every element of the list must be an object",
                })),
        }
    }

    /// The error `what` at the byte `at` of the piece.
    fn bad_json(&self, what: &str, at: usize) -> Error {
        Error::new(ErrorCode::BadJson, what).file(self.file).line(self.line).offset(self.start + at as u64)
    }

    fn syntax(&self, error: &serde_json::Error, text: &str, at: usize) -> Error {
        let at = at.min(text.len());
        if json::is_too_many(error) {
            return json::too_many().file(self.file).line(self.line).offset(self.start + at as u64);
        }
        let head: String = text.chars().take(40).collect();
        let dots = if head.len() < text.len() { "..." } else { "" };
        let hint = match (error.is_eof(), self.what) {
            (true, "a line") => "the line ends too early: every document must stand whole on one line",
            (_, "a line") => "correct the line, or leave it out",
            _ => "correct it, or leave it out",
        };
        self.bad_json(&format!("{} is not valid JSON: {}", self.what, json::message(error)), at)
            .expected("one JSON object")
            .got(format!("{head}{dots}"))
            .hint(hint)
    }
}

/// The byte of `text` that the parser's error is about: its lines and columns count from 1.
fn place(text: &str, error: &serde_json::Error) -> usize {
    let before: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    before + error.column().saturating_sub(1)
}
