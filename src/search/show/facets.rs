//! Counts over what matches, or over what is ranked.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::Serialize;
use serde_json::Value;
use tantivy::aggregation::{AggregationError, AggregationLimitsGuard};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::query::Query;
use tantivy::schema::{Facet, FieldType};
use tantivy::{DocId, TantivyError};

use super::joined::Joined;
use super::periods::{self, PeriodCollector};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::search::legs::{Ranking, both, query_of};
use crate::search::plan::Plan;
use crate::search::plan::aggregations::ASKED;
use crate::search::plan::asked::FacetsOver;
use crate::search::plan::counts::{FACET, Facet as Asked, MAX_VALUES};
use crate::search::view::shard::{Shard, Shards};

/// Bytes that counting may take unless a request says otherwise: what the host grants by itself.
const MEMORY: u64 = 500_000_000;

/// Bytes that a value of JSON takes for one of its text: two entries, with their names, for a bucket of some 40.
const VALUE_BYTES: u64 = 8;

/// A value of a facet.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct FacetCount {
    /// The value, as the column holds it.
    pub value: Value,
    /// Documents that have it.
    pub count: u64,
}

/// Facets by name, and the results of aggregations.
pub(super) type Counted = (BTreeMap<String, Vec<FacetCount>>, Option<Value>);

/// Counts what the plan says, in all shards together.
pub(super) fn count(plan: &Plan, ranking: &Ranking) -> Result<Counted> {
    let (counts, shards) = (&plan.counts, &plan.view.shards);
    if counts.facets.is_empty() && counts.all.is_none() {
        return Ok((BTreeMap::new(), None));
    }
    let query = both(plan.keywords.as_deref(), plan.filter.as_deref());
    let mut facets = periods(plan, ranking, &query)?;
    let Some(all) = &counts.all else { return Ok((facets, None)) };
    let mut joined = Joined::new(all, counts.most.unwrap_or(MEMORY));
    let mut ranked = match counts.over {
        FacetsOver::Matches => BTreeMap::new(),
        FacetsOver::Hits => by_segment(shards, ranking),
    };
    for (at, shard) in shards.iter().enumerate() {
        match counts.over {
            FacetsOver::Matches => joined.matching(shard, query_of(&query))?,
            FacetsOver::Hits => joined.ranked(shard, ranked.remove(&at).unwrap_or_default())?,
        }
    }
    let limits = AggregationLimitsGuard::new(None, Some(u32::MAX));
    let results = joined.into_results().into_final_result(all.clone(), limits).map_err(not_run)?;
    if let Some(most) = counts.most {
        check_length(&results, most / VALUE_BYTES)?;
    }
    let results = serde_json::to_value(results).map_err(not_written)?;
    let schema = shards.schema();
    for Asked { name, column, .. } in counts.facets.iter().filter(|facet| facet.by.is_none()) {
        let mut counted = values(name, &results[format!("{FACET}{name}")])?;
        let field = schema.get_field(column).map(|field| schema.get_field_entry(field).field_type());
        if matches!(field, Ok(FieldType::Facet(_))) {
            counted.iter_mut().for_each(as_path);
        }
        facets.insert(name.clone(), counted);
    }
    let asked: serde_json::Map<String, Value> = results
        .as_object()
        .into_iter()
        .flatten()
        .filter_map(|(name, value)| Some((name.strip_prefix(ASKED)?.to_owned(), value.clone())))
        .collect();
    Ok((facets, counts.has_aggregations.then_some(Value::Object(asked))))
}

fn not_written(e: serde_json::Error) -> Error {
    Error::new(ErrorCode::BadValue, format!("aggregations: {e}")).source(e)
}

/// A text that is counted and not kept, up to a length.
struct Counter {
    length: u64,
    most: u64,
}

