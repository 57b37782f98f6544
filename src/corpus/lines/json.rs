//! JSON values as `serde_json` reads them, but a key that stands twice in one object is an error.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, LINE_VALUES};

/// What the parser says where there are more than [`LINE_VALUES`] values.
const TOO_MANY: &str = "too many values";

/// Parses one JSON value from all of `text`.
///
/// Nesting deeper than 128 is an error of the parser, so that no input can exhaust the stack; so are more values than
/// [`LINE_VALUES`], for which [`is_too_many`] holds.
pub(crate) fn parse(text: &str) -> serde_json::Result<Value> {
    let left = Cell::new(LINE_VALUES);
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = Strict(&left).deserialize(&mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Reads a value in which no key stands twice, of any size.
pub(crate) fn strict<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Value, D::Error> {
    Strict(&Cell::new(usize::MAX)).deserialize(deserializer)
}

/// Parses one line of JSON, in which no key stands twice.
///
/// # Errors
/// [`ErrorCode::BadJson`] with the offset; [`ErrorCode::TooLarge`] for more values than [`LINE_VALUES`].
pub fn parse_line(text: &str) -> Result<Value> {
    parse(text).map_err(|error| match is_too_many(&error) {
        true => too_many(),
        false => Error::new(ErrorCode::BadJson, format!("the line is no JSON: {}", message(&error)))
            .offset(error.column() as u64)
            .source(error),
    })
}

/// Whether a text has more values than it may have.
pub(crate) fn is_too_many(error: &serde_json::Error) -> bool {
    message(error) == TOO_MANY
}

/// The error of such a text.
pub(crate) fn too_many() -> Error {
    limits::over("a document has too many values", LINE_VALUES, format!("more than {LINE_VALUES}"), "values")
        .hint("numbers that belong together go into a features file")
}

/// The message of a parser's error without its position, which stands in fields of its own.
pub(crate) fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(end) => text[..end].to_owned(),
        None => text,
    }
}

/// What a value is, for messages.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Reads a value, and counts down with each.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let left = self.0.get().checked_sub(1).ok_or_else(|| D::Error::custom(TOO_MANY))?;
        self.0.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = access.next_element_seed(self)? {
            list.push(value);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key `{key}` stands twice in one object")));
            }
            let value = access.next_value_seed(self)?;
            map.insert(key, value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_serde_json_reads() {
        let text = r#" {"a":[1,-2,3.5,18446744073709551615,1e300],"b":{"c":null,"d":[true,false,{}]},"e":"\u00e4\n"} "#;
        assert_eq!(parse(text).unwrap(), serde_json::from_str::<Value>(text).unwrap());
    }

    #[test]
    fn values_are_counted_to_the_limit() {
        // The list itself is one.
        let list = |n: usize| format!("[{}0]", "0,".repeat(n - 2));
        assert!(parse(&list(LINE_VALUES)).is_ok());
        let error = parse(&list(LINE_VALUES + 1)).unwrap_err();
        assert!(is_too_many(&error), "{error}");
        assert_eq!(too_many().code().as_str(), "too_large");
        assert!(!is_too_many(&parse("[").unwrap_err()));
    }

    #[test]
    fn refuses_what_stands_twice_or_trails() {
        let error = parse(r#"{"a":1,"b":{"x":1,"x":2}}"#).unwrap_err();
        assert_eq!(message(&error), "the key `x` stands twice in one object");
        assert!(error.column() > 15, "{error}");
        assert!(parse(r#"{"a":1} {"b":2}"#).is_err());
        assert!(parse(r#"{"a":1e999}"#).is_err());
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
