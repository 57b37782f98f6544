//! Hits of a batch as an Arrow table: a row for each hit.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::ffi_stream::FFI_ArrowArrayStream;
use arrow_array::{
    ArrayRef, BooleanArray, Float32Array, Float64Array, Int64Array, RecordBatch, RecordBatchIterator,
    StringArray, UInt32Array,
};
use arrow_schema::{ArrowError, Field, Schema};
use serde_json::Value;
use uncsm_index::Error;
use uncsm_index::search::{Hit, LegScore, Response};

/// The leg of keywords; the other one is that of the media parts.
const KEYWORD: &str = "keyword";

/// `(position of the query, hit)` of all responses.
type Row<'a> = (u32, &'a Hit);

/// The hits of `responses`; a query that failed has none.
///
/// Columns: `query`, `rank`, `id`, `index` where several are searched, `score`, `probability`, score and rank of both legs, media
/// type and position of the best item, and `field.NAME` for each stored field: strings, integers, numbers or booleans where all
/// values are of one type, else JSON.
pub(crate) fn stream(responses: &[Result<Response, Error>]) -> Result<FFI_ArrowArrayStream, ArrowError> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (at, response) in responses.iter().enumerate() {
        if let Ok(response) = response {
            rows.extend(response.hits.iter().map(|hit| (at as u32, hit)));
        }
    }
    let batch = table(&rows)?;
    let schema = batch.schema();
    Ok(FFI_ArrowArrayStream::new(Box::new(RecordBatchIterator::new([Ok(batch)], schema))))
}

fn table(rows: &[Row<'_>]) -> Result<RecordBatch, ArrowError> {
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    let mut push = |name: &str, array: ArrayRef| columns.push((name.to_owned(), array));
    let hits = || rows.iter().map(|(_, hit)| *hit);
    push("query", Arc::new(UInt32Array::from_iter_values(rows.iter().map(|(query, _)| *query))));
    push("rank", Arc::new(UInt32Array::from_iter_values(hits().map(|hit| hit.rank as u32))));
    push("id", Arc::new(StringArray::from_iter(hits().map(|hit| hit.id.as_deref()))));
    if hits().any(|hit| hit.index.is_some()) {
        push(
            "index",
            Arc::new(UInt32Array::from_iter(hits().map(|hit| hit.index.map(|index| index as u32)))),
        );
    }
    push("score", Arc::new(Float32Array::from_iter_values(hits().map(|hit| hit.score))));
    push("probability", Arc::new(Float32Array::from_iter(hits().map(|hit| hit.probability))));
    for (name, is_keyword) in [(KEYWORD, true), ("media", false)] {
        let leg = |hit: &Hit| -> Option<LegScore> {
            hit.legs.iter().find(|(leg, _)| (**leg == KEYWORD) == is_keyword).map(|(_, score)| *score)
        };
        let score = hits().map(|hit| leg(hit).and_then(|leg| leg.score));
        push(&format!("{name}_score"), Arc::new(Float32Array::from_iter(score)));
        let rank = hits().map(|hit| leg(hit).and_then(|leg| leg.rank).map(|rank| rank as u32));
        push(&format!("{name}_rank"), Arc::new(UInt32Array::from_iter(rank)));
    }
    push(
        "item_media",
        Arc::new(StringArray::from_iter(hits().map(|hit| Some(hit.items.first()?.media.as_str())))),
    );
    push("item_index", Arc::new(UInt32Array::from_iter(hits().map(|hit| Some(hit.items.first()?.index)))));
    let mut fields: BTreeMap<&str, Vec<Option<&Value>>> = BTreeMap::new();
    for (at, hit) in hits().enumerate() {
        for (name, value) in &hit.fields {
            fields.entry(name).or_insert_with(|| vec![None; rows.len()])[at] = Some(value);
        }
    }
    for (name, values) in &fields {
        push(&format!("field.{name}"), column(values));
    }
    let field = |(name, array): &(String, ArrayRef)| Field::new(name, array.data_type().clone(), true);
    let schema = Schema::new(columns.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), columns.into_iter().map(|(_, array)| array).collect())
}

/// Values of one field, of the narrowest type that has them all.
fn column(values: &[Option<&Value>]) -> ArrayRef {
    let all = |is: fn(&Value) -> bool| values.iter().flatten().all(|value| is(value));
    let each = || values.iter().copied();
    if all(Value::is_string) {
        Arc::new(StringArray::from_iter(each().map(|value| value?.as_str())))
    } else if all(Value::is_boolean) {
        Arc::new(BooleanArray::from_iter(each().map(|value| value?.as_bool())))
    } else if all(Value::is_i64) {
        Arc::new(Int64Array::from_iter(each().map(|value| value?.as_i64())))
    } else if all(Value::is_number) {
        Arc::new(Float64Array::from_iter(each().map(|value| value?.as_f64())))
    } else {
        Arc::new(StringArray::from_iter(each().map(|value| Some(value?.to_string()))))
    }
}
