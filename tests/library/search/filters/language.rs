//! A filter as a tree, and how it is written down.

use std::fmt::{self, Display, Formatter};

pub(crate) enum Filter {
    /// With what stands between the clauses.
    And(Vec<Filter>, &'static str),
    Or(Vec<Filter>, &'static str),
    Not(Box<Filter>),
    /// `+a -b c`
    Signs(Vec<(Sign, Filter)>),
    /// What the engine gives a score and a filter none of.
    Boost(Box<Filter>, &'static str),
    Leaf(Leaf),
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sign {
    Must,
    MustNot,
    None,
}

pub(crate) enum Leaf {
    All,
    /// Without a field it is asked of all tokenised ones.
    Value(Option<&'static str>, Value),
    Range(&'static str, End, End),
    In(&'static str, Vec<Value>, Separator),
    Exists(&'static str, bool),
    /// `n:(-5 OR 7)`
    Numbers(&'static str, Vec<Value>, bool),
    /// `text:r*d`
    Pattern(&'static str, &'static str),
    /// `text:(red -blue)`
    Words(&'static str, Vec<(Sign, Value)>),
}

#[derive(Clone)]
pub(crate) struct Value {
    pub(crate) text: String,
    pub(crate) quote: Quote,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quote {
    None,
    Double,
    Single,
    /// Written as it is, where signs mean something else than letters.
    Raw,
    /// Written as it is, where they mean nothing: dates.
    Bare,
}

#[derive(Clone, Copy)]
pub(crate) enum Separator {
    Blank,
    Comma,
    CommaBlank,
}

#[derive(Clone)]
pub(crate) enum End {
    Open,
    Included(Value),
    Excluded(Value),
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let quoted = |quote: char| {
            let escaped: String = self
                .text
                .chars()
                .flat_map(|c| (c == quote || c == '\\').then_some('\\').into_iter().chain([c]))
                .collect();
            format!("{quote}{escaped}{quote}")
        };
        match self.quote {
            Quote::Double => f.write_str(&quoted('"')),
            Quote::Single => f.write_str(&quoted('\'')),
            Quote::Raw | Quote::Bare => f.write_str(&self.text),
            Quote::None if self.text.parse::<f64>().is_ok() => f.write_str(&self.text),
            Quote::None => {
                for (at, c) in self.text.char_indices() {
                    let edge = at == 0 && c == '=';
                    if edge || c.is_whitespace() || "^`:{}\"'[]()\\*?~,!/&|-“”„«»".contains(c) {
                        f.write_str("\\")?;
                    }
                    write!(f, "{c}")?;
                }
                Ok(())
            }
        }
    }
}

impl Display for Leaf {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Value(None, value) => write!(f, "{value}"),
            Self::Value(Some(field), value) => write!(f, "{field}:{value}"),
            Self::Exists(field, false) => write!(f, "{field}:*"),
            Self::Pattern(field, pattern) => write!(f, "{field}:{pattern}"),
            Self::Exists(field, true) => write!(f, "{field}:[* TO *]"),
            Self::In(field, values, separator) => {
                let between = match separator {
                    Separator::Blank => " ",
                    Separator::Comma => ",",
                    Separator::CommaBlank => ", ",
                };
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "{field}: IN [{}]", values.join(between))
            }
            Self::Range(field, End::Open, End::Included(value)) => write!(f, "{field}:<={value}"),
            Self::Range(field, End::Open, End::Excluded(value)) => write!(f, "{field}:<{value}"),
            Self::Range(field, End::Included(value), End::Open) => write!(f, "{field}:>={value}"),
            Self::Range(field, End::Excluded(value), End::Open) => write!(f, "{field}: > {value}"),
            Self::Range(field, lower, upper) => {
                let text = |end: &End| match end {
                    End::Open => "*".to_owned(),
                    End::Included(value) | End::Excluded(value) => value.to_string(),
                };
                let open = if matches!(lower, End::Excluded(_)) { '{' } else { '[' };
                let close = if matches!(upper, End::Excluded(_)) { '}' } else { ']' };
                write!(f, "{field}:{open}{} TO {}{close}", text(lower), text(upper))
            }
            Self::Numbers(field, values, or) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(f, "{field}:({})", values.join(if *or { " OR " } else { " " }))
            }
            Self::Words(field, words) => {
                let words: Vec<String> = words.iter().map(|(sign, word)| format!("{sign}{word}")).collect();
                write!(f, "{field}:({})", words.join(" "))
            }
        }
    }
}

impl Display for Sign {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Must => "+",
            Self::MustNot => "-",
            Self::None => "",
        })
    }
}

impl Display for Filter {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let joined = |children: &[Filter], by: &str| {
            children.iter().map(ToString::to_string).collect::<Vec<_>>().join(by)
        };
        match self {
            Self::And(children, and) => write!(f, "({})", joined(children, and)),
            Self::Or(children, or) => {
                // AND binds closer than OR, so that a group of ANDs needs no parentheses there.
                let child = |child: &Filter| match child {
                    Self::And(inner, and) => joined(inner, and),
                    other => other.to_string(),
                };
                write!(f, "({})", children.iter().map(child).collect::<Vec<_>>().join(or))
            }
            Self::Not(inner) => write!(f, "NOT {inner}"),
            Self::Signs(clauses) => {
                let clauses: Vec<String> =
                    clauses.iter().map(|(sign, clause)| format!("{sign}{clause}")).collect();
                write!(f, "({})", clauses.join(" "))
            }
            Self::Boost(inner, factor) => write!(f, "({inner})^{factor}"),
            Self::Leaf(leaf) => write!(f, "{leaf}"),
        }
    }
}