impl Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len() as u64;
        if self.length > self.most { Err(io::ErrorKind::FileTooLarge.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Refuses a result that is longer as JSON, before it is made into values.
fn check_length(results: &impl Serialize, most: u64) -> Result<()> {
    match serde_json::to_writer(Counter { length: 0, most }, results) {
        Err(e) if e.is_io() => Err(too_much("the result of facets and aggregations is too long", most)),
        written => written.map_err(not_written),
    }
}

/// What is too much is not said: it may hang on documents that a required filter hides.
fn too_much(what: &str, most: u64) -> Error {
    Error::new(ErrorCode::TooLarge, what).expected(format!("at most {most} bytes")).hint(
        Hint::new("narrow it down with")
            .setting(Setting::Filter)
            .text(", or ask for fewer values or aggregations"),
    )
}

/// What tantivy refuses of the request itself is the asker's; all else is told as of the index.
pub(super) fn not_run(e: TantivyError) -> Error {
    use TantivyError as T;
    match &e {
        T::AggregationError(AggregationError::MemoryExceeded { limit, .. }) => {
            too_much("facets and aggregations take too much memory", limit.get_bytes())
        }
        T::AggregationError(AggregationError::InternalError(_)) => e.into(),
        T::AggregationError(_) | T::InvalidArgument(_) | T::SchemaError(_) | T::FieldNotFound(_) => {
            Error::new(ErrorCode::BadArgument, format!("the aggregations do not run: {e}")).source(e)
        }
        _ => e.into(),
    }
}

/// The facets of dates by day, month or year.
fn periods(
    plan: &Plan,
    ranking: &Ranking,
    query: &Option<Box<dyn Query>>,
) -> Result<BTreeMap<String, Vec<FacetCount>>> {
    let (counts, shards) = (&plan.counts, &plan.view.shards);
    let mut facets = BTreeMap::new();
    for Asked { name, column, by } in &counts.facets {
        let Some(unit) = *by else { continue };
        let collector = PeriodCollector { column, unit };
        let mut all = BTreeMap::new();
        let mut ranked = match counts.over {
            FacetsOver::Matches => BTreeMap::new(),
            FacetsOver::Hits => by_segment(shards, ranking),
        };
        for (at, shard) in shards.iter().enumerate() {
            let part = match counts.over {
                FacetsOver::Matches => shard.searcher.search(query_of(query), &collector)?,
                FacetsOver::Hits => over(shard, &collector, ranked.remove(&at).unwrap_or_default())?,
            };
            periods::add(&mut all, part);
        }
        let count = |(period, count)| FacetCount { value: unit.name(period).into(), count };
        facets.insert(name.clone(), ordered(name, all.into_iter().map(count).collect())?);
    }
    Ok(facets)
}

/// Documents by segment of one shard, in ascending order.
pub(super) type BySegment = BTreeMap<u32, Vec<DocId>>;

/// The ranked documents by position of their shard.
fn by_segment(shards: &Shards, ranking: &Ranking) -> BTreeMap<usize, BySegment> {
    let mut out: BTreeMap<usize, BySegment> = BTreeMap::new();
    for fused in &ranking.docs {
        let (at, _, inside) = shards.at(fused.doc.address);
        out.entry(at).or_default().entry(inside.segment_ord).or_default().push(inside.doc_id);
    }
    for docs in out.values_mut().flat_map(BTreeMap::values_mut) {
        docs.sort_unstable();
    }
    out
}

/// The fruit of `collector` over these documents of one shard.
fn over<C: Collector>(shard: &Shard, collector: &C, docs: BySegment) -> tantivy::Result<C::Fruit> {
    let mut fruits = Vec::with_capacity(docs.len());
    for (segment, docs) in docs {
        let mut child = collector.for_segment(segment, shard.searcher.segment_reader(segment))?;
        for doc in docs {
            child.collect(doc, 0.0);
        }
        fruits.push(child.harvest());
    }
    collector.merge_fruits(fruits)
}

fn values(name: &str, terms: &Value) -> Result<Vec<FacetCount>> {
    let buckets = terms["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |bucket: &Value| FacetCount {
        value: bucket.get("key_as_string").unwrap_or(&bucket["key"]).clone(),
        count: bucket["doc_count"].as_u64().unwrap_or_default(),
    };
    ordered(name, buckets.iter().map(count).collect())
}

/// The values with most documents first.
fn ordered(name: &str, mut counts: Vec<FacetCount>) -> Result<Vec<FacetCount>> {
    if counts.len() > MAX_VALUES {
        return Err(Error::new(ErrorCode::TooLarge, format!("the facet `{name}` has too many values"))
            .expected(format!("at most {MAX_VALUES}"))
            .hint(Hint::new("narrow it down with").setting(Setting::Filter)));
    }
    counts.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| order(&a.value, &b.value)));
    Ok(counts)
}

/// A value of the host's own facets as it was added: `/news/local`, where the column has `news`, a zero byte, `local`.
fn as_path(count: &mut FacetCount) {
    if let Value::String(encoded) = &count.value
        && let Ok(facet) = Facet::from_encoded(encoded.as_bytes().to_vec())
    {
        count.value = Value::String(facet.to_path_string());
    }
}

/// Values of one column: numbers among themselves, strings by their bytes.
fn order(a: &Value, b: &Value) -> std::cmp::Ordering {
    match (a.as_f64(), b.as_f64()) {
        (Some(a), Some(b)) => a.total_cmp(&b),
        _ => a.as_str().cmp(&b.as_str()),
    }
}
