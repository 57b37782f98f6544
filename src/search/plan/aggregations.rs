//! What aggregations ask for, checked before anything runs: for a field that it does not know the host counts nothing.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tantivy::TantivyError;
use tantivy::aggregation::agg_req::{Aggregation, AggregationVariants, Aggregations};
use tantivy::aggregation::bucket::{
    DateHistogramAggregationReq, FilterAggregation, HistogramBounds, QueryBuilder,
};
use tantivy::aggregation::metric::TopHitsAggregationReq;
use tantivy::columnar::DynamicColumn;
use tantivy::query::Query;
use tantivy::schema::{FieldType, Schema};
use tantivy::tokenizer::TokenizerManager;

use super::columns::check;
use crate::error::{Error, ErrorCode, Result};
use crate::search::grammar;
use crate::search::view::View;
use crate::search::view::shard::Shards;

/// What stands before the names of aggregations that were asked for.
pub(crate) const ASKED: &str = "asked:";

/// Most hits of one `top_hits`, those that are passed over included.
const MAX_TOP_HITS: u64 = 10_000;

/// Nanoseconds of a day.
const LONGEST_UNIT: i64 = 86_400_000_000_000;

/// Milliseconds of the units of a date histogram.
const LENGTHS: [(&str, i64); 10] = [
    ("ms", 1),
    ("milliseconds", 1),
    ("s", 1_000),
    ("seconds", 1_000),
    ("m", 60_000),
    ("minutes", 60_000),
    ("h", 3_600_000),
    ("hours", 3_600_000),
    ("d", 86_400_000),
    ("days", 86_400_000),
];

/// Most intervals of a histogram.
const MAX_INTERVALS: f64 = 1e6;

/// Checks every field that `all` names, in sub-aggregations too, and what they ask for; `filter` aggregations become filters
/// as this crate reads them.
///
/// # Errors
/// Those of [`check`], with the name of the aggregation; those of parsing a filter; [`ErrorCode::TooLarge`].
pub(crate) fn prepare(view: &View, most: Option<usize>, all: &mut Aggregations) -> Result<()> {
    let most = most.map_or(f64::INFINITY, |most| most as f64);
    prepare_in(view, &mut Room { most, listed: 0.0 }, 1.0, all)
}

/// The intervals of all histograms together.
struct Room {
    most: f64,
    listed: f64,
}

/// What an aggregation may make.
struct Made {
    /// Intervals that are listed with or without documents.
    listed: f64,
    /// Times that what is inside of it is counted at most.
    buckets: f64,
}

/// [`prepare`] of what is counted up to `times` times.
fn prepare_in(view: &View, room: &mut Room, times: f64, all: &mut Aggregations) -> Result<()> {
    // In order of name, so that of several errors the same one is given every time.
    let mut named: Vec<(&String, &mut Aggregation)> = all.iter_mut().collect();
    named.sort_unstable_by_key(|(name, _)| *name);
    for (name, aggregation) in named {
        let Made { listed, buckets } = prepare_one(view, aggregation)
            .map_err(|error| error.within(format!("the aggregation `{}`", plain(name))))?;
        // Nothing times much is no number.
        room.listed += if listed > 0.0 { listed * times } else { 0.0 };
        if room.listed > room.most {
            return Err(Error::new(ErrorCode::TooLarge, "the histograms have too many intervals")
                .expected(format!("at most {} in all aggregations together", room.most))
                .hint("give a larger `interval`, narrower `hard_bounds`, or `min_doc_count` of 1"));
        }
        prepare_in(view, room, times * buckets, &mut aggregation.sub_aggregation)?;
    }
    Ok(())
}

/// The name that was asked for.
fn plain(name: &str) -> &str {
    name.strip_prefix(ASKED).unwrap_or(name)
}

fn prepare_one(view: &View, aggregation: &mut Aggregation) -> Result<Made> {
    let shards = &*view.shards;
    let schema = shards.schema();
    match &mut aggregation.agg {
        AggregationVariants::Filter(filter) => {
            // It has one form that can be written down, a string.
            let written = json(filter);
            let query = grammar::parse(
                &shards.first().tantivy,
                grammar::Mode::Filter,
                written.as_str().unwrap_or_default(),
            )?;
            *filter = FilterAggregation::new_with_builder(Box::new(Parsed { query: Some(query.into()) }));
            Ok(Made { listed: 0.0, buckets: 1.0 })
        }
        AggregationVariants::TopHits(top) => {
            check_top_hits(shards, top)?;
            Ok(Made { listed: 0.0, buckets: 1.0 })
        }
        AggregationVariants::Histogram(histogram) => {
            check(schema, &histogram.field)?;
            let bounds = [histogram.extended_bounds, histogram.hard_bounds];
            check_intervals(view, &histogram.field, histogram.interval, histogram.min_doc_count, bounds)
        }
        AggregationVariants::DateHistogram(histogram) => {
            check(schema, &histogram.field)?;
            check_date_histogram(view, histogram)
        }
        other => {
            other.get_fast_field_names().into_iter().try_for_each(|name| check(schema, name))?;
            let asked = json(other);
            let sizes = asked.as_object().into_iter().flat_map(|object| object.values());
            // Of ranges each, what is below and what is above; of values ten unless it says more.
            let size = |asked: &Value| match asked["ranges"].as_array() {
                Some(ranges) => 2 * ranges.len() as u64 + 1,
                None => asked["size"].as_u64().unwrap_or(10),
            };
            let buckets = sizes.map(size).max().unwrap_or(1).max(1);
            Ok(Made { listed: 0.0, buckets: buckets as f64 })
        }
    }
}

