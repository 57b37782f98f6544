//! What is wrong with a query, with the byte where it is, what was expected, and a way that works.

use std::borrow::Cow;

use tantivy::schema::{FieldType, Schema};

use super::ast::{Mode, Name, Span};
use crate::error::{Error, ErrorCode};
use crate::limits::{self, QUERY_DEPTH};
use crate::schema::EXTRA_FIELD;
use crate::search::near::near_names;

/// Characters of a query that an error shows before and after the place.
const SHOWN: usize = 40;

/// The query around byte `at`.
fn around(text: &str, at: usize) -> String {
    let (before, after) = text.split_at(at);
    let from = before.char_indices().rev().nth(SHOWN - 1).map_or(0, |(at, _)| at);
    let to = after.char_indices().nth(SHOWN).map_or(after.len(), |(at, _)| at);
    let (begins, ends) = (if from > 0 { ".." } else { "" }, if to < after.len() { ".." } else { "" });
    format!("{begins}{} <HERE> {}{ends}", &before[from..], &after[..to])
}

/// A text, cut where it is long.
pub(super) fn shown(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(2 * SHOWN) {
        Some((at, _)) => format!("{}..", &text[..at]).into(),
        None => text.into(),
    }
}

/// The query is wrong at byte `at`.
pub(super) fn syntax(mode: Mode, text: &str, at: usize, why: &str) -> Error {
    let message = format!("the {} query does not parse at byte {at}: {why}", mode.as_str());
    Error::new(ErrorCode::BadQuery, message)
        .offset(at as u64)
        .got(around(text, at))
        .hint("quote phrases, and put a backslash before special characters")
}

pub(super) fn too_deep(mode: Mode, at: usize) -> Error {
    let message = format!("the {} query is nested too deeply before byte {at}", mode.as_str());
    Error::new(ErrorCode::BadQuery, message)
        .offset(at as u64)
        .expected(format!("at most {QUERY_DEPTH} groups and exclusions inside of each other"))
}

/// The query asks for more than `most` of something before byte `at`.
pub(super) fn too_much(mode: Mode, at: usize, what: &str, most: usize, got: usize, unit: &str) -> Error {
    limits::over(format!("the {} query {what} before byte {at}", mode.as_str()), most, got, unit)
        .offset(at as u64)
        .hint("ask in several queries, in fewer fields, or by a list: field: IN [a b]")
}

/// What the words and fields of a query are asked for: the query as it is written.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) mode: Mode,
    pub(super) text: &'a str,
}

impl Place<'_> {
    /// What is written at `span`, cut where it is long.
    pub(super) fn written(&self, span: &Span) -> String {
        let written = &self.text[span.0.clone()];
        shown(written).into_owned()
    }

    /// The clause at `span` cannot be asked; `why` is a sentence.
    pub(super) fn error(&self, span: &Span, why: &str) -> Error {
        let (at, mode) = (span.0.start, self.mode.as_str());
        let message = format!("the clause `{}` at byte {at} of the {mode} query: {why}", self.written(span));
        Error::new(ErrorCode::BadQuery, message).offset(at as u64)
    }

    /// No field of the index has this name.
    pub(super) fn no_field(&self, schema: &Schema, name: &Name) -> Error {
        let error = unknown_field(schema, &name.path).offset(name.span.0.start as u64);
        let extra = schema.get_field(EXTRA_FIELD).is_ok() && !name.path.starts_with('_');
        let hint = error.facts().hint.clone().unwrap_or_default();
        match extra {
            // What is nested is one step away, so it comes first.
            true if name.path.contains('.') => error.hint(format!(
                "values inside of objects are asked for as {EXTRA_FIELD}.{}; {hint}",
                shown(&name.path)
            )),
            true => error.hint(hint.text(format_args!(
                "; objects, and keys that came later, are asked for as {EXTRA_FIELD}.{}",
                shown(&name.path)
            ))),
            false => error,
        }
    }
}

/// What the values of a field are, in words.
pub(super) fn kind_of(field: &FieldType) -> &'static str {
    match field {
        FieldType::Str(_) => "text",
        FieldType::I64(_) | FieldType::U64(_) | FieldType::TieBreaker => "whole numbers",
        FieldType::F64(_) => "numbers",
        FieldType::Bool(_) => "true or false",
        FieldType::Date(_) => "dates",
        FieldType::Facet(_) => "facets",
        FieldType::Bytes(_) => "bytes",
        FieldType::JsonObject(_) => "nested values",
        FieldType::IpAddr(_) => "IP addresses",
        FieldType::Custom(_) => "the items of a document",
    }
}

/// A value of a field, as it is written; none for one that is asked for otherwise.
pub(super) fn example_of(field: &FieldType) -> Option<&'static str> {
    match field {
        FieldType::I64(_) | FieldType::U64(_) | FieldType::TieBreaker => Some("12"),
        FieldType::F64(_) => Some("1.5"),
        FieldType::Bool(_) => Some("true"),
        FieldType::Date(_) => Some("2001-02-03"),
        FieldType::Facet(_) => Some("\"/books/fiction\""),
        FieldType::Bytes(_) => Some("\"aGVsbG8=\""),
        FieldType::IpAddr(_) => Some("\"10.0.0.1\""),
        FieldType::Str(_) | FieldType::JsonObject(_) => Some("word"),
        FieldType::Custom(_) => None,
    }
}

/// What a value of a field is written like.
pub(super) fn form_of(field: &FieldType) -> &'static str {
    match field {
        FieldType::I64(_) | FieldType::TieBreaker => {
            "a whole number from -9223372036854775808 to 9223372036854775807, such as 12 or -5"
        }
        FieldType::U64(_) => "a whole number from 0 to 18446744073709551615, such as 12",
        FieldType::F64(_) => "a number, such as 12, -0.5 or 1.5e3",
        FieldType::Bool(_) => "true or false, in lower case",
        FieldType::Date(_) => {
            "a day, month or year such as 2023-01-15, 2023-01 or 2023, or a time as RFC 3339 has it, such as 2023-01-15T00:00:00Z"
        }
        FieldType::Facet(_) => "a path, such as /books/fiction",
        FieldType::Bytes(_) => "bytes in base64",
        FieldType::IpAddr(_) => "an IP address, such as 10.0.0.1 or ::1",
        FieldType::Str(_) | FieldType::JsonObject(_) => "a word or a phrase",
        FieldType::Custom(_) => "nothing: items are asked for by media parts",
    }
}

/// The error for a field that `schema` does not have.
pub(in crate::search) fn unknown_field(schema: &Schema, name: &str) -> Error {
    let all: Vec<&str> =
        schema.fields().map(|(_, entry)| entry.name()).filter(|name| !name.starts_with('_')).collect();
    let near = near_names(name, &all);
    let hint = if near.is_empty() {
        format!("the index has the fields {}", all.join(", "))
    } else {
        format!("did you mean {}? The index has the fields {}", near.join(" or "), all.join(", "))
    };
    Error::new(ErrorCode::UnknownField, format!("no field is called `{}`", shown(name))).hint(hint)
}

/// A text as a value in quotes; cut where it is long.
pub(super) fn in_quotes(text: &str) -> String {
    let text = shown(text);
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}
