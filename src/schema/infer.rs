//! Infers the field schema of a corpus in one streaming scan.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::date;
use super::overrides::SchemaOverrides;
use super::spec::{FieldKind, FieldSchema, FieldSpec, MAX_FIELDS, Refused, clash_error, is_short};
use crate::corpus::{Document, Keys, ReadError, Reader, TEXT, unit_of};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};

/// What a scan does with a line that is no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadLines {
    /// Counts it and goes on.
    Skip,
    /// Stops with its error.
    Stop,
}

/// What a scan found.
#[derive(Debug)]
pub struct Inference {
    /// The schema, with the overrides applied.
    pub schema: FieldSchema,
    /// Documents seen.
    pub documents: u64,
    /// Lines that are no documents.
    pub bad_lines: u64,
    /// The error of the first of them.
    pub first_error: Option<Error>,
}

/// What a scan knows of one key.
struct Key {
    kind: FieldKind,
    /// Line of the first value of `kind`; of the first value at all where integers widened to floats.
    line: u64,
    /// Which of the files it is in.
    file: usize,
    multi: bool,
    short: bool,
}

/// Scans `documents` of `file` for their fields.
///
/// Strings are [`FieldKind::Text`], with an exact twin where at least one has at most [`EXACT_LIMIT`](super::spec::EXACT_LIMIT) bytes.
/// Numbers are [`FieldKind::Integer`] where all fit into an `i64`, else [`FieldKind::Float`]: integers widen to floats,
/// and so does an integer beyond `i64`, with the rounding of a 64-bit float (a string keeps all its digits).
/// Objects, and lists that hold objects, lists or mixed types, are [`FieldKind::Extra`]. Null and empty lists are
/// absent. Strings are [`FieldKind::Date`] where all values of the key are dates, those of lists too. A key whose type `overrides` sets is not inferred, so that it cannot conflict.
///
/// Cost: one pass; memory for the keys, not for the documents.
///
/// # Errors
/// [`ErrorCode::SchemaConflict`] for a key with values of types that do not join, with both lines;
/// [`ErrorCode::BadValue`] for more than [`MAX_FIELDS`] keys; an error that ends the corpus; what
/// [`SchemaOverrides::apply`] says; and with [`BadLines::Stop`] the error of a bad line.
pub fn infer(
    documents: impl IntoIterator<Item = Result<Document, ReadError>>,
    file: &Path,
    overrides: &SchemaOverrides,
    bad_lines: BadLines,
) -> Result<Inference> {
    infer_with(documents, (file, &Keys::default()), overrides, bad_lines)
}

/// As [`infer`], of a corpus with other keys of items: those of media files are stored alone.
///
/// # Errors
/// Those of [`infer`].
pub fn infer_with(
    documents: impl IntoIterator<Item = Result<Document, ReadError>>,
    (file, media): (&Path, &Keys),
    overrides: &SchemaOverrides,
    bad_lines: BadLines,
) -> Result<Inference> {
    let mut documents = documents.into_iter();
    scan(
        |files| {
            let document = documents.next()?;
            if files.is_empty() {
                files.push(file.to_path_buf());
            }
            Some(document)
        },
        media,
        overrides,
        bad_lines,
    )
}

/// As [`infer_with`], of all files of `corpus`: errors name the one of each line.
///
/// # Errors
/// Those of [`infer`].
pub fn infer_files(
    corpus: &mut Reader,
    media: &Keys,
    overrides: &SchemaOverrides,
    bad_lines: BadLines,
) -> Result<Inference> {
    scan(
        |files| {
            let document = corpus.next()?;
            if files.last().is_none_or(|last| last != corpus.file()) {
                files.push(corpus.file().to_path_buf());
            }
            Some(document)
        },
        media,
        overrides,
        bad_lines,
    )
}

