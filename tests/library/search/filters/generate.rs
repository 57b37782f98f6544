//! Filters at random: shapes, fields and values, odd and empty ones among them.

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::language::{End, Filter, Leaf, Quote, Separator, Sign, Value};

/// Values of all kinds. Documents have them too, so that filters find something.
pub(crate) const WORDS: [&str; 27] = [
    "red",
    "Blue",
    "green",
    "fox",
    "état",
    "naïve",
    "日本",
    "C3PO",
    "x-ray",
    "red fox",
    "Blue green fox",
    "10",
    "1999",
    "-5",
    "true",
    "AND",
    "to:be (or)",
    "o'brien",
    "he said \"red\"",
    "back\\slash",
    "50%, a*b?",
    "=red",
    "!fox",
    "“green”",
    "red&&fox",
    "AND-fox",
    "fox||red",
];

/// Dates of documents: days, and instants around the ends of days, at the ends of the column and below a microsecond.
pub(crate) const DATES: [&str; 14] = [
    "2024-05-01",
    "2024-05-01T00:00:00Z",
    "2024-05-01T02:30:00+02:00",
    "2024-04-30T23:59:59.999999Z",
    "2024-04-30T23:59:59.9999999Z",
    "2024-05-01 23:59:59Z",
    "2023-12-31t22:00:00-05:00",
    "2023-12-31",
    "2000-02-29",
    "1970-01-01",
    "1969-12-31T23:59:59.9999999Z",
    "1969-12-31T23:59:59Z",
    "1677-09-22",
    "2262-04-11T23:47:16.854775807Z",
];

/// What queries call dates beside them: whole months and years, days beyond the column, and what is none.
const PERIODS: [&str; 14] = [
    "2024",
    "2024-05",
    "2024-04",
    "2023-12",
    "1969",
    "1970-01-01",
    "2000-02",
    "0001-01-01",
    "9999-12-31",
    "1677",
    "2262",
    "2024-04-30",
    "1800-06-15T12:00:00+14:00",
    "2500",
];

/// What is no date.
const NO_DATES: [&str; 4] = ["soon", "2023-02-29", "2024-05-01T10:00:00", "20240501"];

/// Patterns, as the letters between their signs.
const PATTERNS: [&str; 12] =
    ["r*", "*ed", "f?x", "*o*", "b*e", "gr??n", "*", "zz*", "RE*", "?ox", "é*t", "the*"];

/// Values out of which an analysis drops something.
pub(crate) const ODD: [&str; 11] =
    ["fox ☕ red", "⭐fox", "", "  ", "☕", "⭐☕!", "the", "the fox", "fox of red", "of", "fox the"];

/// Values that a filter refuses where no quotes and no backslash say that they are letters.
const RAW: [&str; 18] = [
    "=red",
    "=☕",
    "==",
    "!fox",
    "!☕",
    "!=1",
    "“red",
    "fox”",
    "«fox»",
    "„fox",
    "AND-red",
    "AND!fox",
    "OR-red",
    "NOT*",
    "red&&&fox",
    "&&red",
    "-2020",
    "-.5e3",
];
/// AND and OR as they are written between clauses.
const ANDS: [&str; 6] = [" AND ", " AND ", " && ", "&&", " &&", "&& "];
const ORS: [&str; 6] = [" OR ", " OR ", " || ", "||", " ||", "|| "];

const TEXTS: [&str; 4] = ["text", "title", "name", "note"];
const WHOLE: [&str; 3] = ["text_exact", "title_exact", "tag"];
const NESTED: [&str; 3] = ["_extra.meta.year", "_extra.meta.kind", "_extra.meta.deep.kind"];

pub(crate) struct Source<'a> {
    rng: &'a mut ChaCha8Rng,
}

impl<'a> Source<'a> {
    pub(crate) fn new(rng: &'a mut ChaCha8Rng) -> Self {
        Self { rng }
    }

    /// A whole filter, which names something to look for.
    pub(crate) fn filter(&mut self) -> Filter {
        let filter = self.node(3);
        if excludes(&filter) {
            Filter::And(vec![Filter::Leaf(Leaf::All), filter], self.pick(&ANDS))
        } else {
            filter
        }
    }

