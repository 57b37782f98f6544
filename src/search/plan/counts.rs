//! What is counted over the matches: facets, and aggregations in tantivy's JSON form, checked before anything runs.

use serde_json::{Value, json};
use tantivy::aggregation::agg_req::Aggregations;

use super::aggregations::{ASKED, prepare};
use super::asked::{Asked, FacetsOver};
use super::columns::facet_column;
use crate::error::{Error, ErrorCode, Result};
use crate::search::view::View;

/// Most values of one facet that are counted; more is an error, not a count that is off.
pub(crate) const MAX_VALUES: usize = 65_000;

/// What stands before the names of facets.
pub(crate) const FACET: &str = "facet:";

/// What is to be counted, and over which documents.
pub(crate) struct Counts {
    /// By name asked for: the column.
    pub(crate) facets: Vec<(String, String)>,
    /// Facets by [`FACET`] and name, and what was asked for by [`ASKED`] and name; `None` without any.
    pub(crate) all: Option<Aggregations>,
    /// Whether aggregations were asked for, be it none.
    pub(crate) has_aggregations: bool,
    pub(crate) over: FacetsOver,
}

impl Counts {
    /// # Errors
    /// [`ErrorCode::UnknownField`]; [`ErrorCode::BadArgument`] for a field without a column, or aggregations that do not
    /// parse.
    pub(super) fn new(view: &View, asked: &Asked) -> Result<Self> {
        let shards = &*view.shards;
        let column = |name: &String| Ok((name.clone(), facet_column(shards.schema(), name)?));
        let facets: Vec<(String, String)> = asked.facets.iter().map(column).collect::<Result<_>>()?;
        let mut all = serde_json::Map::new();
        if let Some(asked) = &asked.aggregations {
            let Value::Object(asked) = asked else {
                return Err(Error::new(ErrorCode::BadArgument, "aggregations are no JSON object").hint(
                    r#"for example {"sizes":{"range":{"field":"size","ranges":[{"to":10},{"from":10}]}}}"#,
                ));
            };
            view.check_listed(&Value::Object(asked.clone()))?;
            all.extend(asked.iter().map(|(name, value)| (format!("{ASKED}{name}"), value.clone())));
        }
        for (name, column) in &facets {
            // One more than may be: enough to see that there are too many.
            let size = MAX_VALUES + 1;
            let terms = json!({ "terms": { "field": column, "size": size, "segment_size": size } });
            all.insert(format!("{FACET}{name}"), terms);
        }
        let (has_aggregations, over) = (asked.aggregations.is_some(), asked.facets_over);
        if all.is_empty() {
            return Ok(Self { facets, all: None, has_aggregations, over });
        }
        let mut all: Aggregations = serde_json::from_value(Value::Object(all)).map_err(|e| {
            Error::new(ErrorCode::BadArgument, format!("the aggregations do not parse: {e}"))
                .hint("they have the JSON form of tantivy's aggregations, which is Elasticsearch's")
                .source(e)
        })?;
        prepare(shards, &mut all)?;
        Ok(Self { facets, all: Some(all), has_aggregations, over })
    }
}