/// Scans what `next` gives; it adds the file of a document where that is another than the last.
fn scan(
    mut next: impl FnMut(&mut Vec<PathBuf>) -> Option<Result<Document, ReadError>>,
    media: &Keys,
    overrides: &SchemaOverrides,
    bad_lines: BadLines,
) -> Result<Inference> {
    let mut keys: BTreeMap<String, Key> = BTreeMap::new();
    let mut files = Vec::new();
    let (mut seen, mut bad, mut first_error) = (0, 0, None);
    while let Some(document) = next(&mut files) {
        let document = match document {
            Ok(document) => document,
            Err(ReadError::End(error)) => return Err(error),
            Err(ReadError::Document(error)) if bad_lines == BadLines::Stop => return Err(error),
            Err(ReadError::Document(error)) => {
                bad += 1;
                first_error.get_or_insert(error);
                continue;
            }
        };
        seen += 1;
        for (name, value) in &document.fields {
            observe(&mut keys, (name, value), (document.line, &files), overrides, media)
                .map_err(|error| error.file(file_at(&files, files.len().saturating_sub(1))))?;
        }
    }
    let fields = keys.iter().map(|(name, key)| (name.clone(), key.spec())).collect();
    let schema = overrides.apply_to(fields).map_err(|refused| match refused {
        Refused::Field(error) if error.facts().file.is_some() => error,
        Refused::Field(error) => error.file(file_at(&files, 0)),
        Refused::Clash { name, twin } => with_lines((&name, &twin), &keys, &files),
    })?;
    Ok(Inference { schema, documents: seen, bad_lines: bad, first_error })
}

fn observe(
    keys: &mut BTreeMap<String, Key>,
    (name, value): (&str, &Value),
    (line, files): (u64, &[PathBuf]),
    overrides: &SchemaOverrides,
    media: &Keys,
) -> Result<()> {
    let mut new = classify(value, line);
    new.file = files.len().saturating_sub(1);
    if media.is_of_files(name) {
        new.kind = FieldKind::Stored;
    }
    let is_text = || name == TEXT || media.is_of_texts(name) || overrides.means_text(name);
    if new.kind == FieldKind::Date && is_text() {
        new.kind = FieldKind::Text;
    }
    if let Some(kind) = overrides.kind(name) {
        new.kind = kind;
    }
    let Some(old) = keys.get_mut(name) else {
        if keys.len() == MAX_FIELDS {
            return Err(Error::new(ErrorCode::BadValue, format!("`{name}` is one key too many"))
                .line(line)
                .expected(format!("at most {MAX_FIELDS} different keys in a corpus"))
                .hint("put keys that vary from document to document into one nested object"));
        }
        keys.insert(name.to_owned(), new);
        return Ok(());
    };
    old.multi |= new.multi;
    old.short |= new.short;
    match join(old.kind, new.kind) {
        Some(kind) => old.kind = kind,
        None => {
            let file = file_at(files, new.file);
            let unit = unit_of(file);
            let what = match old.file == new.file {
                true => format!("on {unit}s {} and {line}", old.line),
                false => format!("on {} and {}", old.place(files), new.place(files)),
            };
            let first = if old.file == new.file { format!("{unit} {}", old.line) } else { old.place(files) };
            let what = format!("the values of `{name}` have two types, {what}");
            return Err(Error::new(ErrorCode::SchemaConflict, what)
                .line(line)
                .expected(format!("{} as on {first}", describe(old.kind)))
                .got(describe(new.kind))
                .hint(
                    Hint::new(format!(
                        "correct the corpus, or set type = \"text\" or \"extra\" under [fields.{name:?}] in a file for"
                    ))
                    .setting(Setting::Schema),
                ));
        }
    }
    Ok(())
}

fn describe(kind: FieldKind) -> &'static str {
    match kind {
        FieldKind::Extra => "an object or a list of mixed types",
        kind => kind.as_str(),
    }
}

