//! Turns a stored tantivy document back into JSON fields.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tantivy::TantivyDocument;
use tantivy::schema::document::OwnedValue;
use tantivy::schema::{Field, FieldType, Schema};

use super::spec::EXACT_END;

/// The stored fields of a hit in order of name: without the field of ids `id` and custom fields, and with a list where a
/// field has several values. Dates of this crate's fields are the strings that were given.
///
/// For an index of this crate, [`FieldMap::stored_fields`](super::fields::FieldMap::stored_fields) also keeps lists of one.
pub fn stored_fields(document: &TantivyDocument, schema: &Schema, id: &str) -> Map<String, Value> {
    let id = schema.get_field(id).ok();
    collect(document, schema, &|field| Some(field) == id, &|_| false)
}

pub(crate) fn collect(
    document: &TantivyDocument,
    schema: &Schema,
    is_hidden: &dyn Fn(Field) -> bool,
    multi: &dyn Fn(&str) -> bool,
) -> Map<String, Value> {
    let mut fields: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (field, value) in document.field_values() {
        let entry = schema.get_field_entry(field);
        if is_hidden(field) || !entry.is_stored() || matches!(entry.field_type(), FieldType::Custom(..)) {
            continue;
        }
        let value = match OwnedValue::from(value) {
            OwnedValue::Str(text) => Value::String(text),
            // The values that this crate stores all have a JSON form; what an app's own index adds and has none is null.
            other => serde_json::to_value(other).unwrap_or(Value::Null),
        };
        fields.entry(shown_name(schema, field)).or_default().push(value);
    }
    let shape = |(name, mut values): (&str, Vec<Value>)| {
        let value = match values.pop() {
            Some(only) if values.is_empty() && !multi(name) => only,
            last => {
                values.extend(last);
                Value::Array(values)
            }
        };
        (name.to_owned(), value)
    };
    fields.into_iter().map(shape).collect()
}

/// The name under which hits show the stored values of `field`: the exact twin of a date field has those of the date.
pub(crate) fn shown_name(schema: &Schema, field: Field) -> &str {
    let name = schema.get_field_name(field);
    let base = name.strip_suffix(EXACT_END).filter(|base| {
        schema.get_field(base).is_ok_and(|base| {
            let base = schema.get_field_entry(base);
            matches!(base.field_type(), FieldType::Date(_)) && !base.is_stored()
        })
    });
    base.unwrap_or(name)
}
