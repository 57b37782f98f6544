//! What is counted over the matches: facets, and aggregations in tantivy's JSON form, checked before anything runs.

use serde_json::{Value, json};
use tantivy::aggregation::agg_req::Aggregations;
use tantivy::schema::Schema;

use super::aggregations::{ASKED, prepare};
use super::asked::{Asked, FacetsOver};
use super::columns::{check, facet_column, is_date};
use crate::error::{Error, ErrorCode, Result};
use crate::schema::date::Unit;
use crate::search::grammar::unknown_field;
use crate::search::view::View;

/// Most values of one facet that are counted; more is an error, not a count that is off.
pub(crate) const MAX_VALUES: usize = 65_000;

/// What stands before the names of facets.
pub(crate) const FACET: &str = "facet:";

/// A field whose values are counted.
pub(crate) struct Facet {
    /// As it was asked for.
    pub(crate) name: String,
    pub(crate) column: String,
    /// The periods in which dates are counted; `None` for each value.
    pub(crate) by: Option<Unit>,
}

impl Facet {
    /// `FIELD`, or `FIELD:day`, `FIELD:month` or `FIELD:year` of dates.
    ///
    /// # Errors
    /// Those of [`facet_column`]; [`ErrorCode::BadArgument`] for a period of what is no date, or that there is none of.
    fn new(schema: &Schema, name: &str) -> Result<Self> {
        let facet = |column, by| Self { name: name.to_owned(), column, by };
        let Some((field, unit)) = name.rsplit_once(':').filter(|_| schema.get_field(name).is_err()) else {
            return Ok(facet(facet_column(schema, name)?, None));
        };
        let by = Unit::ALL.into_iter().find_map(|(known, by)| (known == unit).then_some(by));
        let error = |what: String| Error::new(ErrorCode::BadArgument, what);
        match by {
            _ if schema.find_field(field).is_none() => Err(unknown_field(schema, field)),
            Some(_) if !is_date(schema, field) => {
                let error = error(format!("the field `{field}` has no {unit}s to count"));
                Err(error.expected("a field of dates").hint(format!("count its values: {field}")))
            }
            None => {
                let error = error(format!("`{field}` cannot be counted by this"));
                Err(error.expected("day, month or year, of a field of dates").got(format!("{unit:?}")))
            }
            Some(by) => {
                check(schema, field)?;
                Ok(facet(field.to_owned(), Some(by)))
            }
        }
    }
}

/// What is to be counted, and over which documents.
pub(crate) struct Counts {
    pub(crate) facets: Vec<Facet>,
    /// Facets of values by [`FACET`] and name, and what was asked for by [`ASKED`] and name; `None` without any.
    pub(crate) all: Option<Aggregations>,
    /// Whether aggregations were asked for, be it none.
    pub(crate) has_aggregations: bool,
    pub(crate) over: FacetsOver,
    /// Bytes that counting may take, where the request says.
    pub(crate) most: Option<u64>,
}

impl Counts {
    /// # Errors
    /// [`ErrorCode::UnknownField`]; [`ErrorCode::BadArgument`] for a field without a column, or aggregations that do not
    /// parse.
    pub(super) fn new(view: &View, asked: &Asked) -> Result<Self> {
        let shards = &*view.shards;
        let facet = |name: &String| Facet::new(shards.schema(), name);
        let facets: Vec<Facet> = asked.facets.iter().map(facet).collect::<Result<_>>()?;
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
        for Facet { name, column, .. } in facets.iter().filter(|facet| facet.by.is_none()) {
            // One more than may be: enough to see that there are too many.
            let size = MAX_VALUES + 1;
            let terms = json!({ "terms": { "field": column, "size": size, "segment_size": size } });
            all.insert(format!("{FACET}{name}"), terms);
        }
        let (has_aggregations, over, most) =
            (asked.aggregations.is_some(), asked.facets_over, asked.max_counting);
        if all.is_empty() {
            return Ok(Self { facets, all: None, has_aggregations, over, most });
        }
        let mut all: Aggregations = serde_json::from_value(Value::Object(all)).map_err(|e| {
            Error::new(ErrorCode::BadArgument, format!("the aggregations do not parse: {e}"))
                .hint("they have the JSON form of tantivy's aggregations, which is Elasticsearch's")
                .source(e)
        })?;
        prepare(view, asked.max_intervals, &mut all)?;
        Ok(Self { facets, all: Some(all), has_aggregations, over, most })
    }
}
