//! One document of a corpus, and what its reserved keys may hold.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::json::type_name;
use super::names::{check_characters, check_field_name};
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, DOCUMENT_BYTES, DOCUMENT_ITEMS, TEXT_BYTES};

/// Longest id in bytes: an id is one term of the index.
pub const MAX_ID_BYTES: usize = 1024;

/// Stands for the name of a split that is lost, with what carried it.
pub(crate) const SPLIT_NOT_READ: &str = "(not read)";

/// Characters of an unknown name that are kept.
const SHOWN: usize = 64;

/// The part of a corpus that a document belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To select and calibrate on.
    Val,
    /// To report on; never seen in training.
    Test,
}

impl Split {
    /// The word that stands for it in a corpus.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Val => "val",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Split {
    type Err = Error;

    /// Reads the name of a split, in any case: `train` or `training`; `val`, `valid`, `validation` or `dev`; `test`,
    /// `testing`, `eval` or `evaluation`.
    fn from_str(word: &str) -> Result<Self> {
        match word.trim().to_ascii_lowercase().as_str() {
            "train" | "training" => Ok(Self::Train),
            "val" | "valid" | "validation" | "dev" => Ok(Self::Val),
            "test" | "testing" | "eval" | "evaluation" => Ok(Self::Test),
            _ => Err(Error::new(ErrorCode::BadValue, "not a split")
                .expected("train, val or test, or another common name of these")
                .got(format!("{word:?}"))),
        }
    }
}

/// A picture of a document.
#[derive(Clone, PartialEq, Eq)]
pub enum Picture {
    /// A file; a relative path is resolved against the folder of the corpus.
    Path(PathBuf),
    /// The bytes of a picture file, as a column of a Parquet file holds them; clones share them.
    Bytes(Arc<[u8]>),
}

impl Picture {
    /// The file; `None` for bytes.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Bytes(_) => None,
        }
    }
}

impl fmt::Debug for Picture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "Path({path:?})"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
        }
    }
}

/// One document: its id, its items and its fields.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    /// The id as a string: `1` and `"1"` are the same. `None` where the line has none.
    pub id: Option<String>,
    /// 1-based place in the corpus: a line of JSON Lines, a row of a Parquet file, a document of a folder.
    pub line: u64,
    /// The text items, in their order.
    pub texts: Vec<String>,
    /// The image items, in their order.
    pub images: Vec<Picture>,
    /// The split, where the line names one.
    pub split: Option<Split>,
    /// A name of a split that says nothing here, or stands for one that does not read: training and evaluation leave such a
    /// document out.
    pub unknown_split: Option<String>,
    /// What was left out of it, each with its place; the rest counts.
    pub flaws: Vec<Error>,
    /// Every key that is not reserved, and `text` and `image` as the corpus has them (paths unresolved), in
    /// order of name. No value is null or an empty list, and no list holds null: these mean "absent".
    pub fields: Map<String, Value>,
}

impl Document {
    /// Sorts the keys of one line into a document; errors do not name file and line yet.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for a reserved or impossible name, or a reserved key of the wrong type;
    /// [`ErrorCode::TooLarge`] for texts or items above a limit.
    pub(crate) fn from_object(object: Map<String, Value>, line: u64, folder: &Path) -> Result<Self> {
        check_size(&object)?;
        let mut document = Self { line, ..Self::default() };
        let (mut text, mut texts, mut image, mut images) = (None, None, None, None);
        let mut fields = Vec::with_capacity(object.len());
        for (key, value) in object {
            check_field_name(&key)?;
            let Some(value) = present(value) else { continue };
            match key.as_str() {
                "id" => document.id = Some(id(value)?),
                "split" => match split(&value) {
                    Ok(split) => document.split = Some(split),
                    Err(word) => document.unknown_split = Some(word),
                },
                "text" => text = Some(string("text", value)?),
                "texts" => texts = Some(strings("texts", value)?),
                "image" => {
                    image = document.paths(vec![string("image", value)?]).and_then(|mut paths| paths.pop());
                }
                "images" => images = document.paths(strings("images", value)?),
                _ => {
                    check_nested_names(&value)?;
                    fields.push((key, value));
                }
            }
        }
        let (texts, text) = one_or_many(("text", text), ("texts", texts))?;
        document.texts = texts;
        let (paths, image) = one_or_many(("image", image), ("images", images))?;
        document.images = paths.iter().map(|path| resolve(path, folder)).collect::<Result<_>>()?;
        let items = document.texts.len() + document.images.len();
        if items > DOCUMENT_ITEMS {
            return Err(limits::over("a document has too many items", DOCUMENT_ITEMS, items, "items")
                .hint("make several documents of it"));
        }
        fields.extend(text.map(|value| ("text".to_owned(), value)));
        fields.extend(image.map(|value| ("image".to_owned(), value)));
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        document.fields = fields.into_iter().collect();
        Ok(document)
    }

    /// Marks the split as unknown, since what may name it was lost: test documents are never learned from.
    pub(super) fn lose_split(&mut self) {
        if self.split.is_none() {
            self.unknown_split.get_or_insert_with(|| SPLIT_NOT_READ.to_owned());
        }
    }

    /// The paths that are none are left out; `None` where nothing is left.
    fn paths(&mut self, mut paths: Vec<String>) -> Option<Vec<String>> {
        let all = paths.len();
        paths.retain(|path| !path.is_empty());
        if paths.len() < all {
            self.flaws.push(empty_path());
        }
        (!paths.is_empty()).then_some(paths)
    }

    /// Gives the flaws that have no place yet the one that `located` adds.
    pub(super) fn blame(&mut self, located: impl Fn(Error) -> Error) {
        let place = |flaw: Error| if flaw.facts().file.is_some() { flaw } else { located(flaw) };
        self.flaws = std::mem::take(&mut self.flaws).into_iter().map(place).collect();
    }

