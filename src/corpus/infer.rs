//! Inferring the fields of a corpus in one scan.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use super::document::Document;
use super::jsonl::JsonlReader;
use super::schema::{FieldKind, FieldSchema, FieldSpec, MAX_EXACT};
use crate::error::{Error, ErrorCode, Result};

/// What a scan found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scan {
    /// The fields.
    pub schema: FieldSchema,
    /// Documents that read.
    pub documents: u64,
    /// Lines that do not read; `build` lists them.
    pub bad_lines: u64,
    /// Keys whose values are objects or mixed lists, which go into `_extra`, with their number.
    pub extra: BTreeMap<String, u64>,
}

/// Scans the corpus at `path` once. Memory is that of the keys.
///
/// # Errors
/// [`ErrorCode::SchemaConflict`] with both lines; [`ErrorCode::NotFound`], [`ErrorCode::Io`]; [`ErrorCode::Empty`] where
/// no line reads; [`ErrorCode::BadValue`] for names that collide.
pub fn infer(path: &Path) -> Result<Scan> {
    let mut scan = Inference::default();
    for document in JsonlReader::open(path)? {
        match document {
            Ok(document) => scan.add(&document).map_err(|e| e.file(path))?,
            Err(error) if error.code() == ErrorCode::Io => return Err(error),
            Err(_) => scan.bad_lines += 1,
        }
    }
    if scan.documents == 0 {
        let lines = format!("{} lines, none of which reads", scan.bad_lines);
        return Err(Error::new(ErrorCode::Empty, "the corpus has no document").file(path).got(lines));
    }
    let scan = scan.finish();
    scan.schema.check().map_err(|e| e.file(path))?;
    Ok(scan)
}

/// Kinds of values, before integers and floats are joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Text { exact: bool },
    Integer,
    Float,
    Bool,
    Stored,
    Extra,
}

impl Seen {
    fn name(self) -> &'static str {
        match self {
            Self::Text { .. } | Self::Stored => "string",
            Self::Integer => "integer",
            Self::Float => "float",
            Self::Bool => "boolean",
            Self::Extra => "object or mixed list",
        }
    }
}

#[derive(Default)]
struct Inference {
    keys: BTreeMap<String, (Seen, u64)>,
    documents: u64,
    bad_lines: u64,
    extra: BTreeMap<String, u64>,
}

impl Inference {
    fn add(&mut self, document: &Document) -> Result<()> {
        self.documents += 1;
        for (key, value) in &document.fields {
            let seen = if key == "image" { Seen::Stored } else { kind(value) };
            if seen == Seen::Extra {
                *self.extra.entry(key.clone()).or_default() += 1;
            }
            let Some((before, first)) = self.keys.get_mut(key) else {
                self.keys.insert(key.clone(), (seen, document.line));
                continue;
            };
            *before = join(*before, seen).ok_or_else(|| {
                let message = format!("the key {key:?} has values of two types");
                Error::new(ErrorCode::SchemaConflict, message)
                    .line(document.line)
                    .expected(format!("{} as on line {first}", before.name()))
                    .got(seen.name())
                    .hint("make the values of a key alike, or use two keys")
            })?;
        }
        Ok(())
    }

    fn finish(self) -> Scan {
        let field = |(name, (seen, _)): (String, (Seen, u64))| {
            let spec = match seen {
                Seen::Text { exact } => FieldSpec { facet: exact, ..FieldSpec::new(FieldKind::Text) },
                Seen::Integer => FieldSpec::new(FieldKind::Integer),
                Seen::Float => FieldSpec::new(FieldKind::Float),
                Seen::Bool => FieldSpec::new(FieldKind::Bool),
                Seen::Stored => FieldSpec::new(FieldKind::Stored),
                Seen::Extra => return None,
            };
            Some((name, spec))
        };
        let fields = self.keys.into_iter().filter_map(field).collect();
        Scan {
            schema: FieldSchema { fields },
            documents: self.documents,
            bad_lines: self.bad_lines,
            extra: self.extra,
        }
    }
}

fn kind(value: &Value) -> Seen {
    match value {
        Value::String(text) => Seen::Text { exact: text.len() <= MAX_EXACT },
        Value::Bool(_) => Seen::Bool,
        Value::Number(number) if number.is_i64() => Seen::Integer,
        Value::Number(_) => Seen::Float,
        Value::Array(list) => {
            list.iter().map(kind).map(Some).reduce(|a, b| join(a?, b?)).flatten().unwrap_or(Seen::Extra)
        }
        Value::Object(_) | Value::Null => Seen::Extra,
    }
}

/// The kind that holds both; `None` where there is none.
fn join(a: Seen, b: Seen) -> Option<Seen> {
    match (a, b) {
        (Seen::Text { exact: a }, Seen::Text { exact: b }) => Some(Seen::Text { exact: a || b }),
        (Seen::Integer, Seen::Float) | (Seen::Float, Seen::Integer) => Some(Seen::Float),
        (a, b) => (a == b).then_some(a),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(text: &str) -> Result<Scan> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.jsonl");
        std::fs::write(&path, text).unwrap();
        infer(&path)
    }

    #[test]
    fn kinds_are_inferred_and_widened() {
        let long = "x".repeat(300);
        let scan = scan(&format!(
            "{{\"id\":1,\"n\":1,\"f\":1,\"s\":\"a\",\"l\":[\"a\",\"b\"],\"long\":\"{long}\",\"image\":\"i.png\",\"ok\":true}}\n\
             bad line\n\
             {{\"id\":2,\"f\":1.5,\"s\":null,\"l\":[],\"o\":{{\"x\":1}},\"m\":[1,\"a\"],\"nums\":[1,2.5],\"texts\":[\"a\"],\
             \"big\":18446744073709551615}}\n"
        ))
        .unwrap();
        let kind = |name: &str| scan.schema.fields[name].kind;
        assert_eq!(kind("n"), FieldKind::Integer);
        assert_eq!(kind("f"), FieldKind::Float);
        assert_eq!(kind("nums"), FieldKind::Float);
        assert_eq!(kind("big"), FieldKind::Float);
        assert_eq!(kind("ok"), FieldKind::Bool);
        assert_eq!(kind("image"), FieldKind::Stored);
        assert!(
            scan.schema.fields["s"].facet
                && scan.schema.fields["l"].facet
                && scan.schema.fields["text"].facet
        );
        assert!(!scan.schema.fields["long"].facet);
        assert!(!scan.schema.fields.contains_key("o") && !scan.schema.fields.contains_key("m"));
        assert_eq!((scan.extra["o"], scan.extra["m"]), (1, 1));
        assert_eq!((scan.documents, scan.bad_lines), (2, 1));
    }

    #[test]
    fn conflicts_name_both_lines_and_an_empty_corpus_is_an_error() {
        let error = scan("{\"a\":1}\n{\"a\":2}\n{\"a\":\"x\"}\n").unwrap_err();
        assert_eq!((error.code(), error.facts().line), (ErrorCode::SchemaConflict, Some(3)));
        assert!(error.to_string().contains("line 1"), "{error}");
        assert_eq!(scan("{\"a\":true}\n{\"a\":1}\n").unwrap_err().code(), ErrorCode::SchemaConflict);
        assert_eq!(scan("\n\n").unwrap_err().code(), ErrorCode::Empty);
        assert_eq!(scan("nonsense\n").unwrap_err().code(), ErrorCode::Empty);
        assert_eq!(scan("{\"a\":\"x\",\"a_exact\":\"y\"}\n").unwrap_err().code(), ErrorCode::BadValue);
    }
}
