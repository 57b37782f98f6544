//! One line of a corpus, checked: what `build`, `train` and the encoders read.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorCode, Result};

/// Which rows training may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Seen in training.
    Train,
    /// Chosen by the user for validation.
    Val,
    /// Never seen in training or selection.
    Test,
}

/// One document of a corpus.
#[derive(Debug, Clone, PartialEq)]
pub struct Document {
    /// Its id; `None` where the line has none.
    pub id: Option<String>,
    /// 1-based line.
    pub line: u64,
    /// Texts that are items, from `text` or `texts`.
    pub texts: Vec<String>,
    /// Image files that are items, from `image` or `images`, relative to the corpus file's folder.
    pub images: Vec<PathBuf>,
    /// From `split`, which is a field as well.
    pub split: Option<Split>,
    /// Every other key, and `text`, `image` and `split`, in order of name; null and empty lists are left out.
    pub fields: Map<String, Value>,
}

impl Document {
    /// A document without id, items and fields.
    pub fn empty(line: u64) -> Self {
        Self { id: None, line, texts: vec![], images: vec![], split: None, fields: Map::new() }
    }

    /// Reads one parsed line of a corpus in folder `base`.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for a reserved name, a known key of the wrong type, or both `text` and `texts`.
    pub fn from_json(line: u64, object: Map<String, Value>, base: &Path) -> Result<Self> {
        let mut document = Self::empty(line);
        let mut keys: Vec<(String, Value)> = object.into_iter().collect();
        keys.sort_by(|a, b| a.0.cmp(&b.0));
        for (key, value) in keys {
            if value.is_null() || value.as_array().is_some_and(Vec::is_empty) {
                continue;
            }
            document.take(&key, value, base)?;
        }
        let ordered = std::mem::take(&mut document.fields);
        let mut ordered: Vec<(String, Value)> = ordered.into_iter().collect();
        ordered.sort_by(|a, b| a.0.cmp(&b.0));
        document.fields = ordered.into_iter().collect();
        Ok(document)
    }

    fn take(&mut self, key: &str, value: Value, base: &Path) -> Result<()> {
        match key {
            "id" => self.id = Some(id(&value)?),
            "split" => {
                self.split = Some(split(&value)?);
                self.fields.insert("split".into(), value);
            }
            "text" | "texts" => {
                let texts = strings(key, &value)?;
                self.once("text", "texts", self.fields.contains_key("text"))?;
                self.fields.insert("text".into(), one_or_list(value));
                self.texts = texts;
            }
            "image" | "images" => {
                let images = strings(key, &value)?;
                self.once("image", "images", self.fields.contains_key("image"))?;
                self.fields.insert("image".into(), one_or_list(value));
                self.images = images.iter().map(|path| base.join(path)).collect();
            }
            _ if key.starts_with('_') || key.is_empty() => {
                return Err(Error::new(ErrorCode::BadValue, format!("the key {key:?} is reserved"))
                    .expected("names that are not empty and do not start with `_`")
                    .hint("rename the key"));
            }
            _ => {
                self.fields.insert(key.into(), value);
            }
        }
        Ok(())
    }

    fn once(&self, one: &str, many: &str, twice: bool) -> Result<()> {
        if !twice {
            return Ok(());
        }
        Err(Error::new(ErrorCode::BadValue, format!("the line has both `{one}` and `{many}`"))
            .expected("one of them")
            .hint(format!("put all into `{many}`")))
    }
}

/// A list of one is that one.
fn one_or_list(value: Value) -> Value {
    match value {
        Value::Array(mut list) if list.len() == 1 => list.remove(0),
        other => other,
    }
}

fn id(value: &Value) -> Result<String> {
    match value {
        Value::String(text) if !text.is_empty() => Ok(text.clone()),
        Value::Number(number) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        other => Err(bad_type("id", "a string that is not empty, or an integer", other)),
    }
}

fn split(value: &Value) -> Result<Split> {
    match value.as_str() {
        Some("train") => Ok(Split::Train),
        Some("val") => Ok(Split::Val),
        Some("test") => Ok(Split::Test),
        _ => Err(bad_type("split", "\"train\", \"val\" or \"test\"", value)),
    }
}

fn strings(key: &str, value: &Value) -> Result<Vec<String>> {
    let one = |value: &Value| value.as_str().map(str::to_owned);
    let list = match (key, value) {
        (_, Value::String(text)) => Some(vec![text.clone()]),
        ("texts" | "images", Value::Array(list)) => list.iter().map(one).collect(),
        _ => None,
    };
    let expected = if key.ends_with('s') { "a list of strings" } else { "a string" };
    list.ok_or_else(|| bad_type(key, expected, value))
}

fn bad_type(key: &str, expected: &str, value: &Value) -> Error {
    let mut got = value.to_string();
    if let Some((end, _)) = got.char_indices().nth(60) {
        got.truncate(end);
        got.push_str("...");
    }
    Error::new(ErrorCode::BadValue, format!("`{key}` has a value of the wrong type"))
        .expected(expected)
        .got(got)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Result<Document> {
        let Value::Object(object) = value else { panic!("an object") };
        Document::from_json(7, object, Path::new("base"))
    }

    #[test]
    fn known_keys_and_fields_in_order_of_name() {
        let document = read(json!({
            "z": 1, "id": 12, "texts": ["a", "b"], "image": "x.png", "split": "test", "none": null, "empty": [], "b": "y",
        }))
        .unwrap();
        assert_eq!(document.id.as_deref(), Some("12"));
        assert_eq!(document.texts, ["a", "b"]);
        assert_eq!(document.images, [Path::new("base").join("x.png")]);
        assert_eq!(document.split, Some(Split::Test));
        let names: Vec<&str> = document.fields.keys().map(String::as_str).collect();
        assert_eq!(names, ["b", "image", "split", "text", "z"]);
        assert_eq!(read(json!({"texts": ["a"]})).unwrap().fields["text"], json!("a"));
    }

    #[test]
    fn bad_values_are_refused_by_code() {
        for bad in [
            json!({"id": 1.5}),
            json!({"id": ""}),
            json!({"id": [1]}),
            json!({"text": ["a"]}),
            json!({"texts": [1]}),
            json!({"text": "a", "texts": ["b"]}),
            json!({"image": 1}),
            json!({"image": "a", "images": ["b"]}),
            json!({"split": "dev"}),
            json!({"_x": 1}),
            json!({"": 1}),
        ] {
            assert_eq!(read(bad.clone()).unwrap_err().code(), ErrorCode::BadValue, "{bad}");
        }
    }
}
