//! Counts over all matches: facets, and aggregations in tantivy's JSON form.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use tantivy::aggregation::agg_req::Aggregations;
use tantivy::aggregation::intermediate_agg_result::IntermediateAggregationResults;
use tantivy::aggregation::{AggContextParams, AggregationLimitsGuard, DistributedAggregationCollector};
use tantivy::schema::{Facet, FieldType, Schema};

use super::grammar::unknown_field;
use super::legs::{both, query_of};
use super::plan::Plan;
use super::request::Request;
use crate::corpus::exact_name;
use crate::error::{Error, ErrorCode, Result};

/// Most values of one facet that are counted; more is an error, not a count that is off.
const MAX_VALUES: usize = 65_000;

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

/// What is to be counted, checked.
pub(super) struct Wanted {
    /// By name asked for: the column.
    facets: Vec<(String, String)>,
    all: Option<Aggregations>,
}

impl Wanted {
    /// # Errors
    /// [`ErrorCode::UnknownField`]; [`ErrorCode::BadArgument`] for a field without a column, or aggregations that do not
    /// parse.
    pub(super) fn new(request: &Request<'_>) -> Result<Self> {
        let schema = request.engine.searcher().schema();
        let column = |name: &String| Ok((name.clone(), fast_column(schema, name)?));
        let facets: Vec<(String, String)> = request.facets.iter().map(column).collect::<Result<_>>()?;
        let mut all = serde_json::Map::new();
        if let Some(asked) = &request.aggregations {
            let Value::Object(asked) = asked else {
                return Err(Error::new(ErrorCode::BadArgument, "aggregations are no JSON object").hint(
                    r#"for example {"sizes":{"range":{"field":"size","ranges":[{"to":10},{"from":10}]}}}"#,
                ));
            };
            all.extend(asked.iter().map(|(name, value)| (format!("asked:{name}"), value.clone())));
        }
        for (name, column) in &facets {
            // One more than may be: enough to see that there are too many.
            let size = MAX_VALUES + 1;
            let terms = json!({ "terms": { "field": column, "size": size, "segment_size": size } });
            all.insert(format!("facet:{name}"), terms);
        }
        if all.is_empty() {
            return Ok(Self { facets, all: None });
        }
        let all = serde_json::from_value(Value::Object(all)).map_err(|e| {
            Error::new(ErrorCode::BadArgument, format!("the aggregations do not parse: {e}"))
                .hint("they have the JSON form of tantivy's aggregations, which is Elasticsearch's")
                .source(e)
        })?;
        Ok(Self { facets, all: Some(all) })
    }

    /// Counts over filter AND keywords, in all shards together.
    pub(super) fn count(&self, request: &Request<'_>, plan: &Plan<'_>) -> Result<Counted> {
        let Some(all) = &self.all else { return Ok((BTreeMap::new(), None)) };
        let bad = |e: tantivy::TantivyError| {
            Error::new(ErrorCode::BadArgument, format!("the aggregations do not run: {e}")).source(e)
        };
        let query = both(plan.keywords.as_deref(), plan.filter.as_deref());
        // Too many values are an error of their facet, below; tantivy's own limit is for all together.
        let limits = AggregationLimitsGuard::new(None, Some(u32::MAX));
        let mut joined = IntermediateAggregationResults::default();
        for shard in request.engine.shards.iter() {
            let context = AggContextParams::new(limits.clone(), shard.tantivy.tokenizers().clone());
            let collector = DistributedAggregationCollector::from_aggs(all.clone(), context);
            let part = shard.searcher.search(query_of(&query), &collector).map_err(bad)?;
            joined.merge_fruits(part).map_err(bad)?;
        }
        let results = joined.into_final_result(all.clone(), limits).map_err(bad)?;
        let results = serde_json::to_value(results)
            .map_err(|e| Error::new(ErrorCode::BadValue, format!("aggregations: {e}")).source(e))?;
        let mut facets = BTreeMap::new();
        let schema = request.engine.searcher().schema();
        for (name, column) in &self.facets {
            let mut counted = counts(name, &results[format!("facet:{name}")])?;
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
            .filter_map(|(name, value)| Some((name.strip_prefix("asked:")?.to_owned(), value.clone())))
            .collect();
        Ok((facets, request.aggregations.as_ref().map(|_| Value::Object(asked))))
    }
}

fn counts(name: &str, terms: &Value) -> Result<Vec<FacetCount>> {
    let buckets = terms["buckets"].as_array().map(Vec::as_slice).unwrap_or_default();
    if buckets.len() > MAX_VALUES {
        return Err(Error::new(ErrorCode::TooLarge, format!("the facet `{name}` has too many values"))
            .expected(format!("at most {MAX_VALUES}"))
            .hint("narrow it down with --filter"));
    }
    let count = |bucket: &Value| FacetCount {
        value: bucket.get("key_as_string").unwrap_or(&bucket["key"]).clone(),
        count: bucket["doc_count"].as_u64().unwrap_or_default(),
    };
    let mut counts: Vec<FacetCount> = buckets.iter().map(count).collect();
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

/// The column that holds the values of `name`.
fn fast_column(schema: &Schema, name: &str) -> Result<String> {
    let is_fast =
        |name: &str| schema.get_field(name).is_ok_and(|field| schema.get_field_entry(field).is_fast());
    let exact = exact_name(name);
    if is_fast(&exact) {
        return Ok(exact);
    }
    if is_fast(name) {
        return Ok(name.to_owned());
    }
    if schema.get_field(name).is_err() {
        return Err(unknown_field(schema, name));
    }
    Err(Error::new(ErrorCode::BadArgument, format!("the field `{name}` has no column to count"))
        .hint("give it `facet = true` or `fast = true` in the schema file when the index is built"))
}
