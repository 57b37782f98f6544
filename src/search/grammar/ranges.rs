//! Ranges and lists of values.

use std::ops::Bound;

use tantivy::Term;
use tantivy::query::{
    ConstScoreQuery, EmptyQuery, InvertedIndexRangeQuery, Occur, Query, RangeQuery, TermSetQuery,
};
use tantivy::schema::{FieldType, JsonObjectOptions};

use super::Grammar;
use super::analysed::Analysed;
use super::ast::{Leaf, Value};
use super::errors::{Place, in_quotes};
use super::target::{Found, Lost, Target};
use crate::error::{Error, Result};
use crate::schema::exact_name;
use crate::search::ordered::OrderedQuery;

/// Which end of a range a bound is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Lower,
    Upper,
}

impl Grammar {
    /// Documents with a value between the bounds; with one at all where both are open.
    pub(super) fn range(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        lower: Bound<&Value>,
        upper: Bound<&Value>,
    ) -> Result<Box<dyn Query>> {
        let given: Vec<&Value> = [lower, upper].into_iter().filter_map(inner).collect();
        if given.is_empty() {
            return self.exists(place, leaf, target);
        }
        match target.entry.field_type() {
            FieldType::Str(_) => {
                if given.iter().all(|value| is_number(value)) {
                    return Err(numbers_over_text(place, leaf, target));
                }
                let lower = map(lower, |value| self.word(place, leaf, target, value))?;
                let upper = map(upper, |value| self.word(place, leaf, target, value))?;
                // Not by the column, which holds whole values where the terms are words.
                Ok(Box::new(InvertedIndexRangeQuery::new(lower, upper)))
            }
            FieldType::JsonObject(options) => {
                // Only its terms can tell one path from the other.
                drop(self.analyzer(place, leaf, target)?);
                if given.iter().all(|value| is_number(value)) {
                    return nested_numbers(place, leaf, target, options, lower, upper);
                }
                let lower = map(lower, |value| self.word(place, leaf, target, value))?;
                let upper = map(upper, |value| self.word(place, leaf, target, value))?;
                let path = || {
                    Term::from_field_json_path(target.field, target.path, options.is_expand_dots_enabled())
                };
                Ok(Box::new(InvertedIndexRangeQuery::new(
                    or_edge(lower, || edge::<Text>(path(), Side::Lower)),
                    or_edge(upper, || edge::<Text>(path(), Side::Upper)),
                )))
            }
            FieldType::Date(_) => self.dates(place, leaf, target, lower, upper),
            kind => {
                let term = |value: &Value, side, excluded: bool| -> Result<Term> {
                    let mut terms = self.terms(place, leaf, target, value)?;
                    // Both zeros are inside where one is, and outside where one is.
                    let last = (side == Side::Upper) != excluded;
                    Ok(if last { terms.swap_remove(terms.len() - 1) } else { terms.swap_remove(0) })
                };
                let lower = match lower {
                    Bound::Included(value) => Bound::Included(term(value, Side::Lower, false)?),
                    Bound::Excluded(value) => Bound::Excluded(term(value, Side::Lower, true)?),
                    Bound::Unbounded => Bound::Unbounded,
                };
                let upper = match upper {
                    Bound::Included(value) => Bound::Included(term(value, Side::Upper, false)?),
                    Bound::Excluded(value) => Bound::Excluded(term(value, Side::Upper, true)?),
                    Bound::Unbounded => Bound::Unbounded,
                };
                // tantivy counts on from them, and back to the other end.
                let beyond = |bound: &Bound<Term>, last: u128| match bound {
                    Bound::Excluded(term) => {
                        term.value().as_ip_addr().is_some_and(|address| u128::from(address) == last)
                    }
                    _ => false,
                };
                if beyond(&lower, u128::MAX) || beyond(&upper, 0) {
                    return Ok(Box::new(EmptyQuery));
                }
                // tantivy's ranges over columns know no booleans.
                Ok(match kind {
                    FieldType::Bool(_) if target.entry.is_indexed() => {
                        Box::new(InvertedIndexRangeQuery::new(lower, upper))
                    }
                    _ => Box::new(RangeQuery::new(lower, upper)),
                })
            }
        }
    }

