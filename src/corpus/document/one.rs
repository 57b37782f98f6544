//! One document of a corpus, and what its reserved keys may hold.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::corpus::document::data;
use crate::corpus::document::keys::{Form, Holds, IMAGE, Keys, TEXT};
use crate::corpus::document::names::check_characters;
use crate::corpus::lines::json::type_name;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, DOCUMENT_BYTES, DOCUMENT_ITEMS, ROW_ELEMENTS, TEXT_BYTES};

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

/// An item of a document, as the corpus gives it.
#[derive(Clone, PartialEq)]
pub enum Given {
    /// A text.
    Text(String),
    /// A media file; a relative path is resolved against the folder of the corpus.
    Path(PathBuf),
    /// The bytes of a media file, as a column of a Parquet file or an archive holds them; clones share them.
    Bytes(Arc<[u8]>),
    /// Features that an encoder made.
    Features(Vec<f32>),
}

impl Given {
    /// The text; `None` for a media file.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Path(_) | Self::Bytes(_) | Self::Features(_) => None,
        }
    }

    /// The path of a media file; `None` for bytes and texts.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Path(path) => Some(path),
            Self::Text(_) | Self::Bytes(_) | Self::Features(_) => None,
        }
    }
}

impl fmt::Debug for Given {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({text:?})"),
            Self::Path(path) => write!(f, "Path({path:?})"),
            Self::Bytes(bytes) => write!(f, "Bytes({} bytes)", bytes.len()),
            Self::Features(features) => write!(f, "Features({} numbers)", features.len()),
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
    /// The items of each media type that it has any of, in their order.
    pub items: BTreeMap<String, Vec<Given>>,
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
    pub(crate) fn from_object(
        object: Map<String, Value>,
        line: u64,
        folder: &Path,
        keys: &Keys,
    ) -> Result<Self> {
        check_size(&object, keys)?;
        let mut document = Self { line, ..Self::default() };
        let mut given: Vec<Values> = keys.media().iter().map(|_| Values::default()).collect();
        let mut fields = Vec::with_capacity(object.len());
        for (key, value) in object {
            keys.check_key(&key)?;
            let found = keys.find(&key);
            if let Some((at, _)) = found.filter(|(at, _)| keys.media()[*at].holds() == Holds::Features) {
                document.features(keys.media()[at].media(), &key, value)?;
                continue;
            }
            let Some(value) = present(value) else { continue };
            match (key.as_str(), found) {
                (name, _) if name == keys.id() => document.id = Some(id(value)?),
                (name, _) if name == keys.split() => match split(&value) {
                    Ok(split) => document.split = Some(split),
                    Err(word) => document.unknown_split = Some(word),
                },
                (_, Some((at, form))) => {
                    let is_list = form == Form::Many || form == Form::Either && value.is_array();
                    let values = if is_list { strings(&key, value)? } else { vec![string(&key, value)?] };
                    let media = &keys.media()[at];
                    let values = match media.holds() {
                        Holds::Files => document.paths(media.media(), values),
                        Holds::Texts | Holds::Features => Some(values),
                    };
                    let place = if form == Form::Many { &mut given[at].many } else { &mut given[at].one };
                    *place = values.map(|values| (key, values, is_list));
                }
                (_, None) => {
                    check_nested_names(&value)?;
                    fields.push((key, value));
                }
            }
        }
        for (media, values) in keys.media().iter().zip(given) {
            let Some((values, is_list)) = values.one_or_many()? else { continue };
            let mut items = Vec::with_capacity(values.len());
            let mut shown = Vec::with_capacity(values.len());
            for value in values {
                let item = match media.holds() {
                    Holds::Files => resolve(&value, folder, media.media()),
                    Holds::Texts | Holds::Features => Ok(Given::Text(value.clone())),
                };
                match item {
                    Ok(item) => {
                        // What is there as bytes is not stored a second time.
                        if !matches!(item, Given::Bytes(_)) {
                            shown.push(value);
                        }
                        items.push(item);
                    }
                    Err(error) => document.flaws.push(error),
                }
            }
            if let Some(value) = files_field(is_list, shown) {
                fields.push((media.field().to_owned(), value));
            }
            if !items.is_empty() {
                document.items.insert(media.media().to_owned(), items);
            }
        }
        let items: usize = document.items.values().map(Vec::len).sum();
        if items > DOCUMENT_ITEMS {
            return Err(limits::over("a document has too many items", DOCUMENT_ITEMS, items, "items")
                .hint("make several documents of it"));
        }
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        document.fields = fields.into_iter().collect();
        Ok(document)
    }

