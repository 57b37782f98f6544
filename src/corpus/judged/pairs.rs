//! Graded pairs of items: what a person, or a log of clicks, says about which items match.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::corpus::document::one::id as id_of;
use crate::corpus::lines::json::type_name;
use crate::corpus::lines::jsonl::JsonlReader;
use crate::error::{Error, ErrorCode, Result};

/// The items of one media type of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairItem {
    /// Id of the document.
    pub id: String,
    /// Name of the media type.
    pub media: String,
}

/// One line of a pairs file.
#[derive(Debug, Clone, PartialEq)]
pub struct PairLine {
    /// 1-based line of the file.
    pub line: u64,
    /// One side.
    pub a: PairItem,
    /// The other side.
    pub b: PairItem,
    /// How much they match, 0 to 1.
    pub similar: f32,
}

/// The lines of a pairs file.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// The file, for errors.
    pub file: PathBuf,
    /// Its lines, in their order.
    pub lines: Vec<PairLine>,
}

impl Pairs {
    /// Reads JSON Lines `{"a":{"id":"..","media":"image"},"b":{"id":"..","media":"text"},"similar":0..1}` into memory.
    ///
    /// Encoding and blank lines are treated as in a corpus; an id may be a string or an integer.
    ///
    /// # Errors
    /// The first bad line, with its number: [`ErrorCode::BadJson`] for what is no object, [`ErrorCode::BadValue`] for keys
    /// that lack, are unknown, have the wrong type or are out of range, and for a side that is paired with itself.
    /// [`ErrorCode::Empty`] without a pair; [`ErrorCode::NotFound`] and [`ErrorCode::Io`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let file = path.as_ref().to_path_buf();
        let mut reader = JsonlReader::open(&file)?;
        let mut lines = Vec::new();
        while let Some(found) = reader.next_object() {
            let (object, line, start) = found?;
            let pair = pair(object, line).map_err(|error| error.file(&file).line(line).offset(start))?;
            lines.push(pair);
        }
        if lines.is_empty() {
            return Err(Error::new(ErrorCode::Empty, "the file has no pair").file(&file));
        }
        Ok(Self { file, lines })
    }
}

fn pair(mut object: Map<String, Value>, line: u64) -> Result<PairLine> {
    let (a, b) = (side("a", object.remove("a"))?, side("b", object.remove("b"))?);
    let similar = match object.remove("similar") {
        // Of JSON numbers, all are finite.
        Some(Value::Number(number)) => {
            number.as_f64().filter(|x| (0.0..=1.0).contains(x)).ok_or_else(|| {
                Error::new(ErrorCode::BadValue, "`similar` is out of range").expected("0 to 1").got(number)
            })?
        }
        Some(other) => return Err(wrong("similar", "a number from 0 to 1", &other)),
        None => return Err(absent("similar")),
    };
    nothing_else(&object, "a, b and similar")?;
    if a == b {
        return Err(Error::new(ErrorCode::BadValue, "the two sides of a pair are the same")
            .expected("two documents, or two media types of one")
            .got(format!("{:?} and `{}` twice", a.id, a.media)));
    }
    Ok(PairLine { line, a, b, similar: similar as f32 })
}

fn side(key: &str, value: Option<Value>) -> Result<PairItem> {
    let mut object = match value {
        Some(Value::Object(object)) => object,
        Some(other) => return Err(wrong(key, "an object {\"id\": .., \"media\": ..}", &other)),
        None => return Err(absent(key)),
    };
    let id = id_of(object.remove("id").ok_or_else(|| absent("id"))?)?;
    let media = match object.remove("media") {
        Some(Value::String(media)) => media,
        Some(other) => return Err(wrong("media", "the name of a media type", &other)),
        None => return Err(absent("media")),
    };
    nothing_else(&object, "id and media")?;
    Ok(PairItem { id, media })
}

fn absent(key: &str) -> Error {
    Error::new(ErrorCode::BadValue, format!("a pair lacks the key `{key}`"))
        .expected("{\"a\": {\"id\": .., \"media\": ..}, \"b\": {\"id\": .., \"media\": ..}, \"similar\": ..}")
}

fn wrong(key: &str, expected: &str, value: &Value) -> Error {
    Error::new(ErrorCode::BadValue, format!("`{key}` has the wrong type"))
        .expected(expected)
        .got(type_name(value))
}

fn nothing_else(rest: &Map<String, Value>, expected: &str) -> Result<()> {
    match rest.keys().next() {
        Some(key) => {
            Err(Error::new(ErrorCode::BadValue, "a pair has an unknown key").expected(expected).got(key))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Pairs> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("pairs.jsonl");
        std::fs::write(&file, text).unwrap();
        Pairs::read(&file)
    }

    const GOOD: &str = r#"{"a":{"id":"x","media":"image"},"b":{"id":7,"media":"text"},"similar":0.25}"#;

    #[test]
    fn lines_are_read_as_in_a_corpus() {
        let pairs = read(&format!("\u{feff}\r\n{GOOD}\r\n\n{}", GOOD.replace("0.25", "1"))).unwrap();
        let item = |id: &str, media: &str| PairItem { id: id.into(), media: media.into() };
        let line = |line, similar| PairLine { line, a: item("x", "image"), b: item("7", "text"), similar };
        assert_eq!(pairs.lines, [line(2, 0.25), line(4, 1.0)]);
    }

    #[test]
    fn bad_lines_are_named() {
        let cases = [
            ("{", ErrorCode::BadJson),
            ("[1]", ErrorCode::BadJson),
            (&GOOD.replace("0.25", "NaN"), ErrorCode::BadJson),
            (&GOOD.replace("0.25", "1e999"), ErrorCode::BadJson),
            (&GOOD.replace("0.25", "1.01"), ErrorCode::BadValue),
            (&GOOD.replace("0.25", "-0.1"), ErrorCode::BadValue),
            (&GOOD.replace("0.25", "true"), ErrorCode::BadValue),
            (&GOOD.replace("similar", "same"), ErrorCode::BadValue),
            (&GOOD.replace("\"b\"", "\"c\""), ErrorCode::BadValue),
            (&GOOD.replace("}}", "}").replace("0.25", "0.25,\"why\":1"), ErrorCode::BadValue),
            (&GOOD.replace("\"id\":7,", ""), ErrorCode::BadValue),
            (&GOOD.replace("\"id\":7", "\"id\":7.5"), ErrorCode::BadValue),
            (&GOOD.replace("\"id\":7", "\"id\":\"\""), ErrorCode::BadValue),
            (&GOOD.replace("\"text\"", "1"), ErrorCode::BadValue),
            (&GOOD.replace("\"text\"", "\"text\",\"index\":0"), ErrorCode::BadValue),
            (&GOOD.replace("{\"id\":7,\"media\":\"text\"}", "7"), ErrorCode::BadValue),
            (&GOOD.replace("7", "\"x\"").replace("text", "image"), ErrorCode::BadValue),
        ];
        for (line, code) in cases {
            let error = read(&format!("{GOOD}\n{line}\n")).unwrap_err();
            assert_eq!((error.code(), error.facts().line), (code, Some(2)), "{line}: {error}");
        }
        assert_eq!(read("\n").unwrap_err().code(), ErrorCode::Empty);
        assert_eq!(Pairs::read("nowhere.jsonl").unwrap_err().code(), ErrorCode::NotFound);
    }
}
