//! Values of a JSON object, as strings that are typed: a number may be one, and a list a single value.

use std::str::FromStr;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde_json::{Map, Value};

use crate::error::{Error, ErrorCode, Result};
use crate::search::request::Image;

/// A key and its value.
pub(super) struct Given<'k> {
    pub(super) key: &'k str,
    pub(super) value: Value,
}

/// A key as documents of queries write it: `facets-over`, which is read as `facets_over` is.
pub(super) fn shown(key: &str) -> String {
    key.replace('_', "-")
}

pub(super) fn bad(message: impl Into<String>) -> Error {
    Error::new(ErrorCode::BadArgument, message)
}

/// The values one by one; `null` and `false` are none.
fn each(value: Value) -> impl Iterator<Item = Value> {
    let values = match value {
        Value::Array(list) => list,
        one => vec![one],
    };
    values.into_iter().filter(|value| !matches!(value, Value::Null | Value::Bool(false)))
}

/// A string, or a number as it is written.
fn text(key: &str, value: Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text),
        Value::Number(number) => Ok(number.to_string()),
        Value::Array(_) | Value::Object(_) => {
            Err(Error::new(ErrorCode::BadValue, format!("`{key}` has a nested value"))
                .expected("a string, a number, true, or a list of them"))
        }
        Value::Null | Value::Bool(_) => {
            Err(bad(format!("`{key}` has no value")).expected("a string or a number"))
        }
    }
}

/// Strings.
pub(super) fn list(Given { key, value }: Given<'_>) -> Result<Vec<String>> {
    each(value).map(|value| text(&shown(key), value)).collect()
}

/// Names of fields in a list, or in one string with commas between them; of the string `none` none.
pub(super) fn fields(given: Given<'_>) -> Result<Option<Vec<String>>> {
    match &given.value {
        Value::Null | Value::Bool(false) => Ok(None),
        Value::String(names) => Ok(Some(named_fields(names))),
        _ => list(given).map(Some),
    }
}

/// Names with commas between them; of `none` none.
pub fn named_fields(names: &str) -> Vec<String> {
    match names.trim() {
        "none" => Vec::new(),
        names => names.split(',').map(|name| name.trim().to_owned()).collect(),
    }
}

/// One string at most.
pub(super) fn one(given: Given<'_>) -> Result<Option<String>> {
    let key = shown(given.key);
    let mut all = list(given)?;
    match all.len() {
        0 | 1 => Ok(all.pop()),
        n => Err(bad(format!("`{key}` has several values")).expected("one").got(n)),
    }
}

/// One number at most.
pub(super) fn parsed<T: FromStr>(given: Given<'_>) -> Result<Option<T>> {
    let key = shown(given.key);
    let parse = |text: String| {
        text.parse().map_err(|_| {
            bad(format!("`{key}` does not parse")).expected("a number in its range").got(format!("{text:?}"))
        })
    };
    one(given)?.map(parse).transpose()
}

/// One of the names of an enum at most.
pub(super) fn one_of<T: for<'de> Deserialize<'de>>(given: Given<'_>) -> Result<Option<T>> {
    let key = shown(given.key);
    let parse = |text: String| {
        T::deserialize(text.as_str().into_deserializer()).map_err(|e: serde::de::value::Error| {
            let says = e.to_string();
            let names = says.split_once("expected ").map_or(says.as_str(), |(_, names)| names);
            bad(format!("`{key}` has no such value")).expected(names).got(format!("{text:?}"))
        })
    };
    one(given)?.map(parse).transpose()
}

/// Whether it is said.
pub(super) fn flag(Given { key, value }: Given<'_>) -> Result<bool> {
    let mut said = false;
    for value in each(value) {
        if value != Value::Bool(true) {
            return Err(bad(format!("`{key}` takes no value")).expected("true or false").got(value));
        }
        said = true;
    }
    Ok(said)
}

/// Pictures, by path or as bytes.
pub(super) fn pictures(Given { key, value }: Given<'_>) -> Result<Vec<Image>> {
    let picture = |value: Value| match value {
        Value::Object(_) => serde_json::from_value(value).map_err(|e| {
            Error::new(ErrorCode::BadValue, format!("`{key}` is no picture"))
                .expected(r#"a path, or {"bytes": [..]}"#)
                .source(e)
        }),
        value => text(key, value).map(|path| Image::Path(path.into())),
    };
    each(value).map(picture).collect()
}

/// Names with numbers: `NAME=NUMBER`, or objects of both.
pub(super) fn numbers(Given { key, value }: Given<'_>) -> Result<Vec<(String, f32)>> {
    let mut out = Vec::new();
    for value in each(value) {
        let Value::Object(object) = value else {
            out.push(named_number(key, &text(key, value)?)?);
            continue;
        };
        for (name, value) in object {
            let Ok(number) = text(key, value)?.parse() else {
                return Err(bad(format!("the {key} of `{name}` is no number")));
            };
            out.push((name, number));
        }
    }
    Ok(out)
}

/// `NAME=NUMBER`, of a `what`.
///
/// # Errors
/// [`ErrorCode::BadArgument`].
pub fn named_number(what: &str, text: &str) -> Result<(String, f32)> {
    let wrong = || bad(format!("a {what} does not parse")).expected("NAME=NUMBER").got(format!("{text:?}"));
    let (name, number) = text.rsplit_once('=').ok_or_else(wrong)?;
    Ok((name.trim().to_owned(), number.trim().parse().map_err(|_| wrong())?))
}

/// Query items with their media types.
type Items = Vec<(String, Vec<f32>)>;

/// Items as objects, and one file of them at most.
pub(super) fn features(Given { key, value }: Given<'_>) -> Result<(Items, Option<String>)> {
    let (mut items, mut files) = (Vec::new(), Vec::new());
    for value in each(value) {
        match value {
            Value::Object(object) => raw_features(&object, &mut items)?,
            value => files.push(value),
        }
    }
    Ok((items, one(Given { key, value: Value::Array(files) })?))
}

/// `{"image": [..]}`, or a list of such lists.
fn raw_features(object: &Map<String, Value>, out: &mut Items) -> Result<()> {
    let wrong = |media: &str| {
        Error::new(ErrorCode::BadValue, format!("the features of `{media}` are no numbers"))
            .expected("a list of numbers, or a list of such lists")
    };
    let row = |media: &str, list: &[Value]| -> Result<Vec<f32>> {
        list.iter().map(|x| x.as_f64().map(|x| x as f32).ok_or_else(|| wrong(media))).collect()
    };
    for (media, value) in object {
        let list = value.as_array().ok_or_else(|| wrong(media))?;
        if list.first().is_some_and(Value::is_array) {
            for one in list {
                out.push((media.clone(), row(media, one.as_array().ok_or_else(|| wrong(media))?)?));
            }
        } else {
            out.push((media.clone(), row(media, list)?));
        }
    }
    Ok(())
}