    /// The one term of a bound over text.
    fn word(&self, place: Place<'_>, leaf: &Leaf, target: Target<'_>, value: &Value) -> Result<Term> {
        let analysed = Analysed::of(&mut self.analyzer(place, leaf, target)?, &value.text);
        let bound = place.written(&value.span);
        if !value.quoted && !target.is_whole() && value.text.contains(['*', '?']) {
            return Err(no_pattern(place, leaf, value, "a bound"));
        }
        if let (false, Some(Lost::Some(words))) =
            (analysed.terms.is_empty(), analysed.lost(place.mode, &value.text))
        {
            let why = format!("`{}` leaves out of the bound `{bound}`: {}", target.name(), words.join(", "));
            return Err(place
                .error(&leaf.span, &why)
                .expected("a bound of one word")
                .hint("write a word that the analysis of the field keeps, or * for an open end"));
        }
        let text = match analysed.terms.as_slice() {
            [(_, text)] => text.as_str(),
            [] => {
                let why = format!("the bound `{bound}` gives no term in `{}`", target.name());
                return Err(place
                    .error(&leaf.span, &why)
                    .expected("a bound of one word")
                    .hint("write a word that the analysis of the field keeps, or * for an open end"));
            }
            several => {
                let why = format!("the bound `{bound}` is {} words in `{}`", several.len(), target.name());
                let error = place.error(&leaf.span, &why).expected("a bound of one word");
                let exact = exact_name(target.entry.name());
                return Err(match self.schema.get_field(&exact) {
                    Ok(_) => error.hint(format!(
                        "whole values are compared in {exact}: write {exact} before the comparison, and {} as its bound",
                        in_quotes(&value.text)
                    )),
                    Err(_) => error.hint(
                        "write one word; whole values are compared in a field with the tokenizer `raw`",
                    ),
                });
            }
        };
        Ok(match target.entry.field_type() {
            FieldType::JsonObject(options) => {
                let mut term =
                    Term::from_field_json_path(target.field, target.path, options.is_expand_dots_enabled());
                term.append_type_and_str(text);
                term
            }
            _ => Term::from_field_text(target.field, text),
        })
    }

    /// Documents with one of the values, each with the score 1.
    pub(super) fn set(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        values: &[Value],
    ) -> Result<Box<dyn Query>> {
        let mut terms: Vec<Term> = Vec::new();
        let mut either: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for value in values {
            let query = match target.entry.field_type() {
                FieldType::Str(_) | FieldType::JsonObject(_) => {
                    if !target.is_whole() && !value.marks.is_empty() {
                        return Err(no_pattern(place, leaf, value, "a value of a list"));
                    }
                    // Those of whole values are letters.
                    let plain = Value { marks: vec![], ..value.clone() };
                    match self.words_in(place, leaf, target, &plain, 0, false)? {
                        Found::Query(query) => query,
                        Found::Nothing(_) => {
                            let why = format!(
                                "the value `{}` gives no term of its own in `{}`",
                                place.written(&value.span),
                                target.name()
                            );
                            return Err(place
                                .error(&leaf.span, &why)
                                .expected("values that can be looked for")
                                .hint("leave the value out of the list"));
                        }
                    }
                }
                FieldType::Date(_) => self.date(place, leaf, target, value)?,
                _ if target.entry.is_indexed() => {
                    terms.extend(self.terms(place, leaf, target, value)?);
                    continue;
                }
                _ => self.typed(place, leaf, target, value)?,
            };
            match query.downcast_ref::<tantivy::query::TermQuery>() {
                Some(query) => terms.push(query.term().clone()),
                None => either.push((Occur::Should, query)),
            }
        }
        let terms = (!terms.is_empty()).then(|| Box::new(TermSetQuery::new(terms)));
        Ok(match (terms, either.is_empty()) {
            (Some(terms), true) => terms,
            (terms, _) => {
                either.extend(terms.map(|terms| (Occur::Should, terms as Box<dyn Query>)));
                Box::new(ConstScoreQuery::new(Box::new(OrderedQuery::new(either)), 1.0))
            }
        })
    }
}

fn inner<T>(bound: Bound<T>) -> Option<T> {
    match bound {
        Bound::Included(value) | Bound::Excluded(value) => Some(value),
        Bound::Unbounded => None,
    }
}

fn map<T>(bound: Bound<&Value>, term: impl Fn(&Value) -> Result<T>) -> Result<Bound<T>> {
    Ok(match bound {
        Bound::Included(value) => Bound::Included(term(value)?),
        Bound::Excluded(value) => Bound::Excluded(term(value)?),
        Bound::Unbounded => Bound::Unbounded,
    })
}

fn no_pattern(place: Place<'_>, leaf: &Leaf, value: &Value, what: &str) -> Error {
    let why = format!("`{}` is {what}, which is no pattern", place.written(&value.span));
    place
        .error(&leaf.span, &why)
        .expected("a word as it is written")
        .hint("ask for patterns outside of lists and ranges, joined by OR, or put plain signs into quotes")
}

/// A bound that is written as a number, and not in quotes.
fn is_number(value: &Value) -> bool {
    !value.quoted && value.text.parse::<f64>().is_ok_and(f64::is_finite)
}

fn numbers_over_text(place: Place<'_>, leaf: &Leaf, target: Target<'_>) -> Error {
    let name = target.name();
    let why = format!("`{name}` holds text, which compares letter by letter, so that 10 comes before 9");
    let way = match target.entry.name().strip_suffix(&exact_name("")).unwrap_or(target.entry.name()) {
        "id" => String::new(),
        base => format!("build the index with type = \"integer\" or \"float\" for `{base}` in the schema; "),
    };
    place.error(&leaf.span, &why).expected("a field of numbers, or words as bounds").hint(format!(
        "{way}to compare as text all the same, put the bounds into quotes, such as {name}:>\"5\""
    ))
}

/// A kind of value that terms of a JSON field hold, with its least and its greatest one.
trait Edge {
    fn append(term: &mut Term, side: Side);
}

struct Text;