    /// The items of the media type `media`.
    pub fn of(&self, media: &str) -> &[Given] {
        self.items.get(media).map_or(&[], Vec::as_slice)
    }

    /// The texts of the media type `text`.
    pub fn texts(&self) -> Vec<&str> {
        self.of(TEXT).iter().filter_map(Given::text).collect()
    }

    /// The pictures of the media type `image`.
    pub fn images(&self) -> &[Given] {
        self.of(IMAGE)
    }

    /// Marks the split as unknown, since what may name it was lost: test documents are never learned from.
    pub(in crate::corpus) fn lose_split(&mut self) {
        if self.split.is_none() {
            self.unknown_split.get_or_insert_with(|| SPLIT_NOT_READ.to_owned());
        }
    }

    /// The paths that are none are left out; `None` where nothing is left.
    fn paths(&mut self, media: &str, mut paths: Vec<String>) -> Option<Vec<String>> {
        let all = paths.len();
        paths.retain(|path| !path.is_empty());
        if paths.len() < all {
            self.flaws.push(empty_path(media));
        }
        (!paths.is_empty()).then_some(paths)
    }

    /// Takes the features of the media type `media` from `value`: of one item, or of each of several. An item with what is no finite number
    /// is left out.
    fn features(&mut self, media: &str, key: &str, value: Value) -> Result<()> {
        let list = match value {
            Value::Null => return Ok(()),
            Value::Array(list) => list,
            other => return Err(wrong(key, "a list of numbers, the features of an item", &other)),
        };
        let lists = if list.iter().any(Value::is_array) { list } else { vec![Value::Array(list)] };
        let mut items = Vec::with_capacity(lists.len());
        for (at, list) in lists.into_iter().enumerate().filter(|(_, list)| !list.is_null()) {
            match features(&format!("{key}[{at}]"), &list)? {
                Some(row) if row.is_empty() => {}
                Some(row) => items.push(Given::Features(row)),
                None => {
                    let what = format!("features under `{key}` are not finite: left out");
                    let error = Error::new(ErrorCode::NotFinite, what).expected("finite numbers of 32 bits");
                    self.flaws.push(error);
                }
            }
        }
        if !items.is_empty() {
            self.items.insert(media.to_owned(), items);
        }
        Ok(())
    }

    /// Gives the flaws that have no place yet the one that `located` adds.
    pub(in crate::corpus) fn blame(&mut self, located: impl Fn(Error) -> Error) {
        let place = |flaw: Error| if flaw.facts().file.is_some() { flaw } else { located(flaw) };
        self.flaws = std::mem::take(&mut self.flaws).into_iter().map(place).collect();
    }

    /// Makes `paths`, as the corpus has them, the field `name`: a list where they stood in one.
    pub(in crate::corpus) fn set_files_field(&mut self, name: &str, is_list: bool, paths: Vec<String>) {
        let Some(value) = files_field(is_list, paths) else { return };
        let mut fields: Vec<_> = std::mem::take(&mut self.fields).into_iter().collect();
        fields.push((name.to_owned(), value));
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        self.fields = fields.into_iter().collect();
    }
}

/// The field of `values`: a list where they stood in one; `None` where there are none.
fn files_field(is_list: bool, mut values: Vec<String>) -> Option<Value> {
    match values.pop()? {
        only if !is_list => Some(Value::String(only)),
        last => {
            values.push(last);
            Some(Value::from(values))
        }
    }
}