    fn node(&mut self, depth: usize) -> Filter {
        match if depth == 0 { 9 } else { self.rng.random_range(0..12) } {
            0 | 1 => Filter::And(self.some(depth), self.pick(&ANDS)),
            2 | 3 => Filter::Or(self.some(depth), self.pick(&ORS)),
            4 => Filter::Not(Box::new(self.node(depth - 1))),
            5 => Filter::Signs(self.signs(depth)),
            6 if self.rng.random_bool(0.3) => Filter::Boost(Box::new(self.node(depth - 1)), "2.5"),
            _ => Filter::Leaf(self.leaf()),
        }
    }

    fn some(&mut self, depth: usize) -> Vec<Filter> {
        (0..self.rng.random_range(2..4)).map(|_| self.node(depth - 1)).collect()
    }

    fn signs(&mut self, depth: usize) -> Vec<(Sign, Filter)> {
        let unsigned = self.beside_plus();
        let clauses = (0..self.rng.random_range(2..5)).map(|_| {
            let clause = self.node(depth - 1);
            // Without a sign, a clause that only excludes belongs to the group around it.
            let sign = match self.pick(&unsigned) {
                Sign::None if excludes(&clause) => Sign::MustNot,
                sign => sign,
            };
            (sign, clause)
        });
        clauses.collect()
    }

