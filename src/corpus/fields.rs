//! Documents as tantivy documents: the fields of a schema, the exact twins, and `_extra` for the rest.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tantivy::TantivyDocument;
use tantivy::schema::{
    FAST, Field, INDEXED, IndexRecordOption, NumericOptions, OwnedValue, STORED, STRING, Schema,
    SchemaBuilder, TEXT, TextFieldIndexing, TextOptions,
};

use super::document::Document;
use super::schema::{FieldKind, FieldSchema, FieldSpec, MAX_EXACT};
use crate::error::{Error, ErrorCode, Result};

/// Name of the field of ids: a string, indexed, fast and stored.
pub const ID: &str = "id";
/// Name of the JSON field that holds what has no field of its own.
pub const EXTRA: &str = "_extra";

/// Where the keys of a document go.
#[derive(Debug, Clone)]
pub struct FieldMap {
    id: Field,
    extra: Field,
    fields: BTreeMap<String, Target>,
}

#[derive(Debug, Clone)]
struct Target {
    spec: FieldSpec,
    field: Field,
    exact: Option<Field>,
}

/// Adds the fields of `fields` to a schema under construction.
pub fn tantivy_schema(fields: &FieldSchema, builder: &mut SchemaBuilder) -> FieldMap {
    let id = builder.add_text_field(ID, STRING | FAST | STORED);
    let mut map = FieldMap { id, extra: id, fields: BTreeMap::new() };
    for (name, spec) in &fields.fields {
        let field = add(builder, name, spec);
        let exact = has_twin(spec).then(|| builder.add_text_field(&twin(name), STRING | FAST));
        map.fields.insert(name.clone(), Target { spec: spec.clone(), field, exact });
    }
    map.extra = builder.add_json_field(EXTRA, TEXT | STORED);
    map
}

fn add(builder: &mut SchemaBuilder, name: &str, spec: &FieldSpec) -> Field {
    let mut numbers: NumericOptions = INDEXED.into();
    if spec.fast {
        numbers = numbers | FAST;
    }
    if spec.stored {
        numbers = numbers | STORED;
    }
    match spec.kind {
        FieldKind::Integer => builder.add_i64_field(name, numbers),
        FieldKind::Float => builder.add_f64_field(name, numbers),
        FieldKind::Bool => builder.add_bool_field(name, numbers),
        FieldKind::Stored => builder.add_text_field(name, STORED),
        FieldKind::Text => {
            let indexing = TextFieldIndexing::default()
                .set_tokenizer(&spec.tokenizer)
                .set_index_option(IndexRecordOption::WithFreqsAndPositions);
            let options = TextOptions::default().set_indexing_options(indexing);
            builder.add_text_field(name, if spec.stored { options | STORED } else { options })
        }
    }
}

fn has_twin(spec: &FieldSpec) -> bool {
    spec.facet && spec.kind == FieldKind::Text
}

fn twin(name: &str) -> String {
    format!("{name}_exact")
}

impl FieldMap {
    /// The fields of an index that [`tantivy_schema`] made.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`] where `schema` has not the fields of `fields`.
    pub fn from_schema(schema: &Schema, fields: &FieldSchema) -> Result<Self> {
        let find = |name: &str| {
            schema.get_field(name).map_err(|e| {
                Error::new(ErrorCode::Damaged, format!("the index lacks the field {name:?} of its manifest"))
                    .source(e)
            })
        };
        let mut map = Self { id: find(ID)?, extra: find(EXTRA)?, fields: BTreeMap::new() };
        for (name, spec) in &fields.fields {
            let exact = if has_twin(spec) { Some(find(&twin(name))?) } else { None };
            map.fields.insert(name.clone(), Target { spec: spec.clone(), field: find(name)?, exact });
        }
        Ok(map)
    }

    /// The field of ids.
    pub fn id(&self) -> Field {
        self.id
    }

    /// Puts `id` and the fields of `document` into `out`; returns the keys that went into `_extra`.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for a value that does not fit the type of its field; `out` is to be dropped then.
    pub fn fill(&self, id: &str, document: &Document, out: &mut TantivyDocument) -> Result<Vec<String>> {
        out.add_text(self.id, id);
        let mut extra = BTreeMap::new();
        for (key, value) in &document.fields {
            let goes_to_extra = match self.fields.get(key) {
                None => true,
                Some(target) => !target.fill(key, value, out)?,
            };
            if goes_to_extra {
                extra.insert(key.clone(), OwnedValue::from(value.clone()));
            }
        }
        let keys: Vec<String> = extra.keys().cloned().collect();
        if !keys.is_empty() {
            out.add_object(self.extra, extra);
        }
        Ok(keys)
    }
}

