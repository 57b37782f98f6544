//! Dates: an instant, or all of a day, a month or a year.

use std::ops::Bound;

use tantivy::query::{EmptyQuery, InvertedIndexRangeQuery, Query, RangeQuery, TermQuery};
use tantivy::schema::{DateOptions, DateTimePrecision, FieldType, IndexRecordOption};
use tantivy::{DateTime, Term};

use super::Grammar;
use super::ast::{Leaf, Value};
use super::errors::{Place, in_quotes, shown};
use super::target::Target;
use crate::error::{Error, Result};
use crate::schema::date::Period;

impl Grammar {
    /// Documents with a date in the period that `value` names.
    pub(super) fn date(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        value: &Value,
    ) -> Result<Box<dyn Query>> {
        let period = period(place, leaf, target, value)?;
        if let (false, Some(date)) = (target.entry.is_fast(), whole(period.from)) {
            // Terms have seconds, and an instant is one of them.
            if period.to - period.from == Period::resolution(DateTimePrecision::Seconds) {
                let term = Term::from_field_date_for_search(target.field, date);
                return Ok(Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)));
            }
        }
        self.between(place, leaf, target, Some(period.from), Some(period.to))
    }

    /// Documents with a date between the bounds, each of which is a whole period.
    pub(super) fn dates(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        lower: Bound<&Value>,
        upper: Bound<&Value>,
    ) -> Result<Box<dyn Query>> {
        let of = |value| period(place, leaf, target, value);
        let from = match lower {
            Bound::Included(value) => Some(of(value)?.from),
            Bound::Excluded(value) => Some(of(value)?.to),
            Bound::Unbounded => None,
        };
        let to = match upper {
            Bound::Included(value) => Some(of(value)?.to),
            Bound::Excluded(value) => Some(of(value)?.from),
            Bound::Unbounded => None,
        };
        self.between(place, leaf, target, from, to)
    }

    /// Documents with a date from the first instant up to the second, which is left out.
    fn between(
        &self,
        place: Place<'_>,
        leaf: &Leaf,
        target: Target<'_>,
        from: Option<i128>,
        to: Option<i128>,
    ) -> Result<Box<dyn Query>> {
        let (least, most) = (i128::from(i64::MIN), i128::from(i64::MAX));
        let is_empty = from.is_some_and(|from| from > most)
            || to.is_some_and(|to| to <= least)
            || from.zip(to).is_some_and(|(from, to)| from >= to);
        if is_empty {
            return Ok(Box::new(EmptyQuery));
        }
        let term = |nanos: i128| whole(nanos).map(|date| Term::from_field_date(target.field, date));
        // What lies beyond the column leaves nothing out.
        let lower =
            from.filter(|from| *from > least).and_then(term).map_or(Bound::Unbounded, Bound::Included);
        let upper = to.filter(|to| *to <= most).and_then(term).map_or(Bound::Unbounded, Bound::Excluded);
        Ok(match (&lower, &upper) {
            (Bound::Unbounded, Bound::Unbounded) => self.exists(place, leaf, target)?,
            _ if target.entry.is_fast() => Box::new(RangeQuery::new(lower, upper)),
            _ => Box::new(InvertedIndexRangeQuery::new(lower, upper)),
        })
    }
}

fn whole(nanos: i128) -> Option<DateTime> {
    i64::try_from(nanos).ok().map(DateTime::from_timestamp_nanos)
}

fn period(place: Place<'_>, leaf: &Leaf, target: Target<'_>, value: &Value) -> Result<Period> {
    if !target.entry.is_indexed() && !target.entry.is_fast() {
        return Err(super::values::not_indexed(place, leaf, target));
    }
    let (resolution, is_own) = match target.entry.field_type() {
        FieldType::Date(options) => (resolution(options), is_own(options)),
        _ => (Period::resolution(DateTimePrecision::Nanoseconds), false),
    };
    Period::of(&value.text, resolution, is_own)
        .ok_or_else(|| super::values::bad_value(place, leaf, target, value))
}

/// What the field tells apart: its column by its precision, its terms seconds.
fn resolution(options: &DateOptions) -> i128 {
    Period::resolution(if options.is_fast() { options.get_precision() } else { DateTimePrecision::Seconds })
}

/// Whether the field is as those of this crate are: a column of microseconds, whose dates are rounded before the host sees them.
fn is_own(options: &DateOptions) -> bool {
    options.is_fast() && options.get_precision() == DateTimePrecision::Microseconds
}

/// A value that is no date as a clause that works; `None` where nothing in it is one.
pub(super) fn mended(name: &str, text: &str) -> Option<String> {
    let is_date = |text: &str| Period::of(text, 1, true).is_some();
    let plain = text.trim().trim_end_matches(['*', '-', '/', '.', '?']);
    let days = plain.replacen(['/', '.'], "-", 2);
    if let Some(period) = [plain, &days].into_iter().find(|text| is_date(text)) {
        // The one with blanks is an instant.
        let quoted = period.len() > "2024-05-01".len();
        return Some(format!("{name}:{}", if quoted { in_quotes(period) } else { period.to_owned() }));
    }
    ["Z", ":00Z"].into_iter().map(|zone| format!("{plain}{zone}")).find(|text| is_date(text)).map(|instant| {
        format!("{name}:{} for UTC, or with an offset such as +02:00 in place of Z", in_quotes(&instant))
    })
}

/// Nothing of text can be asked of dates.
pub(super) fn no_words(place: Place<'_>, leaf: &Leaf, target: Target<'_>, value: &Value) -> Error {
    let name = target.name();
    let why = format!("`{name}` holds dates, which have no words that could begin so");
    let way = mended(&name, &value.text).unwrap_or_else(|| format!("{name}:2024-05"));
    place
        .error(&leaf.span, &why)
        .expected("a day, month, year or instant")
        .got(format!("{:?}", shown(&value.text)))
        .hint(format!("a whole day, month or year is a value: write {way}"))
}