    /// The signs of one group: + and none seldom stand together, which is refused.
    fn beside_plus(&mut self) -> [Sign; 3] {
        match self.rng.random_range(0..20) {
            0 => [Sign::Must, Sign::None, Sign::MustNot],
            1..=9 => [Sign::None, Sign::None, Sign::MustNot],
            _ => [Sign::Must, Sign::Must, Sign::MustNot],
        }
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.rng.random_range(0..of.len())]
    }

    fn leaf(&mut self) -> Leaf {
        match self.rng.random_range(0..24) {
            0 => Leaf::All,
            20 => Leaf::Value(Some("d"), self.date()),
            21 => {
                let text = self.pick(&DATES).to_owned();
                Leaf::Value(Some("d_exact"), Value { text, quote: Quote::Double })
            }
            22 => Leaf::Pattern(self.pick(&["text", "name", "note"]), self.pick(&PATTERNS)),
            1 if self.rng.random_bool(0.02) => {
                let value = Value { text: self.pick(&RAW).into(), quote: Quote::Raw };
                Leaf::Value(Some(self.pick(&TEXTS)), value)
            }
            1..=3 => Leaf::Value(Some(self.pick(&TEXTS)), self.text()),
            4 => Leaf::Value(None, self.text()),
            5 => Leaf::Value(Some(self.pick(&WHOLE)), self.whole()),
            6 => Leaf::Value(Some(self.pick(&NESTED)), self.text()),
            7 => Leaf::Value(Some("n"), self.integer()),
            8 => Leaf::Value(Some("x"), self.float()),
            9 => Leaf::Value(Some("b"), self.boolean()),
            10 => Leaf::Value(
                Some("id"),
                Value { text: self.rng.random_range(0..60).to_string(), quote: Quote::Double },
            ),
            11 | 12 => self.range(),
            13 => Leaf::Exists(
                self.pick(&[
                    "text",
                    "title",
                    "name",
                    "note",
                    "tag",
                    "n",
                    "x",
                    "b",
                    "text_exact",
                    "_extra.meta.year",
                    "_extra.meta",
                    "_extra.meta.deep",
                    "d",
                    "d_exact",
                ]),
                self.rng.random_bool(0.5),
            ),
            14..=16 => self.list(),
            17 => {
                let field = self.pick(&["n", "x", "_extra.meta.year"]);
                let values = (0..self.rng.random_range(1..4))
                    .map(|_| if field == "x" { self.float() } else { self.integer() });
                Leaf::Numbers(field, values.collect(), self.rng.random_bool(0.8))
            }
            _ => {
                let signs = self.beside_plus();
                let words = (0..self.rng.random_range(1..4)).map(|at| {
                    let sign = if at == 0 { signs[0] } else { self.pick(&signs) };
                    (
                        sign,
                        Value {
                            text: self.pick(&["red", "fox", "Blue", "green"]).into(),
                            quote: Quote::None,
                        },
                    )
                });
                let words = words.collect();
                Leaf::Words(self.pick(&TEXTS), words)
            }
        }
    }

    fn list(&mut self) -> Leaf {
        let separator = self.pick(&[Separator::Blank, Separator::Comma, Separator::CommaBlank]);
        let many = self.rng.random_range(1..4);
        match self.rng.random_range(0..5) {
            4 => Leaf::In("d", (0..many).map(|_| self.date()).collect(), separator),
            0 => Leaf::In("n", (0..many).map(|_| self.integer()).collect(), separator),
            1 => Leaf::In("x", (0..many).map(|_| self.float()).collect(), separator),
            2 => Leaf::In(self.pick(&WHOLE), (0..many).map(|_| self.whole()).collect(), separator),
            _ => Leaf::In(self.pick(&TEXTS), (0..many).map(|_| self.text()).collect(), separator),
        }
    }

    fn range(&mut self) -> Leaf {
        let field = self.pick(&[
            "n",
            "x",
            "b",
            "n",
            "x",
            "text",
            "title",
            "name",
            "text_exact",
            "tag",
            "id",
            "_extra.meta.year",
            "_extra.meta.kind",
            "d",
            "d",
        ]);
        let mut end = || {
            let value = match field {
                "n" | "_extra.meta.year" => self.integer(),
                "x" => self.float(),
                "b" => self.boolean(),
                "d" => self.date(),
                "text" | "title" | "name" | "_extra.meta.kind" if !self.rng.random_bool(0.05) => Value {
                    text: self.pick(&["red", "Blue", "green", "fox", "état"]).into(),
                    quote: Quote::Double,
                },
                _ => Value { text: self.pick(&WORDS).into(), quote: Quote::Double },
            };
            match self.rng.random_range(0..3) {
                0 => End::Open,
                1 => End::Included(value),
                _ => End::Excluded(value),
            }
        };
        Leaf::Range(field, end(), end())
    }

    fn quote(&mut self, text: &str) -> Quote {
        let plain = text.starts_with(|c: char| c.is_alphanumeric() || "=!“".contains(c))
            && !["AND", "OR", "NOT", "IN"].contains(&text);
        match self.rng.random_range(0..3) {
            0 => Quote::Double,
            1 => Quote::Single,
            _ if plain => Quote::None,
            _ => Quote::Double,
        }
    }

    fn text(&mut self) -> Value {
        let text = match self.rng.random_range(0..60) {
            0 => self.pick(&ODD).to_owned(),
            1 => "y".repeat(self.pick(&[39, 40, 41, 119, 120])),
            _ => self.pick(&WORDS).to_owned(),
        };
        let quote = self.quote(&text);
        Value { text, quote }
    }

    /// A value of a field of whole values: all of them are terms but the very long ones.
    fn whole(&mut self) -> Value {
        let text = match self.rng.random_range(0..30) {
            0 => "w".repeat(self.pick(&[256, 257, 300])),
            1..=3 => self.pick(&ODD).to_owned(),
            _ => self.pick(&WORDS).to_owned(),
        };
        let quote = self.quote(&text);
        Value { text, quote }
    }

    fn integer(&mut self) -> Value {
        let text =
            self.pick(&["-5", "7", "0", "1", "-1500", "-1.5e3", "1999", "2005", "10", "9007199254740993"]);
        Value { text: text.into(), quote: Quote::None }
    }

    fn float(&mut self) -> Value {
        let text = self.pick(&["-5", "0", "-0.0", "0.5", "-1.5e3", "1e2", "100", "2.25", "-0.125"]);
        Value { text: text.into(), quote: Quote::None }
    }

    /// A date in quotes or without; one with a blank needs them.
    fn date(&mut self) -> Value {
        let text = match self.rng.random_range(0..60) {
            0 => self.pick(&NO_DATES),
            1..=30 => self.pick(&DATES),
            _ => self.pick(&PERIODS),
        };
        let quote = match self.rng.random_range(0..2) {
            0 if !text.contains(' ') => Quote::Bare,
            _ => Quote::Double,
        };
        Value { text: text.into(), quote }
    }

    fn boolean(&mut self) -> Value {
        Value { text: self.pick(&["true", "false"]).into(), quote: Quote::None }
    }
}

/// Whether a clause names nothing to look for.
fn excludes(filter: &Filter) -> bool {
    match filter {
        Filter::Not(_) => true,
        Filter::Boost(inner, _) => excludes(inner),
        Filter::Signs(clauses) => clauses.iter().all(|(sign, _)| *sign == Sign::MustNot),
        _ => false,
    }
}