impl Edge for Text {
    fn append(term: &mut Term, side: Side) {
        term.append_type_and_str("");
        if side == Side::Upper {
            // Above all of UTF-8.
            term.append_bytes(&[0xff]);
        }
    }
}

impl Edge for i64 {
    fn append(term: &mut Term, side: Side) {
        term.append_type_and_fast_value(if side == Side::Lower { Self::MIN } else { Self::MAX });
    }
}

impl Edge for u64 {
    fn append(term: &mut Term, side: Side) {
        term.append_type_and_fast_value(if side == Side::Lower { Self::MIN } else { Self::MAX });
    }
}

impl Edge for f64 {
    fn append(term: &mut Term, side: Side) {
        term.append_type_and_fast_value(if side == Side::Lower {
            Self::NEG_INFINITY
        } else {
            Self::INFINITY
        });
    }
}

fn edge<T: Edge>(mut path: Term, side: Side) -> Bound<Term> {
    T::append(&mut path, side);
    Bound::Included(path)
}

fn or_edge(bound: Bound<Term>, edge: impl Fn() -> Bound<Term>) -> Bound<Term> {
    if bound == Bound::Unbounded { edge() } else { bound }
}

/// A nested number is a term of one of three types: an integer if it is whole, else a float.
fn nested_numbers(
    place: Place<'_>,
    leaf: &Leaf,
    target: Target<'_>,
    options: &JsonObjectOptions,
    lower: Bound<&Value>,
    upper: Bound<&Value>,
) -> Result<Box<dyn Query>> {
    let path = || Term::from_field_json_path(target.field, target.path, options.is_expand_dots_enabled());
    let bound = |bound: Bound<&Value>| {
        map(bound, |value| {
            Number::of(&value.text).ok_or_else(|| super::values::bad_value(place, leaf, target, value))
        })
    };
    let (lower, upper) = (bound(lower)?, bound(upper)?);
    let mut either: Vec<(Occur, Box<dyn Query>)> = Vec::new();
    let mut add = |lower: Bound<Term>, upper: Bound<Term>| {
        let range: Box<dyn Query> = Box::new(InvertedIndexRangeQuery::new(lower, upper));
        either.push((Occur::Should, range));
    };
    let signed = |value: i128| {
        let mut term = path();
        // Inside of the type, by `whole_bound`.
        term.append_type_and_fast_value::<i64>(value as i64);
        term
    };
    let whole = |bound, side| match whole_bound(bound, side, i64::MIN.into(), i64::MAX.into()) {
        Bound::Unbounded => edge::<i64>(path(), side),
        bound => bound.map(signed),
    };
    add(whole(lower, Side::Lower), whole(upper, Side::Upper));
    let float = |bound: Bound<Number>, side| match bound {
        Bound::Unbounded => edge::<f64>(path(), side),
        bound => bound.map(|number| {
            let mut term = path();
            term.append_type_and_fast_value(number.float);
            term
        }),
    };
    add(float(lower, Side::Lower), float(upper, Side::Upper));
    // Beyond the integers with a sign.
    let unsigned = |value: i128| {
        let mut term = path();
        term.append_type_and_fast_value::<u64>(value as u64);
        term
    };
    let large = |bound, side| match whole_bound(bound, side, 0, u64::MAX.into()) {
        Bound::Unbounded => edge::<u64>(path(), side),
        bound => bound.map(unsigned),
    };
    add(large(lower, Side::Lower), large(upper, Side::Upper));
    Ok(Box::new(ConstScoreQuery::new(Box::new(OrderedQuery::new(either)), 1.0)))
}

/// A bound over nested values.
#[derive(Clone, Copy)]
struct Number {
    float: f64,
    /// Exactly, where it is a whole number.
    whole: Option<i128>,
}

impl Number {
    fn of(text: &str) -> Option<Self> {
        let float = text.parse::<f64>().ok().filter(|float| float.is_finite())?;
        // Far beyond all integers of an index the nearest one does.
        let rounded = || (float.fract() == 0.0).then_some(float as i128);
        Some(Self { float, whole: text.parse().ok().or_else(rounded) })
    }
}

/// A bound over the integers from `least` to `most`; one that none of them reaches leaves out the last one.
fn whole_bound(bound: Bound<Number>, side: Side, least: i128, most: i128) -> Bound<i128> {
    let (number, excluded) = match bound {
        Bound::Unbounded => return Bound::Unbounded,
        Bound::Included(number) => (number, false),
        Bound::Excluded(number) => (number, true),
    };
    // No whole number is a fraction, so both kinds of bounds begin at the next one.
    let (value, excluded) = match (number.whole, side) {
        (Some(value), _) => (value, excluded),
        (None, Side::Lower) => (number.float.ceil() as i128, false),
        (None, Side::Upper) => (number.float.floor() as i128, false),
    };
    match side {
        Side::Lower if value > most => Bound::Excluded(most),
        Side::Upper if value < least => Bound::Excluded(least),
        Side::Lower if value < least => Bound::Unbounded,
        Side::Upper if value > most => Bound::Unbounded,
        _ if excluded => Bound::Excluded(value),
        _ => Bound::Included(value),
    }
}