    /// Makes `paths`, as the corpus has them, the field `image` of a document whose key `key` is `image` or `images`.
    #[cfg(feature = "parquet")]
    pub(super) fn set_image_field(&mut self, key: &str, mut paths: Vec<String>) {
        let value = match paths.pop() {
            None => return,
            Some(only) if key == "image" => Value::String(only),
            Some(last) => {
                paths.push(last);
                Value::from(paths)
            }
        };
        let mut fields: Vec<_> = std::mem::take(&mut self.fields).into_iter().collect();
        fields.push(("image".to_owned(), value));
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        self.fields = fields.into_iter().collect();
    }
}

/// Refuses a string, or strings together, above what one document may have.
fn check_size(object: &Map<String, Value>) -> Result<()> {
    let mut sum = 0;
    for (key, value) in object {
        longest(value, &mut sum).map_err(|bytes| {
            limits::over(format!("`{key}` has a text that is too long"), TEXT_BYTES, bytes, "bytes")
                .hint("cut it into several documents, or leave the key out")
        })?;
    }
    if sum > DOCUMENT_BYTES {
        return Err(limits::over("a document has too much text", DOCUMENT_BYTES, sum, "bytes")
            .hint("cut it into several documents"));
    }
    Ok(())
}

/// Adds the bytes of the strings in `value` to `sum`; `Err` has those of one that is too long. The parser bounds the depth.
fn longest(value: &Value, sum: &mut usize) -> Result<(), usize> {
    match value {
        Value::String(text) if text.len() > TEXT_BYTES => return Err(text.len()),
        Value::String(text) => *sum += text.len(),
        Value::Array(list) => list.iter().try_for_each(|value| longest(value, sum))?,
        Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            *sum += key.len();
            longest(value, sum)
        })?,
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
    Ok(())
}

/// The value without nulls; `None` where nothing is left.
fn present(value: Value) -> Option<Value> {
    match value {
        Value::Null => None,
        Value::Array(mut list) => {
            list.retain(|element| !element.is_null());
            (!list.is_empty()).then_some(Value::Array(list))
        }
        value => Some(value),
    }
}

fn wrong(key: &str, expected: &str, value: &Value) -> Error {
    let got = match value {
        Value::Number(number) => format!("the number {number}"),
        other => type_name(other).to_owned(),
    };
    Error::new(ErrorCode::BadValue, format!("`{key}` has the wrong type")).expected(expected).got(got)
}

/// The id that a value of the key `id` means.
pub(super) fn id(value: Value) -> Result<String> {
    let id = match value {
        Value::String(id) => id,
        Value::Number(number) if !number.is_f64() => number.to_string(),
        other => {
            return Err(
                wrong("id", "a string or an integer", &other).hint("write the id as a string, in quotes")
            );
        }
    };
    match id.len() {
        1..=MAX_ID_BYTES => Ok(id),
        bytes => Err(Error::new(ErrorCode::BadValue, "`id` has the wrong length")
            .expected(format!("1 to {MAX_ID_BYTES} bytes"))
            .got(format!("{bytes} bytes"))),
    }
}

/// The split, or the start of what names none.
fn split(value: &Value) -> Result<Split, String> {
    let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    word.parse().map_err(|_| word.chars().take(SHOWN).collect())
}

fn empty_path() -> Error {
    Error::new(ErrorCode::BadValue, "an image path is empty: left out")
        .expected("the path of a picture")
        .hint("leave the key out where there is no picture")
}

fn string(key: &str, value: Value) -> Result<String> {
    match value {
        Value::String(string) => Ok(string),
        other => {
            let error = wrong(key, "a string", &other);
            Err(if other.is_array() { error.hint(format!("a list belongs in `{key}s`")) } else { error })
        }
    }
}

fn strings(key: &str, value: Value) -> Result<Vec<String>> {
    let Value::Array(list) = value else { return Err(wrong(key, "a list of strings", &value)) };
    list.into_iter()
        .enumerate()
        .map(|(i, element)| match element {
            Value::String(string) => Ok(string),
            other => Err(wrong(&format!("{key}[{i}]"), "a string", &other)),
        })
        .collect()
}

/// Joins `text` and `texts` (or `image` and `images`) into the items and the value of the field.
fn one_or_many(
    one: (&str, Option<String>),
    many: (&str, Option<Vec<String>>),
) -> Result<(Vec<String>, Option<Value>)> {
    match (one.1, many.1) {
        (Some(_), Some(_)) => {
            let what = format!("a document has both `{}` and `{}`", one.0, many.0);
            Err(Error::new(ErrorCode::BadValue, what).hint(format!("put all of them into `{}`", many.0)))
        }
        (Some(item), None) => Ok((vec![item.clone()], Some(Value::String(item)))),
        (None, Some(items)) => {
            let value = items.iter().cloned().map(Value::String).collect();
            Ok((items, Some(Value::Array(value))))
        }
        (None, None) => Ok((Vec::new(), None)),
    }
}

pub(super) fn resolve(path: &str, folder: &Path) -> Result<Picture> {
    if path.is_empty() {
        return Err(empty_path());
    }
    // Joining an absolute path gives that path.
    Ok(Picture::Path(folder.join(path)))
}

/// Checks the keys inside nested objects, which become parts of terms.
fn check_nested_names(value: &Value) -> Result<()> {
    match value {
        Value::Array(list) => list.iter().try_for_each(check_nested_names),
        Value::Object(object) => object.iter().try_for_each(|(key, value)| {
            check_characters(key)?;
            check_nested_names(value)
        }),
        _ => Ok(()),
    }
}
