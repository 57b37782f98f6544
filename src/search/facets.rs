//! Counts over what matches, or over what is ranked: facets, and aggregations in tantivy's JSON form.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};
use tantivy::DocId;
use tantivy::aggregation::agg_req::Aggregations;
use tantivy::aggregation::intermediate_agg_result::IntermediateAggregationResults;
use tantivy::aggregation::{AggContextParams, AggregationLimitsGuard, DistributedAggregationCollector};
use tantivy::collector::{Collector, SegmentCollector};
use tantivy::schema::{Facet, FieldType};

use super::aggregations::prepare;
use super::columns::facet_column;
use super::legs::{Ranking, both, query_of};
use super::plan::Plan;
use super::request::Request;
use super::shard::Shard;
use crate::error::{Error, ErrorCode, Result};

/// Most values of one facet that are counted; more is an error, not a count that is off.
const MAX_VALUES: usize = 65_000;

/// What stands before the names of aggregations that were asked for.
pub(super) const ASKED: &str = "asked:";

/// Which documents facets and aggregations count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FacetsOver {
    /// Those that filter and keywords let through, whatever media parts say: [`Response::matched`](super::Response) of them.
    #[default]
    Matches,
    /// Those that are ranked: the best documents of each leg, as many as the window, which is what hits can be paged through.
    Hits,
}

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
        let column = |name: &String| Ok((name.clone(), facet_column(schema, name)?));
        let facets: Vec<(String, String)> = request.facets.iter().map(column).collect::<Result<_>>()?;
        let mut all = serde_json::Map::new();
        if let Some(asked) = &request.aggregations {
            let Value::Object(asked) = asked else {
                return Err(Error::new(ErrorCode::BadArgument, "aggregations are no JSON object").hint(
                    r#"for example {"sizes":{"range":{"field":"size","ranges":[{"to":10},{"from":10}]}}}"#,
                ));
            };
            all.extend(asked.iter().map(|(name, value)| (format!("{ASKED}{name}"), value.clone())));
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
        let mut all: Aggregations = serde_json::from_value(Value::Object(all)).map_err(|e| {
            Error::new(ErrorCode::BadArgument, format!("the aggregations do not parse: {e}"))
                .hint("they have the JSON form of tantivy's aggregations, which is Elasticsearch's")
                .source(e)
        })?;
        prepare(&request.engine.shards, &mut all)?;
        Ok(Self { facets, all: Some(all) })
    }

    /// Counts over what the request says, in all shards together.
    pub(super) fn count(&self, request: &Request<'_>, plan: &Plan, ranking: &Ranking) -> Result<Counted> {
        let Some(all) = &self.all else { return Ok((BTreeMap::new(), None)) };
        let bad = |e: tantivy::TantivyError| {
            Error::new(ErrorCode::BadArgument, format!("the aggregations do not run: {e}")).source(e)
        };
        let query = both(plan.keywords.as_deref(), plan.filter.as_deref());
        // Too many values are an error of their facet, below; tantivy's own limit is for all together.
        let limits = AggregationLimitsGuard::new(None, Some(u32::MAX));
        let mut joined = IntermediateAggregationResults::default();
        let mut ranked = match request.facets_over {
            FacetsOver::Matches => BTreeMap::new(),
            FacetsOver::Hits => by_segment(request, ranking),
        };
        for (at, shard) in request.engine.shards.iter().enumerate() {
            let context = AggContextParams::new(limits.clone(), shard.tantivy.tokenizers().clone());
            let collector = DistributedAggregationCollector::from_aggs(all.clone(), context);
            let part = match request.facets_over {
                FacetsOver::Matches => shard.searcher.search(query_of(&query), &collector),
                FacetsOver::Hits => over(shard, &collector, ranked.remove(&at).unwrap_or_default()),
            };
            joined.merge_fruits(part.map_err(bad)?).map_err(bad)?;
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
            .filter_map(|(name, value)| Some((name.strip_prefix(ASKED)?.to_owned(), value.clone())))
            .collect();
        Ok((facets, request.aggregations.as_ref().map(|_| Value::Object(asked))))
    }
}

/// Documents by segment of one shard, in ascending order.
type BySegment = BTreeMap<u32, Vec<DocId>>;

/// The ranked documents by position of their shard.
fn by_segment(request: &Request<'_>, ranking: &Ranking) -> BTreeMap<usize, BySegment> {
    let mut out: BTreeMap<usize, BySegment> = BTreeMap::new();
    for fused in &ranking.docs {
        let (at, _, inside) = request.engine.shards.at(fused.doc.address);
        out.entry(at).or_default().entry(inside.segment_ord).or_default().push(inside.doc_id);
    }
    for docs in out.values_mut().flat_map(BTreeMap::values_mut) {
        docs.sort_unstable();
    }
    out
}

/// The fruit of `collector` over these documents of one shard.
fn over<C: Collector>(shard: &Shard<'_>, collector: &C, docs: BySegment) -> tantivy::Result<C::Fruit> {
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
