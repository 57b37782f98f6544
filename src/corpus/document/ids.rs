//! Ids of documents that have none: made from their place, or from what they are.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::corpus::document::keys::{Holds, Keys};
use crate::corpus::document::one::{Document, Given, MAX_ID_BYTES, Split};
use crate::error::{Error, ErrorCode, Result};
use crate::media::content_hash;

/// What the id of a document without one is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum IdsFrom {
    /// Its line, row or place in the source; of several files `FILE:LINE`.
    #[default]
    Line,
    /// Its first media file, as the source names it; without one `FILE:LINE`.
    Path,
    /// A hash of its keys and values, its split among them, and of the pictures that stand in the source itself; of a media file, its path. The same
    /// document has the same id in every build, wherever it stands.
    Hash,
}

impl IdsFrom {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Line, Self::Path, Self::Hash];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Path => "path",
            Self::Hash => "hash",
        }
    }

    pub(crate) fn is_line(&self) -> bool {
        *self == Self::Line
    }
}

impl fmt::Display for IdsFrom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for IdsFrom {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == word).ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, "nothing that ids are made from")
                .expected("line, path or hash")
                .got(format!("{word:?}"))
        })
    }
}

/// The first media file of a document as its keys name it; `None` where there is none that can be an id.
pub(in crate::corpus) fn media_file(document: &Document, keys: &Keys) -> Option<String> {
    let fields = keys.media().iter().filter(|key| key.holds() == Holds::Files);
    let mut paths = fields.filter_map(|key| match document.fields.get(key.field())? {
        Value::String(path) => Some(path),
        Value::Array(paths) => match paths.first()? {
            Value::String(path) => Some(path),
            _ => None,
        },
        _ => None,
    });
    paths.find(|path| !path.starts_with("data:") && (1..=MAX_ID_BYTES).contains(&path.len())).cloned()
}

/// 32 hexadecimal digits of the content of a document.
pub(in crate::corpus) fn content(document: &Document) -> String {
    let mut bytes = Vec::new();
    let mut part = |kind: u8, content: &[u8]| {
        bytes.push(kind);
        bytes.extend_from_slice(&(content.len() as u64).to_le_bytes());
        bytes.extend_from_slice(content);
    };
    for (key, value) in &document.fields {
        part(b'k', key.as_bytes());
        let mut text = String::new();
        write(value, &mut text);
        part(b'v', text.as_bytes());
    }
    if let Some(split) = document.split.map(Split::as_str).or(document.unknown_split.as_deref()) {
        part(b's', split.as_bytes());
    }
    for (media, given) in &document.items {
        for given in given {
            match given {
                Given::Bytes(content) => {
                    part(b'm', media.as_bytes());
                    part(b'b', content);
                }
                Given::Features(features) => {
                    part(b'm', media.as_bytes());
                    part(b'f', &features.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>());
                }
                // Fields have them.
                Given::Text(_) | Given::Path(_) => {}
            }
        }
    }
    hex(&bytes)
}

/// The value as JSON, its keys in order at every depth.
fn write(value: &Value, out: &mut String) {
    let mut between = "";
    match value {
        Value::Array(values) => {
            out.push('[');
            for value in values {
                out.push_str(std::mem::replace(&mut between, ","));
                write(value, out);
            }
            out.push(']');
        }
        Value::Object(object) => {
            let mut sorted: Vec<(&String, &Value)> = object.iter().collect();
            sorted.sort_by_key(|(key, _)| *key);
            out.push('{');
            for (key, value) in sorted {
                out.push_str(std::mem::replace(&mut between, ","));
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            out.push_str(&value.to_string())
        }
    }
}

/// 32 hexadecimal digits that stand for these bytes.
pub(crate) fn hex(bytes: &[u8]) -> String {
    content_hash(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::JsonlReader;

    fn read(line: &str) -> Document {
        JsonlReader::new(line.as_bytes(), "c.jsonl").next().unwrap().unwrap()
    }

    #[test]
    fn content_is_keys_and_values_and_nothing_of_the_place() {
        let one = read(r#"{"text":"a b","n":1,"image":"x/a.png"}"#);
        let moved = Document { line: 7, ..read(r#"{"image":"x/a.png", "n":1, "text":"a b"}"#) };
        assert_eq!(content(&one), content(&moved));
        assert_eq!(content(&one).len(), 32);
        for other in [
            r#"{"text":"a b","n":1}"#,
            r#"{"text":"a b","n":2,"image":"x/a.png"}"#,
            r#"{"text":"a","b":"n","image":"x/a.png"}"#,
            r#"{"text":"a b","n":1,"image":"x/b.png"}"#,
        ] {
            assert_ne!(content(&one), content(&read(other)), "{other}");
        }
        // Keys in any order at every depth; the split counts, also one that has no meaning.
        let nested = |inner: &str| content(&read(&format!("{{\"a\":{{\"c\":[1,{{{inner}}}],\"b\":2}}}}")));
        assert_eq!(nested("\"x\":1,\"y\":null"), nested("\"y\":null,\"x\":1"));
        assert_ne!(nested("\"x\":1,\"y\":2"), nested("\"x\":2,\"y\":1"));
        let lines = [
            r#"{"text":"a"}"#,
            r#"{"text":"a","split":"train"}"#,
            r#"{"text":"a","split":"test"}"#,
            r#"{"text":"a","split":"holdout"}"#,
        ];
        let ids: std::collections::BTreeSet<String> = lines.map(|line| content(&read(line))).into();
        assert_eq!(ids.len(), lines.len());
        let mut bytes = one.clone();
        bytes.items.insert("image".into(), vec![Given::Bytes([1, 2].as_slice().into())]);
        assert_ne!(content(&one), content(&bytes));
    }

    #[test]
    fn a_media_file_is_named_as_the_source_names_it() {
        let keys = Keys::default();
        assert_eq!(media_file(&read(r#"{"text":"a","image":"x/a.png"}"#), &keys).as_deref(), Some("x/a.png"));
        assert_eq!(media_file(&read(r#"{"images":["b.png","c.png"]}"#), &keys).as_deref(), Some("b.png"));
        assert_eq!(media_file(&read(r#"{"text":"a"}"#), &keys), None);
        let long = format!(r#"{{"image":"{}.png"}}"#, "x".repeat(MAX_ID_BYTES));
        assert_eq!(media_file(&read(&long), &keys), None);
    }

    #[test]
    fn the_words_are_read_and_written() {
        for one in IdsFrom::ALL {
            assert_eq!(one.to_string().parse::<IdsFrom>().unwrap(), one);
        }
        assert_eq!("row".parse::<IdsFrom>().unwrap_err().code(), ErrorCode::BadArgument);
    }
}