/// What was asked, as it is written.
fn json(asked: &impl Serialize) -> Value {
    // It came out of JSON.
    serde_json::to_value(asked).unwrap_or_default()
}

/// The query of a `filter` aggregation. The host's own parser drops clauses that give no term, so that it counts more.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Parsed {
    #[serde(skip)]
    query: Option<Arc<dyn Query>>,
}

/// The last two are the trait's way to write a builder down, which nobody asks for here.
impl QueryBuilder for Parsed {
    fn build_query(&self, _: &Schema, _: &TokenizerManager) -> tantivy::Result<Box<dyn Query>> {
        let query = self.query.as_ref().map(|query| query.box_clone());
        query.ok_or_else(|| TantivyError::InvalidArgument("a filter without its query".into()))
    }

    fn box_clone(&self) -> Box<dyn QueryBuilder> {
        Box::new(self.clone())
    }

    fn typetag_name(&self) -> &'static str {
        "parsed"
    }

    fn typetag_deserialize(&self) {}
}

/// The host takes memory for as many hits as are asked for, and panics where a name fits no column.
fn check_top_hits(shards: &Shards, top: &TopHitsAggregationReq) -> Result<()> {
    let schema = shards.schema();
    let asked = json(top);
    let hits = ["size", "from"].map(|key| asked[key].as_u64().unwrap_or(0));
    let hits = hits[0].saturating_add(hits[1]);
    if hits > MAX_TOP_HITS {
        return Err(Error::new(ErrorCode::TooLarge, "`top_hits` asks for too many hits")
            .expected(format!("at most {MAX_TOP_HITS}, `from` included"))
            .got(hits));
    }
    let shown = top.value_field_names();
    for name in top.field_names() {
        if name.contains('*') && shown.contains(&name) {
            check_glob(schema, name)?;
        } else {
            check(schema, name)?;
            check_everywhere(shards, name)?;
        }
    }
    Ok(())
}

/// The host lists every interval between the least and the greatest value, with or without documents.
///
/// Under a required filter the bounds alone say how many: else whether there is an error would hang on hidden documents.
fn check_intervals(
    view: &View,
    field: &str,
    interval: f64,
    min_doc_count: Option<u64>,
    [extended, hard]: [Option<HistogramBounds>; 2],
) -> Result<Made> {
    if min_doc_count.is_some_and(|least| least > 0) {
        return Ok(Made { listed: 0.0, buckets: MAX_INTERVALS });
    }
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    let mut reach = |from: f64, to: f64| (low, high) = (low.min(from), high.max(to));
    let hides = view.required.is_some();
    match hard {
        Some(bounds) if hides => reach(bounds.min, bounds.max),
        None if hides => {
            let what = "under a required filter a histogram needs `hard_bounds` or `min_doc_count` of 1";
            return Err(Error::new(ErrorCode::BadArgument, what)
                .expected("`hard_bounds` with `min` and `max`")
                .hint("intervals without documents are listed between the bounds alone"));
        }
        _ => {}
    }
    for shard in view.shards.iter().filter(|_| !hides) {
        for reader in shard.searcher.segment_readers() {
            for handle in reader.fast_fields().dynamic_column_handles(field)? {
                match handle.open().map_err(|e| Error::new(ErrorCode::Damaged, e.to_string()).source(e))? {
                    DynamicColumn::I64(column) => reach(column.min_value() as f64, column.max_value() as f64),
                    DynamicColumn::U64(column) => reach(column.min_value() as f64, column.max_value() as f64),
                    DynamicColumn::F64(column) => reach(column.min_value(), column.max_value()),
                    // The host counts the interval in milliseconds.
                    DynamicColumn::DateTime(column) => {
                        let millis = |date: tantivy::DateTime| date.into_timestamp_millis() as f64;
                        reach(millis(column.min_value()), millis(column.max_value()));
                    }
                    _ => {}
                }
            }
        }
    }
    if let Some(bounds) = extended {
        reach(bounds.min, bounds.max);
    }
    if let Some(bounds) = hard {
        (low, high) = (low.max(bounds.min), high.min(bounds.max));
    }
    let intervals = (high - low) / interval;
    if interval > 0.0 && intervals > MAX_INTERVALS {
        let error = Error::new(ErrorCode::TooLarge, "a histogram has too many intervals")
            .expected(format!("at most {MAX_INTERVALS} between the least and the greatest value"));
        let error = if hides { error } else { error.got(format!("{intervals:.0}")) };
        return Err(error.hint("give a larger `interval`, `hard_bounds`, or `min_doc_count` of 1"));
    }
    // One at each end; without values there is none.
    let listed = if interval > 0.0 && intervals >= 0.0 { intervals.floor() + 2.0 } else { 0.0 };
    Ok(Made { listed, buckets: listed })
}

