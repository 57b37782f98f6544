//! The value of a label as the name of a class: one name for each class, however a corpus writes it.
//!
//! | value | class |
//! |---|---|
//! | `1`, `1.0`, `"1"`, `" 1.0 "` | `1` |
//! | `1.5` | `1.5` |
//! | `true` | `true` |
//! | `"red"`, `"red "` | `red` |
//! | null, blank text, a negative whole number, a list, an object | none |
//! | a number that lost digits | none |
//!
//! A negative number means none in a label tensor too.

use std::collections::HashMap;

use serde_json::Value;

/// The name of the class that `value` means.
pub(crate) fn class_name(value: &Value) -> Option<String> {
    canonical(value).filter(|name| !is_negative(name) && !is_rounded(value))
}

/// Whether `value` may stand for several numbers: a float so large that an integer above 64 bits may have become it.
///
/// Integers up to `u64::MAX` are read as such. As groups, such numbers may be joined: that keeps more on one side.
pub(crate) fn is_rounded(value: &Value) -> bool {
    matches!(value, Value::Number(number) if number.is_f64() && number.as_f64().is_some_and(|x| x.abs() >= TWO_TO_63))
}

/// 2^63.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

/// The value as a key of a group: as a class, but negative numbers, lists and objects are values as others.
pub(crate) fn group_name(value: &Value) -> Option<String> {
    match value {
        Value::Array(_) | Value::Object(_) => Some(value.to_string()),
        value => canonical(value),
    }
}

/// Finds values among the names of a trained bundle, which an earlier version may have written otherwise.
pub(crate) struct KnownClasses<'a> {
    /// The number of each name, as it is and in its one form.
    exact: HashMap<&'a str, u32>,
    canonical: HashMap<String, u32>,
}

impl<'a> KnownClasses<'a> {
    pub(crate) fn new(names: &'a [String]) -> Self {
        let mut canonical = HashMap::new();
        for (at, name) in (0..).zip(names) {
            if let Some(name) = written(name) {
                canonical.entry(name).or_insert(at);
            }
        }
        Self { exact: (0..).zip(names).map(|(at, name)| (name.as_str(), at)).collect(), canonical }
    }

    /// The number of the class of `value`; `None` where it is none of them.
    pub(crate) fn number(&self, value: &Value) -> Option<u32> {
        if is_rounded(value) {
            return None;
        }
        let as_is = match value {
            Value::String(text) => self.exact.get(text.as_str()),
            Value::Number(_) | Value::Bool(_) => self.exact.get(value.to_string().as_str()),
            _ => None,
        };
        as_is.copied().or_else(|| self.canonical.get(&class_name(value)?).copied())
    }
}

fn canonical(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => written(text),
        Value::Bool(value) => Some(value.to_string()),
        Value::Number(number) => match number.as_f64().filter(|x| number.is_f64() && x.fract() == 0.0) {
            // All its digits, without a point.
            Some(whole) => written(&format!("{whole:.0}")),
            None => Some(number.to_string()),
        },
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The one form of a text: of a whole number its digits, of any other text itself without blanks around.
fn written(text: &str) -> Option<String> {
    let text = text.trim();
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    // `007` is a name, not a number.
    let is_whole = digits(whole) && (whole == "0" || !whole.starts_with('0'));
    match text {
        "" => None,
        _ if is_whole && digits(fraction) && fraction.bytes().all(|byte| byte == b'0') => {
            Some(if whole == "0" { whole.to_owned() } else { format!("{sign}{whole}") })
        }
        other => Some(other.to_owned()),
    }
}

fn is_negative(name: &str) -> bool {
    name.strip_prefix('-').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
        && name.len() > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_class_has_one_name() {
        for (values, name) in [
            (vec![json!(1), json!(1.0), json!("1"), json!("1.0"), json!(" 1.00\n")], Some("1")),
            (vec![json!(0), json!(0.0), json!(-0.0), json!("-0")], Some("0")),
            (
                vec![json!(1e16), json!(10_000_000_000_000_000u64), json!("10000000000000000")],
                Some("10000000000000000"),
            ),
            (vec![json!(u64::MAX), json!("18446744073709551615")], Some("18446744073709551615")),
            (vec![json!(1.5), json!("1.5")], Some("1.5")),
            (vec![json!("007")], Some("007")),
            (vec![json!("1.")], Some("1.")),
            (vec![json!("red"), json!("red ")], Some("red")),
            (vec![json!(true), json!("true")], Some("true")),
            (vec![json!("-")], Some("-")),
            (vec![json!("-a")], Some("-a")),
            (
                vec![
                    json!(null),
                    json!(""),
                    json!(" \t"),
                    json!(-1),
                    json!(-1.0),
                    json!("-1"),
                    json!(["a"]),
                    json!({}),
                ],
                None,
            ),
        ] {
            for value in values {
                assert_eq!(class_name(&value).as_deref(), name, "{value:?}");
            }
        }
        // Two integers above 64 bits that are one float.
        let long = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let two = ["123456789012345678901", "123456789012345678902"].map(long);
        assert!(two[0] == two[1] && two.iter().all(|value| class_name(value).is_none()), "{two:?}");
        assert!(is_rounded(&two[0]) && is_rounded(&json!(-1e20)) && !is_rounded(&json!(u64::MAX)));
        assert_eq!(class_name(&json!("123456789012345678901")).as_deref(), Some("123456789012345678901"));
        let names = ["1e20", "100000000000000000000"].map(str::to_owned);
        assert_eq!(KnownClasses::new(&names).number(&json!(1e20)), None);
        assert_eq!(group_name(&json!(-1)), group_name(&json!("-1.0")));
        assert_eq!(group_name(&json!(-1)).as_deref(), Some("-1"));
        assert_eq!(group_name(&json!([1])).as_deref(), Some("[1]"));
    }

    #[test]
    fn names_of_earlier_bundles_are_found() {
        let names = ["-1", "0.0", "1.0", "red "].map(str::to_owned);
        let known = KnownClasses::new(&names);
        for (value, number) in [
            (json!(0), Some(1)),
            (json!(0.0), Some(1)),
            (json!("1"), Some(2)),
            (json!(-1), Some(0)),
            (json!("red"), Some(3)),
            (json!("red "), Some(3)),
            (json!(2), None),
            (json!(-2), None),
            (json!(null), None),
        ] {
            assert_eq!(known.number(&value), number, "{value:?}");
        }
        // Two names of one class: each as it is written, else the first.
        let both = ["1", "1.0"].map(str::to_owned);
        let known = KnownClasses::new(&both);
        assert_eq!(
            (known.number(&json!(1)), known.number(&json!(1.0)), known.number(&json!("1.00"))),
            (Some(0), Some(1), Some(0))
        );
    }
}
