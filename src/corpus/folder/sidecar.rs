//! The text and the fields that stand beside a picture.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

use super::walk::Found;
use crate::corpus::document::keys::{Keys, TEXT};
use crate::corpus::lines::json;
use crate::corpus::lines::not_finite;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{LINE_BYTES, Opened, open_regular};

/// What the sidecars of one file say.
pub(super) struct Sidecars {
    /// The keys of a document that the JSON has.
    pub(super) object: Map<String, Value>,
    /// The text, where it is not blank.
    pub(super) text: Option<String>,
    /// Whether there is JSON that does not read: what it says of the split is lost.
    pub(super) lost: bool,
    /// What does not read of them, and numbers that JSON does not have.
    pub(super) flaws: Vec<Error>,
}

impl Sidecars {
    /// Reads the sidecars of `found`; of a picture, one that does not read takes away itself alone.
    ///
    /// # Errors
    /// Of a document that is a text alone, with the file and its line: [`ErrorCode::BadValue`] for a text that is not UTF-8,
    /// or does not open; [`ErrorCode::TooLarge`].
    pub(super) fn read(found: &Found, keys: &Keys) -> Result<Self> {
        let (mut flaws, mut lost) = (Vec::new(), false);
        let own = match found.json.as_deref().map(fields) {
            Some(Ok((object, flaw))) => {
                flaws.extend(flaw);
                object
            }
            Some(Err(error)) => {
                flaws.push(error);
                lost = true;
                Map::new()
            }
            None => Map::new(),
        };
        let mut object = found.fields.as_ref().map_or_else(Map::new, |fields| fields.object.clone());
        object.extend(own);
        let mut text = None;
        match found.text.as_deref().map(words) {
            Some(Ok(words)) => text = Some(words).filter(|words| !words.is_empty()),
            Some(Err(error)) if found.picture => flaws.push(error),
            Some(Err(error)) => return Err(error),
            None => {}
        }
        if let (Some(path), Some(text)) = (&found.text, &text) {
            let of_text = || keys.of(TEXT).into_iter().flat_map(|key| key.names());
            let other = of_text().find(|key| object.contains_key(*key));
            if let Some(key) = other.filter(|key| object[*key] != text.as_str()) {
                let what = format!("`{key}` differs from the text in {}, and is left out", path.display());
                let error = Error::new(ErrorCode::BadValue, what).line(1).hint("keep one of the two");
                flaws.push(error.file(found.json.as_deref().unwrap_or(path)));
            }
            object.retain(|key, _| of_text().all(|name| name != key));
        }
        Ok(Self { object, text, lost, flaws })
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

/// The object, and what was left out of it.
fn fields(path: &Path) -> Result<(Map<String, Value>, Option<Error>)> {
    let bad = |what: &str, line: u64| Error::new(ErrorCode::BadJson, what).file(path).line(line);
    let bytes = bytes(path)?;
    let text =
        utf8(&bytes).map_err(|(line, offset)| bad("a sidecar is not valid UTF-8", line).offset(offset))?;
    let mut flaw = None;
    let parsed = json::parse(text).or_else(|error| match not_finite::clean(text) {
        None => Err(error),
        Some(cleaned) => {
            let found = cleaned.flaw();
            let at = found.facts().offset.and_then(|at| usize::try_from(at).ok()).unwrap_or_default();
            flaw = Some(found.file(path).line(line_of(text.as_bytes(), at)));
            json::parse(&cleaned.text)
        }
    });
    match parsed {
        Ok(Value::Object(object)) => Ok((object, flaw)),
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

/// The 1-based line that the byte `at` stands on.
fn line_of(bytes: &[u8], at: usize) -> u64 {
    bytes[..at.min(bytes.len())].iter().filter(|&&byte| byte == b'\n').count() as u64 + 1
}

/// The text without a byte order mark, or line and offset of the first byte that is not UTF-8.
fn utf8(bytes: &[u8]) -> Result<&str, (u64, u64)> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.strip_prefix('\u{feff}').unwrap_or(text)),
        Err(error) => {
            let at = error.valid_up_to();
            Err((line_of(bytes, at), at as u64))
        }
    }
}

fn bytes(path: &Path) -> Result<Vec<u8>> {
    // One sidecar that does not open is one bad document, and no end of the corpus.
    let bad = |error: std::io::Error| {
        Error::new(ErrorCode::BadValue, format!("a sidecar does not read: {error}")).file(path).source(error)
    };
    let (file, about) = match open_regular(path).map_err(bad)? {
        Opened::File(file, about) => (file, about),
        Opened::Other(got) => {
            let error = Error::new(ErrorCode::BadValue, "a sidecar is no file");
            return Err(error.file(path).expected("a file").got(got));
        }
    };
    let mut bytes = Vec::new();
    let limit = LINE_BYTES as u64;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(bad)?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(ErrorCode::TooLarge, "a sidecar is too large")
            .file(path)
            .expected(format!("at most {limit} bytes"))
            .got(format!("{} bytes", about.len())));
    }
    Ok(bytes)
}
