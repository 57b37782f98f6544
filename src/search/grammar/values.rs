//! Values that are no text: numbers, booleans, times and what an app's own index may have.

use tantivy::Term;
use tantivy::query::{Occur, Query, RangeQuery, TermQuery};
use tantivy::query_grammar::{Delimiter, UserInputAst, UserInputLeaf, UserInputLiteral};
use tantivy::schema::{FieldType, IndexRecordOption};

use std::ops::Bound;

use super::Grammar;
use super::ast::{Leaf, Value};
use super::errors::{Place, example_of, form_of, kind_of, shown};
use super::target::Target;
use crate::error::{Error, Result};
use crate::search::ordered::OrderedQuery;

/// Integers up to here are floats without rounding.
const EXACT_INTEGER: f64 = 9_007_199_254_740_992.0;

impl Grammar {
    /// Documents with `value` in a field that is no text.
    pub(super) fn typed(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        value: &Value,
    ) -> Result<Box<dyn Query>> {
        if matches!(target.entry.field_type(), FieldType::Date(_)) {
            return self.date(place, leaf, target, value);
        }
        let mut either: Vec<(Occur, Box<dyn Query>)> = Vec::new();
        for term in self.terms(place, leaf, target, value)? {
            let query: Box<dyn Query> = if target.entry.is_indexed() {
                Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs))
            } else {
                Box::new(RangeQuery::new(Bound::Included(term.clone()), Bound::Included(term)))
            };
            either.push((Occur::Should, query));
        }
        Ok(match either.len() {
            1 => either.swap_remove(0).1,
            _ => Box::new(OrderedQuery::new(either)),
        })
    }

    /// The terms of one value: two for a zero, which has a sign in floats.
    pub(super) fn terms(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        value: &Value,
    ) -> Result<Vec<Term>> {
        let (field, text) = (target.field, value.text.as_str());
        if !target.entry.is_indexed() && !target.entry.is_fast() {
            return Err(not_indexed(place, leaf, target));
        }
        if matches!(target.entry.field_type(), FieldType::Bool(_)) && !target.entry.is_indexed() {
            return Err(place
                .error(
                    &leaf.span,
                    &format!("`{}` has a column alone, which finds no true and false", target.name()),
                )
                .expected("a field that is indexed"));
        }
        let term = match target.entry.field_type() {
            FieldType::I64(_) | FieldType::TieBreaker => {
                integer(text).map(|v| Term::from_field_i64(field, v))
            }
            FieldType::U64(_) => {
                let whole = text.parse().ok().or_else(|| u64::try_from(integer(text)?).ok());
                whole.map(|v| Term::from_field_u64(field, v))
            }
            FieldType::F64(_) => match text.parse::<f64>().ok().filter(|v| v.is_finite()) {
                Some(0.0) => {
                    return Ok([-0.0, 0.0].map(|zero| Term::from_field_f64(field, zero)).to_vec());
                }
                found => found.map(|v| Term::from_field_f64(field, v)),
            },
            FieldType::Bool(_) => text.parse().ok().map(|v| Term::from_field_bool(field, v)),
            _ => self.foreign(target, text),
        };
        match term {
            Some(term) => Ok(vec![term]),
            None => Err(bad_value(place, leaf, target, value)),
        }
    }

    /// What tantivy's own parser makes of a value: facets, bytes, addresses.
    fn foreign(&self, target: Target<'_>, text: &str) -> Option<Term> {
        let literal = UserInputLiteral {
            field_name: Some(target.entry.name().to_owned()),
            phrase: text.to_owned(),
            delimiter: Delimiter::DoubleQuotes,
            slop: 0,
            prefix: false,
        };
        let ast = UserInputAst::Leaf(Box::new(UserInputLeaf::Literal(literal)));
        let query = self.parser.build_query_from_user_input_ast(ast).ok()?;
        query.downcast_ref::<TermQuery>().map(|query| query.term().clone())
    }
}

/// A whole number, also one written as `-1.5e3`.
fn integer(text: &str) -> Option<i64> {
    text.parse().ok().or_else(|| {
        let float: f64 = text.parse().ok()?;
        (float.fract() == 0.0 && float.abs() <= EXACT_INTEGER).then_some(float as i64)
    })
}

pub(super) fn not_indexed(place: Place<'_>, leaf: &Leaf, target: Target<'_>) -> Error {
    place
        .error(&leaf.span, &format!("`{}` is kept and not indexed", target.name()))
        .expected("a field that is indexed")
}

/// The field holds no such value.
pub(super) fn bad_value(place: Place<'_>, leaf: &Leaf, target: Target<'_>, value: &Value) -> Error {
    let (name, kind) = (target.name(), target.entry.field_type());
    let error = place
        .error(
            &leaf.span,
            &format!("`{name}` holds {}, and `{}` is none", kind_of(kind), place.written(&value.span)),
        )
        .expected(form_of(kind))
        .got(format!("{:?}", shown(&value.text)));
    let lower = value.text.to_lowercase();
    let is_date = matches!(kind, FieldType::Date(_));
    let dated = if is_date { super::dates::mended(&name, &value.text) } else { None };
    let hint = match (kind, value.text.parse::<f64>()) {
        (FieldType::I64(_) | FieldType::U64(_), Ok(float)) if float.is_finite() && float.fract() != 0.0 => {
            format!("whole numbers above it are {name}:>{0}, those below it {name}:<={0}", float.floor())
        }
        (FieldType::Bool(_), _) if ["true", "yes", "1"].contains(&lower.as_str()) => {
            format!("write {name}:true")
        }
        (FieldType::Bool(_), _) if ["false", "no", "0"].contains(&lower.as_str()) => {
            format!("write {name}:false")
        }
        _ if dated.is_some() => format!("write {}", dated.unwrap_or_default()),
        _ => match example_of(kind) {
            Some(value) => format!("write {name}:{value}, or {name}:* for all documents that have a value"),
            None => format!("write {name}:* for all documents that have one"),
        },
    };
    error.hint(hint)
}
