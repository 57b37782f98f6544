//! Values that documents are sorted by, and the keys that stand for them.
//!
//! A key sorts as its value does: in all segments, but for strings, where it holds the place of the term in the dictionary of
//! its segment. Booleans come before numbers, these before dates, and strings last.

use serde_json::Value as Json;
use tantivy::DateTime;
use tantivy::schema::Facet;

/// Where the type stands in a key.
const TYPE: u32 = 112;
/// Bits for what an integer has beyond the nearest float, which is below 2^11 for all of 64 bits.
const REST: u32 = 16;
const HALF: i128 = 1 << (REST - 1);

const NUMBER: u128 = 1;
const DATE: u128 = 2;
const TEXT: u128 = 3;

/// A value of any segment.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Value {
    Bool(bool),
    /// The low bits of the key.
    Number(u128),
    /// Nanoseconds since 1970.
    Date(i64),
    Text(String),
}

/// How a segment has its values, where that does not show in them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Format {
    /// Numbers are floats, whole ones too.
    pub(super) is_float: bool,
    /// Strings are the host's facets.
    pub(super) is_facet: bool,
}

pub(super) fn of_bool(value: bool) -> u128 {
    u128::from(value)
}

/// `-0.0` is 0.
pub(super) fn of_float(value: f64) -> u128 {
    number(value, 0)
}

pub(super) fn of_integer(value: impl Into<i128>) -> u128 {
    let value = value.into();
    let near = value as f64;
    number(near, value - near as i128)
}

pub(super) fn of_date(value: DateTime) -> u128 {
    DATE << TYPE | u128::from(value.into_timestamp_nanos() as u64 ^ 1 << 63)
}

/// `at`: the place of the string among those of its segment.
pub(super) fn of_text(at: u64) -> u128 {
    TEXT << TYPE | u128::from(at)
}

fn number(near: f64, rest: i128) -> u128 {
    let bits = (near + 0.0).to_bits();
    let ascending = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    NUMBER << TYPE | u128::from(ascending) << REST | (rest + HALF) as u128
}

/// The place of a string that a key stands for; another value as it is.
pub(super) fn read(key: u128) -> Result<Value, u64> {
    let low = key & ((1 << TYPE) - 1);
    match key >> TYPE {
        TEXT => Err(low as u64),
        DATE => Ok(Value::Date((low as u64 ^ 1 << 63) as i64)),
        NUMBER => Ok(Value::Number(low)),
        _ => Ok(Value::Bool(low == 1)),
    }
}

impl Value {
    pub(super) fn to_json(&self, format: Format) -> Json {
        match self {
            Self::Bool(value) => (*value).into(),
            Self::Number(low) => {
                let bits = (low >> REST) as u64;
                let near = f64::from_bits(if bits >> 63 == 1 { bits & !(1 << 63) } else { !bits });
                let rest = (low & ((1 << REST) - 1)) as i128 - HALF;
                // Beyond the integers of 64 bits a float is a float.
                if format.is_float || near.fract() != 0.0 || near.abs() > 2f64.powi(64) {
                    return near.into();
                }
                let whole = near as i128 + rest;
                match (i64::try_from(whole), u64::try_from(whole)) {
                    (Ok(whole), _) => whole.into(),
                    (_, Ok(whole)) => whole.into(),
                    _ => near.into(),
                }
            }
            Self::Date(nanos) => Json::String(format!("{:?}", DateTime::from_timestamp_nanos(*nanos))),
            Self::Text(text) if format.is_facet => match Facet::from_encoded(text.as_bytes().to_vec()) {
                Ok(facet) => facet.to_path_string().into(),
                Err(_) => text.as_str().into(),
            },
            Self::Text(text) => text.as_str().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_sort_as_their_values_and_give_them_back() {
        let big = 1i64 << 53;
        let ascending = [
            of_bool(false),
            of_bool(true),
            of_float(f64::NEG_INFINITY),
            of_float(-1e300),
            of_integer(i64::MIN),
            of_integer(i64::MIN + 1),
            of_float(-1.5),
            of_integer(-1),
            of_integer(0),
            of_float(0.5),
            of_integer(1),
            of_integer(big),
            of_integer(big + 1),
            of_float((big + 2) as f64),
            of_integer(big + 3),
            of_integer(i64::MAX),
            of_integer(u64::MAX),
            of_float(1e20),
            of_date(DateTime::from_timestamp_secs(-5)),
            of_date(DateTime::from_timestamp_secs(5)),
            of_text(0),
            of_text(1),
        ];
        assert!(ascending.windows(2).all(|two| two[0] < two[1]), "{ascending:?}");
        assert!(ascending.iter().all(|key| *key < u128::MAX / 2));
        let values: Vec<Value> = ascending.iter().filter_map(|key| read(*key).ok()).collect();
        assert!(values.windows(2).all(|two| two[0] < two[1]), "{values:?}");
        assert_eq!(of_float(-0.0), of_integer(0));
        let json =
            |key: u128, is_float: bool| read(key).unwrap().to_json(Format { is_float, is_facet: false });
        for integer in
            [json!(0), json!(-7), json!(i64::MIN), json!(i64::MAX), json!(big + 1), json!(u64::MAX)]
        {
            let number = integer.as_i64().map(i128::from).or(integer.as_u64().map(i128::from)).unwrap();
            assert_eq!(json(of_integer(number), false), integer);
        }
        for float in [0.5, -1e300, 1e20, 3.0] {
            assert_eq!(json(of_float(float), true), json!(float));
        }
        assert_eq!(json(of_float(3.0), false), json!(3));
        assert_eq!(json(of_float(1e20), false), json!(1e20));
        assert_eq!(json(of_bool(true), false), json!(true));
        assert_eq!(json(of_date(DateTime::from_timestamp_secs(5)), false), json!("1970-01-01T00:00:05Z"));
        assert_eq!(read(of_text(9)), Err(9));
    }
}
