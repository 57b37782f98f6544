//! The text and the fields that stand beside a picture.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::walk::Found;
use crate::corpus::json;
use crate::corpus::jsonl::DEFAULT_LINE_LIMIT;
use crate::error::{Error, ErrorCode, Result};

/// What the sidecars of one file say.
pub(super) struct Sidecars {
    /// The keys of a document, with the text.
    pub(super) object: Map<String, Value>,
    /// The JSON file, where there is one.
    pub(super) json: Option<PathBuf>,
}

impl Sidecars {
    /// Reads the sidecars of `found`.
    ///
    /// # Errors
    /// With the file of the sidecar and its line: [`ErrorCode::BadJson`] for one that is not one JSON object in UTF-8,
    /// [`ErrorCode::BadValue`] for a text that is not UTF-8, a sidecar that does not open, or two texts that differ;
    /// [`ErrorCode::TooLarge`].
    pub(super) fn read(found: &Found) -> Result<Self> {
        let mut object = match &found.json {
            Some(path) => fields(path)?,
            None => Map::new(),
        };
        if let Some(path) = &found.text {
            let text = words(path)?;
            if !text.is_empty() {
                let other = ["text", "texts"].into_iter().find(|key| object.contains_key(*key));
                if let Some(key) = other.filter(|key| object[*key] != text.as_str()) {
                    let what = format!("`{key}` differs from the text in {}", path.display());
                    let error = Error::new(ErrorCode::BadValue, what).line(1);
                    return Err(error
                        .file(found.json.as_deref().unwrap_or(path))
                        .hint("keep one of the two"));
                }
                object.insert("text".into(), text.into());
            }
        }
        Ok(Self { object, json: found.json.clone() })
    }
}

fn words(path: &Path) -> Result<String> {
    let bytes = bytes(path)?;
    let text = utf8(&bytes).map_err(|(line, offset)| {
        Error::new(ErrorCode::BadValue, "a text is not valid UTF-8")
            .file(path)
            .line(line)
            .offset(offset)
            .hint("convert the file to UTF-8")
    })?;
    Ok(text.trim().to_owned())
}

fn fields(path: &Path) -> Result<Map<String, Value>> {
    let bad = |what: &str, line: u64| Error::new(ErrorCode::BadJson, what).file(path).line(line);
    let bytes = bytes(path)?;
    let text =
        utf8(&bytes).map_err(|(line, offset)| bad("a sidecar is not valid UTF-8", line).offset(offset))?;
    match json::parse(text) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(other) => Err(bad("a sidecar is not a JSON object", 1)
            .expected("an object with the keys of a document")
            .got(json::type_name(&other))),
        Err(error) if json::is_too_many(&error) => Err(json::too_many().file(path)),
        Err(error) => {
            let what = format!("a sidecar is not valid JSON: {}", json::message(&error));
            Err(bad(&what, error.line() as u64).expected("one JSON object"))
        }
    }
}

/// The text without a byte order mark, or line and offset of the first byte that is not UTF-8.
fn utf8(bytes: &[u8]) -> Result<&str, (u64, u64)> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let at = error.valid_up_to();
            let lines = bytes[..at].iter().filter(|&&byte| byte == b'\n').count();
            Err((lines as u64 + 1, at as u64))
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    // One sidecar that does not open is one bad document, and no end of the corpus.
    let bad = |error: std::io::Error| {
        Error::new(ErrorCode::BadValue, format!("a sidecar does not read: {error}")).file(path).source(error)
    };
    let about = std::fs::metadata(path).map_err(bad)?;
    if !about.is_file() {
        return Err(Error::new(ErrorCode::BadValue, "a sidecar is no file").file(path));
    }
    let mut bytes = Vec::new();
    let limit = DEFAULT_LINE_LIMIT as u64;
    File::open(path).map_err(bad)?.take(limit + 1).read_to_end(&mut bytes).map_err(bad)?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(ErrorCode::TooLarge, "a sidecar is too large")
            .file(path)
            .expected(format!("at most {limit} bytes"))
            .got(format!("{} bytes", about.len())));
    }
    Ok(bytes)
}