/// The kind that holds values of both.
fn join(a: FieldKind, b: FieldKind) -> Option<FieldKind> {
    use FieldKind::{Date, Float, Integer, Text};
    match (a, b) {
        (a, b) if a == b => Some(a),
        (Integer, Float) | (Float, Integer) => Some(Float),
        (Date, Text) | (Text, Date) => Some(Text),
        _ => None,
    }
}

fn classify(value: &Value, line: u64) -> Key {
    let key = |kind, short| Key { kind, line, file: 0, multi: false, short };
    match value {
        Value::String(string) if date::read(string).is_some() => key(FieldKind::Date, true),
        Value::String(string) => key(FieldKind::Text, is_short(string)),
        Value::Bool(_) => key(FieldKind::Bool, true),
        Value::Number(number) if number.is_i64() => key(FieldKind::Integer, true),
        Value::Number(_) => key(FieldKind::Float, true),
        Value::Object(_) | Value::Null => key(FieldKind::Extra, false),
        Value::Array(list) => {
            let elements = list.iter().map(|element| match element {
                Value::Array(_) => key(FieldKind::Extra, false),
                element => classify(element, line),
            });
            let joined = elements.reduce(|a, b| {
                let kind = join(a.kind, b.kind).unwrap_or(FieldKind::Extra);
                Key { kind, short: a.short | b.short, ..a }
            });
            let joined = joined.unwrap_or_else(|| key(FieldKind::Extra, false));
            Key { multi: joined.kind != FieldKind::Extra, ..joined }
        }
    }
}

fn file_at(files: &[PathBuf], at: usize) -> &Path {
    files.get(at).map_or(Path::new(""), PathBuf::as_path)
}

impl Key {
    /// Its line, and the file of that, for messages.
    fn place(&self, files: &[PathBuf]) -> String {
        let file = file_at(files, self.file);
        format!("{} {} of {}", unit_of(file), self.line, file.display())
    }

    fn spec(&self) -> FieldSpec {
        let spec = FieldSpec::new(self.kind);
        FieldSpec { multi: self.multi, facet: spec.facet && self.short, ..spec }
    }
}

/// The error of two keys of which the exact twin of one has the name of the other, with both places.
fn with_lines((name, twin): (&str, &str), keys: &BTreeMap<String, Key>, files: &[PathBuf]) -> Error {
    let error = clash_error(name, twin);
    let (Some(key), Some(other)) = (keys.get(name), keys.get(twin)) else {
        // One of the schema file alone.
        return error.file(file_at(files, 0));
    };
    let last = if (key.file, key.line) > (other.file, other.line) { key } else { other };
    let place = |key: &Key| match key.file == last.file {
        true => format!("{} {}", unit_of(file_at(files, key.file)), key.line),
        false => key.place(files),
    };
    error
        .file(file_at(files, last.file))
        .line(last.line)
        .expected(format!("no `{twin}` beside `{name}` of {}", place(key)))
        .got(format!("`{twin}` on {}", place(other)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_two_types_is_told_with_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a.jsonl"), dir.path().join("b.jsonl"));
        std::fs::write(&a, "{\"n\":5}\n").unwrap();
        std::fs::write(&b, "{}\n{\"n\":\"x\"}\n").unwrap();
        let found = |files: &[PathBuf]| {
            let mut reader = Reader::open_all(files, &Keys::default()).unwrap();
            infer_files(&mut reader, &Keys::default(), &SchemaOverrides::default(), BadLines::Stop)
        };
        assert_eq!(found(std::slice::from_ref(&a)).unwrap().documents, 1);
        let error = found(&[a.clone(), b.clone()]).unwrap_err();
        let facts = error.facts();
        assert_eq!(
            (error.code(), facts.file.as_deref(), facts.line),
            (ErrorCode::SchemaConflict, Some(&*b), Some(2))
        );
        let places = format!("line 1 of {} and line 2 of {}", a.display(), b.display());
        assert!(facts.message.contains(&places), "{error}");
    }
}