impl Target {
    /// False for nested values, which have no place in a field.
    fn fill(&self, key: &str, value: &Value, out: &mut TantivyDocument) -> Result<bool> {
        let one = std::slice::from_ref(value);
        let values = value.as_array().map_or(one, Vec::as_slice);
        if values.iter().any(|v| v.is_object() || v.is_array() || v.is_null()) {
            return Ok(false);
        }
        for value in values {
            self.add(value, out).ok_or_else(|| {
                Error::new(ErrorCode::BadValue, format!("the value of {key:?} does not fit its field"))
                    .expected(format!("{:?}", self.spec.kind).to_lowercase())
                    .got(value)
                    .hint("make the values of a key alike, or set its type with --schema")
            })?;
        }
        Ok(true)
    }

    fn add(&self, value: &Value, out: &mut TantivyDocument) -> Option<()> {
        match self.spec.kind {
            FieldKind::Integer => out.add_i64(self.field, value.as_i64()?),
            FieldKind::Float => out.add_f64(self.field, value.as_f64()?),
            FieldKind::Bool => out.add_bool(self.field, value.as_bool()?),
            FieldKind::Text | FieldKind::Stored => {
                let text = value.as_str()?;
                out.add_text(self.field, text);
                if let Some(exact) = self.exact.filter(|_| text.len() <= MAX_EXACT) {
                    out.add_text(exact, text);
                }
            }
        }
        Some(())
    }
}

/// The stored fields of a hit, in order of name, without the id; several values of a field become a list.
pub fn stored_fields(document: &TantivyDocument, schema: &Schema) -> Map<String, Value> {
    let mut by_name: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for (field, value) in document.field_values() {
        let name = schema.get_field_name(field);
        if name == ID {
            continue;
        }
        // Every kind of value that this crate stores serialises.
        let value = serde_json::to_value(OwnedValue::from(value)).unwrap_or(Value::Null);
        by_name.entry(name).or_default().push(value);
    }
    let joined =
        |mut values: Vec<Value>| if values.len() == 1 { values.remove(0) } else { Value::Array(values) };
    by_name.into_iter().map(|(name, values)| (name.to_owned(), joined(values))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use std::path::Path;

    fn schema() -> FieldSchema {
        let mut schema = FieldSchema::default();
        let mut add = |name: &str, spec| schema.fields.insert(name.into(), spec);
        add("n", FieldSpec::new(FieldKind::Integer));
        add("f", FieldSpec::new(FieldKind::Float));
        add("tags", FieldSpec { facet: true, ..FieldSpec::new(FieldKind::Text) });
        add("image", FieldSpec::new(FieldKind::Stored));
        schema
    }

    fn document(value: Value) -> Document {
        let Value::Object(object) = value else { panic!("an object") };
        Document::from_json(1, object, Path::new("")).unwrap()
    }

    #[test]
    fn values_go_to_their_fields_and_the_rest_to_extra() {
        let mut builder = Schema::builder();
        let map = tantivy_schema(&schema(), &mut builder);
        let schema_of_index = builder.build();
        let again = FieldMap::from_schema(&schema_of_index, &schema()).unwrap();
        assert_eq!(format!("{map:?}"), format!("{again:?}"));
        let mut out = TantivyDocument::new();
        let long = "x".repeat(300);
        let doc = document(
            json!({"n": 3, "f": 2, "tags": ["a b", long], "image": "i.png", "new": 1, "o": {"k": "v"}}),
        );
        assert_eq!(map.fill("7", &doc, &mut out).unwrap(), ["new", "o"]);
        let exact = schema_of_index.get_field("tags_exact").unwrap();
        assert_eq!(out.get_all(exact).count(), 1, "the long value is left out of the twin");
        let shown = stored_fields(&out, &schema_of_index);
        assert_eq!(shown["n"], json!(3));
        assert_eq!(shown["f"], json!(2.0));
        assert_eq!(shown["tags"].as_array().unwrap().len(), 2);
        assert_eq!(shown["_extra"], json!({"new": 1, "o": {"k": "v"}}));
        assert!(!shown.contains_key("id"));
    }

    #[test]
    fn a_value_of_another_type_is_refused() {
        let mut builder = Schema::builder();
        let map = tantivy_schema(&schema(), &mut builder);
        for bad in [json!({"n": "x"}), json!({"n": 1.5}), json!({"tags": 4}), json!({"f": [1.0, "x"]})] {
            let error = map.fill("1", &document(bad), &mut TantivyDocument::new()).unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadValue);
        }
    }
}