/// The host multiplies lengths and units without a look, and knows no months.
fn check_date_histogram(view: &View, histogram: &DateHistogramAggregationReq) -> Result<Made> {
    let field = &histogram.field;
    if let Some(interval) = &histogram.calendar_interval {
        return Err(Error::new(ErrorCode::BadArgument, "a date histogram has intervals of one length")
            .expected("`fixed_interval`, such as 7d, 12h, 30m, 10s or 500ms")
            .got(format!("`calendar_interval` {interval:?}"))
            .hint(format!("days, months and years are counted by the facet {field}:month")));
    }
    let mut interval = 0;
    for (name, given) in [("fixed_interval", &histogram.fixed_interval), ("offset", &histogram.offset)] {
        let Some(given) = given else { continue };
        let bare = if name == "offset" { given.trim_start_matches(['+', '-']) } else { given };
        let digits = bare.len() - bare.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        // A unit that there is none of is the host's error.
        let nanos = LONGEST_UNIT.checked_mul(bare[..digits].parse().unwrap_or(i64::MAX));
        if digits > 0 && nanos.is_none() {
            return Err(Error::new(ErrorCode::TooLarge, format!("`{name}` of a date histogram is too long"))
                .expected(format!("at most {} days", i64::MAX / LONGEST_UNIT))
                .got(given));
        }
        let millis =
            LENGTHS.iter().find(|(unit, _)| *unit == &bare[digits..]).map_or(0, |(_, millis)| *millis);
        if name == "fixed_interval" {
            interval = millis * bare[..digits].parse().unwrap_or(0);
        }
    }
    let bounds = [histogram.extended_bounds, histogram.hard_bounds];
    check_intervals(view, field, interval as f64, histogram.min_doc_count, bounds)
}

/// A pattern of `top_hits` must find a column in every segment, else the host panics: those of fields are there always.
fn check_glob(schema: &Schema, pattern: &str) -> Result<()> {
    let is_plain = |kind: &FieldType| !matches!(kind, FieldType::JsonObject(_));
    let mut columns = schema
        .fields()
        .map(|(_, entry)| entry)
        .filter(|entry| entry.is_fast() && is_plain(entry.field_type()));
    if columns.any(|entry| matches(pattern, entry.name())) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::UnknownField, "no field with a column fits a pattern of `top_hits`")
        .got(pattern))
}

/// Whether `name` fits `pattern`, where a star stands for one character or more, as it does for the host.
fn matches(pattern: &str, name: &str) -> bool {
    // Each part between two stars as early as it can be: another place would leave less for the parts after it.
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(first) else { return false };
    let mut parts = rest.split('*').peekable();
    while let Some(part) = parts.next() {
        // The one character that the star takes at least.
        let Some(one) = name.chars().next() else { return false };
        let after = &name[one.len_utf8()..];
        if parts.peek().is_none() {
            return after.ends_with(part);
        }
        let Some(at) = after.find(part) else { return false };
        name = &after[at + part.len()..];
    }
    true
}

/// A path into a JSON field has a column in those segments alone that have values of it, and `top_hits` panics in others.
fn check_everywhere(shards: &Shards, name: &str) -> Result<()> {
    for shard in shards.iter() {
        for reader in shard.searcher.segment_readers() {
            if reader.fast_fields().dynamic_column_handles(name)?.is_empty() {
                return Err(Error::new(
                    ErrorCode::BadArgument,
                    format!("`top_hits` cannot take `{name}`, which a part of the index has no value of"),
                )
                .hint("name a field of its own"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_one_character_or_more() {
        for (pattern, name, fits) in [
            ("si*", "size", true),
            ("size*", "size", false),
            ("*e", "size", true),
            ("s*z*", "size", true),
            ("*", "", false),
            ("*", "é", true),
            ("k*t", "kind_exact", true),
            ("k*x", "kind_exact", false),
            ("*a*a*b", "xaxaab", true),
            ("*a*a*b", "aaaab", false),
            ("*a*a*b", "aaaaab", true),
            ("**", "é", false),
            ("a*", "b", false),
            (&*format!("{}b", "*a".repeat(60)), &*"xa".repeat(100), false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
