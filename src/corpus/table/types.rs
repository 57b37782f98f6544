//! What the values of a column are: known when all of them were seen, so that a column has one type.

use serde_json::Value;

/// What the values of a column may still be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess {
    number: bool,
    boolean: bool,
}

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cells {
    Strings,
    Numbers,
    Booleans,
}

impl Default for Guess {
    fn default() -> Self {
        Self { number: true, boolean: true }
    }
}

impl Guess {
    /// Goes on with a value; an empty one says nothing.
    pub(super) fn see(&mut self, value: &[u8]) {
        if value.is_empty() || !(self.number || self.boolean) {
            return;
        }
        let text = std::str::from_utf8(value).unwrap_or("?");
        self.number = self.number && (is_nan(text) || number(text).is_some());
        self.boolean = self.boolean && boolean(text).is_some();
    }

    /// What they are; of a column without values, strings.
    pub(super) fn cells(self) -> Cells {
        match self {
            Self { number: true, boolean: false } => Cells::Numbers,
            Self { number: false, boolean: true } => Cells::Booleans,
            _ => Cells::Strings,
        }
    }
}

impl Cells {
    /// The value that `text` stands for; null where it is absent.
    pub(super) fn value(self, text: &str) -> Value {
        match self {
            _ if text.is_empty() => Value::Null,
            Self::Numbers if is_nan(text) => Value::Null,
            Self::Numbers => number(text).unwrap_or_else(|| text.into()),
            Self::Booleans => boolean(text).map_or_else(|| text.into(), Value::Bool),
            Self::Strings => text.into(),
        }
    }
}

/// As tables write a missing number.
fn is_nan(text: &str) -> bool {
    matches!(text, "NaN" | "nan")
}

fn boolean(text: &str) -> Option<bool> {
    match text {
        "true" | "True" | "TRUE" => Some(true),
        "false" | "False" | "FALSE" => Some(false),
        _ => None,
    }
}

/// A number, unless digits of it would be lost: with zeros in front it is a code, and beyond 64 bits too.
fn number(text: &str) -> Option<Value> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let whole = digits.bytes().take_while(u8::is_ascii_digit).count();
    let padded = whole > 1 && digits.starts_with('0');
    if whole == 0 || padded || text.len() > 40 {
        return None;
    }
    let rest = &digits[whole..];
    if rest.is_empty() {
        return if text == "-0" { None } else { text.parse::<i64>().ok().map(Value::from) };
    }
    let is_float = rest.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    let value = text.parse::<f64>().ok().filter(|value| is_float && value.is_finite())?;
    // More than a float keeps is a code too: 2.10 is 2.1 all the same.
    Some(Value::from(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn column(values: &[&str]) -> Vec<Value> {
        let mut guess = Guess::default();
        values.iter().for_each(|value| guess.see(value.as_bytes()));
        values.iter().map(|value| guess.cells().value(value)).collect()
    }

    #[test]
    fn a_column_has_one_type() {
        assert_eq!(column(&["1", "", "-7", "NaN"]), [json!(1), json!(null), json!(-7), json!(null)]);
        assert_eq!(column(&["1", "2.5", "1e3"]), [json!(1), json!(2.5), json!(1000.0)]);
        assert_eq!(column(&["True", "false"]), [json!(true), json!(false)]);
        assert_eq!(column(&["1", "true"]), [json!("1"), json!("true")]);
        assert_eq!(column(&["1", "x"]), [json!("1"), json!("x")]);
        assert_eq!(column(&["", ""]), [json!(null), json!(null)]);
        assert_eq!(column(&["NaN", "x"]), [json!("NaN"), json!("x")]);
    }

    #[test]
    fn codes_stay_what_they_are() {
        for code in [
            "007",
            "00",
            "-01",
            "+1",
            "1,5",
            "1 ",
            ".5",
            "0x1f",
            "1_000",
            "98765432109876543210",
            "1e999",
            "-",
            "-0",
            "1.2.3",
            "2024-05-01",
        ] {
            assert_eq!(column(&[code, "1"]), [json!(code), json!("1")], "{code}");
        }
        assert_eq!(column(&["0", "-1", "0.5"]), [json!(0), json!(-1), json!(0.5)]);
    }
}