/// The features of one item; `None` where one is no finite number of 32 bits.
fn features(name: &str, value: &Value) -> Result<Option<Vec<f32>>> {
    let Value::Array(list) = value else { return Err(wrong(name, "a list of numbers", value)) };
    if list.len() > ROW_ELEMENTS {
        let what = format!("`{name}` has too many features");
        return Err(limits::over(what, ROW_ELEMENTS, list.len(), "numbers"));
    }
    let mut row = Vec::with_capacity(list.len());
    for element in list {
        match element {
            Value::Number(number) => row.push(number.as_f64().unwrap_or(f64::NAN) as f32),
            Value::Null => row.push(f32::NAN),
            other => return Err(wrong(name, "a list of numbers", other)),
        }
    }
    Ok(Some(row).filter(|row| row.iter().all(|x| x.is_finite())))
}

/// A key, its values, and whether they are a list.
type Found = (String, Vec<String>, bool);

/// What the keys of one media type hold.
#[derive(Default)]
struct Values {
    one: Option<Found>,
    many: Option<Found>,
}

impl Values {
    /// The values, and whether they are a list.
    fn one_or_many(self) -> Result<Option<(Vec<String>, bool)>> {
        match (self.one, self.many) {
            (Some((one, ..)), Some((many, ..))) => Err(both(&one, &many)),
            (Some((_, values, is_list)), None) | (None, Some((_, values, is_list))) => {
                Ok(Some((values, is_list)))
            }
            (None, None) => Ok(None),
        }
    }
}

/// The error of a document with two keys for items of one media type, `many` of which is that of a list.
pub(in crate::corpus) fn both(one: &str, many: &str) -> Error {
    Error::new(ErrorCode::BadValue, format!("a document has both `{one}` and `{many}`"))
        .hint(format!("put all of them into `{many}`"))
}

/// Refuses a string, or strings together, above what one document may have. Media files in it are no text, and have their own limit.
fn check_size(object: &Map<String, Value>, keys: &Keys) -> Result<()> {
    let mut sum = 0;
    for (key, value) in object {
        let is_file = keys.find(key).is_some_and(|(at, _)| keys.media()[at].holds() == Holds::Files);
        let given = |value: &Value| is_file && value.as_str().is_some_and(data::is_given);
        let measured = match value {
            value if given(value) => continue,
            Value::Array(list) if list.iter().any(given) => {
                list.iter().filter(|value| !given(value)).try_for_each(|value| longest(value, &mut sum))
            }
            value => longest(value, &mut sum),
        };
        measured.map_err(|bytes| {
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
pub(in crate::corpus) fn id(value: Value) -> Result<String> {
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

fn empty_path(media: &str) -> Error {
    let (what, expected, hint) = match media {
        IMAGE => (
            "an image path".to_owned(),
            "the path of a picture",
            "leave the key out where there is no picture",
        ),
        media => (
            format!("a path of the media type `{media}`"),
            "the path of a file",
            "leave the key out where there is no file",
        ),
    };
    Error::new(ErrorCode::BadValue, format!("{what} is empty: left out")).expected(expected).hint(hint)
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

/// The media file that `value` stands for: its bytes where they are in it, else a path below `folder`.
pub(in crate::corpus) fn resolve(value: &str, folder: &Path, media: &str) -> Result<Given> {
    if value.is_empty() {
        return Err(empty_path(media));
    }
    if let Some(bytes) = data::bytes(value)? {
        return Ok(Given::Bytes(bytes.into()));
    }
    if let Some((scheme, _)) = value.split_once("://")
        && matches!(scheme, "http" | "https" | "ftp" | "s3" | "gs")
    {
        let what =
            format!("a file of the media type `{media}` is an address, and nothing is fetched: left out");
        let head: String = value.chars().take(SHOWN).collect();
        return Err(Error::new(ErrorCode::BadValue, what)
            .expected("the path of a file")
            .got(head)
            .hint("fetch it first, and give the path"));
    }
    // Joining an absolute path gives that path.
    Ok(Given::Path(folder.join(value)))
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
