//! What the values of a column are: known when all of them were seen, so that a column has one type.

use serde_json::Value;

/// What the values of a column may still be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Guess {
    number: bool,
    boolean: bool,
    /// Whether a number, or NaN, was among them.
    counted: bool,
    /// Values that stand for a missing number, and the line of the first.
    absent: u64,
    line: u64,
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
        Self { number: true, boolean: true, counted: false, absent: 0, line: 0 }
    }
}

impl Guess {
    /// Goes on with the value of a line; an empty one says nothing.
    pub(super) fn see(&mut self, value: &[u8], line: u64) {
        if value.is_empty() || !(self.number || self.boolean) {
            return;
        }
        let text = std::str::from_utf8(value).unwrap_or("?");
        if self.number && is_absent(text) {
            self.counted |= is_nan(text);
            self.line = if self.absent == 0 { line } else { self.line };
            self.absent += 1;
        } else if self.number {
            self.number = number(text).is_some();
            self.counted |= self.number;
        }
        self.boolean = self.boolean && boolean(text).is_some();
    }

    /// What the values of both may be, with what is absent here.
    pub(super) fn join(self, other: Self) -> Self {
        Self {
            number: self.number && other.number,
            boolean: self.boolean && other.boolean,
            counted: self.counted || other.counted,
            ..self
        }
    }

    /// What they are; of a column without values, strings.
    pub(super) fn cells(self) -> Cells {
        match self {
            Self { number: true, counted: true, .. } => Cells::Numbers,
            Self { number: false, boolean: true, .. } => Cells::Booleans,
            _ => Cells::Strings,
        }
    }

    /// How many values of a column of numbers stand for a missing one, and the line of the first.
    pub(super) fn absent(self) -> Option<(u64, u64)> {
        (self.cells() == Cells::Numbers && self.absent > 0).then_some((self.absent, self.line))
    }
}

impl Cells {
    /// The value that `text` stands for; null where it is absent.
    pub(super) fn value(self, text: &str) -> Value {
        match self {
            _ if text.is_empty() => Value::Null,
            Self::Numbers if is_absent(text) => Value::Null,
            Self::Numbers => number(text).unwrap_or_else(|| text.into()),
            Self::Booleans => boolean(text).map_or_else(|| text.into(), Value::Bool),
            Self::Strings => text.into(),
        }
    }
}

/// As tables write a missing number.
fn is_absent(text: &str) -> bool {
    is_nan(text) || matches!(text, "NA" | "N/A" | "NULL" | "\\N")
}

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

/// Figures of a decimal fraction that a number of 64 bits gives back.
const FIGURES: usize = 15;

/// A number, unless figures of it would be lost: with zeros in front, or more figures than 64 bits hold, it is a code. Zeros at the end and exponents
/// are ways of writing a number, as programs write prices and small ones.
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
    let mantissa = digits.split(['e', 'E']).next().unwrap_or(digits);
    let figures: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    // No more figures than a number keeps; zeros at either end are none.
    let keeps = figures.trim_matches('0').len() <= FIGURES;
    text.parse::<f64>().ok().filter(|value| is_float && keeps && value.is_finite()).map(Value::from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn column(values: &[&str]) -> Vec<Value> {
        let mut guess = Guess::default();
        values.iter().for_each(|value| guess.see(value.as_bytes(), 1));
        values.iter().map(|value| guess.cells().value(value)).collect()
    }

    #[test]
    fn a_column_has_one_type() {
        assert_eq!(column(&["1", "", "-7", "NaN"]), [json!(1), json!(null), json!(-7), json!(null)]);
        assert_eq!(column(&["1", "2.5", "1000.0"]), [json!(1), json!(2.5), json!(1000.0)]);
        assert_eq!(column(&["true", "false"]), [json!(true), json!(false)]);
        assert_eq!(column(&["1", "true"]), [json!("1"), json!("true")]);
        assert_eq!(column(&["1", "x"]), [json!("1"), json!("x")]);
        assert_eq!(column(&["", ""]), [json!(null), json!(null)]);
        assert_eq!(column(&["NA", "1.5", "\\N", "NULL", "N/A"])[..3], [json!(null), json!(1.5), json!(null)]);
        assert_eq!(column(&["NA", ""]), [json!("NA"), json!(null)]);
        assert_eq!(column(&["NA", "US", "1"]), [json!("NA"), json!("US"), json!("1")]);
        assert_eq!(column(&["NaN", "x"]), [json!("NaN"), json!("x")]);
    }

    #[test]
    fn missing_numbers_are_counted() {
        let absent = |values: &[&str]| {
            let mut guess = Guess::default();
            values.iter().zip(2..).for_each(|(value, line)| guess.see(value.as_bytes(), line));
            guess.absent()
        };
        assert_eq!(absent(&["1", "NA", "", "nan"]), Some((2, 3)));
        assert_eq!(absent(&["NA", "x", "1"]), None);
        assert_eq!(absent(&["1", ""]), None);
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
            "0.12345678901234567890",
        ] {
            assert_eq!(column(&[code, "1"]), [json!(code), json!("1")], "{code}");
        }
        assert_eq!(column(&["True", "False"]), [json!(true), json!(false)]);
        assert_eq!(column(&["19.90", "1e-05", "2"]), [json!(19.9), json!(0.00001), json!(2)]);
        assert_eq!(column(&["0", "-1", "0.5"]), [json!(0), json!(-1), json!(0.5)]);
    }
}
