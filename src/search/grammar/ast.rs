//! What a query says, before fields and analyses are asked: clauses with the bytes that they stand at.

use std::hash::{Hash, Hasher};
use std::ops::{Bound, Range};

use tantivy::query::Occur;

/// What a query is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// To rank: words that an analysis drops are left out, as long as others are left.
    Keywords,
    /// To show, leave out or delete: a clause that gives no term is an error, since without it more would match.
    Filter,
}

impl Mode {
    /// The word for it in errors.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Keywords => "keyword",
            Self::Filter => "filter",
        }
    }
}

/// Where something stands in the text of a query, in bytes. Places do not count in comparisons: two clauses are equal if
/// they say the same.
#[derive(Debug, Clone)]
pub(super) struct Span(pub(super) Range<usize>);

impl PartialEq for Span {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Span {}

impl Hash for Span {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// A boost, compared by its bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factor(pub(super) f32);

impl PartialEq for Factor {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Eq for Factor {}

impl Hash for Factor {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// A clause of a group, and whether it must match, must not, or adds to the score.
pub(super) type Clause = (Option<Occur>, Node);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Node {
    Group(Vec<Clause>),
    Boost(Box<Node>, Factor, Span),
    Leaf(Leaf),
}

/// One clause without clauses inside. Its field is that of the group around it where it names none.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Leaf {
    pub(super) field: Option<Name>,
    pub(super) kind: Kind,
    pub(super) span: Span,
}

/// A field as it is named: maybe with a path into a JSON field.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Name {
    pub(super) path: String,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// `*` alone: all documents, or those that have the field.
    All,
    Words {
        value: Value,
        slop: u32,
        /// `"a b"*`: the last word is the beginning of one.
        prefix: bool,
    },
    Range(Bound<Value>, Bound<Value>),
    Set(Vec<Value>),
    Regex(String),
}

/// A word or what stands in quotes, without its escapes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) quoted: bool,
    /// Bytes of `text` where a `*`, `?` or `~` stands that is not escaped; none in quotes.
    pub(super) marks: Vec<usize>,
    pub(super) span: Span,
}

impl Node {
    /// All but what `self` matches.
    pub(super) fn not(self) -> Self {
        Self::Group(vec![(Some(Occur::MustNot), self)])
    }
}
