//! Puts the fields of a document onto a tantivy schema.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value};
use tantivy::TantivyDocument;
use tantivy::schema::document::{OwnedValue, Value as _};
use tantivy::schema::{
    DateOptions, DateTimePrecision, FAST, Field, FieldEntry, FieldType, INDEXED, IndexRecordOption,
    JsonObjectOptions, NumericOptions, STORED, STRING, Schema, SchemaBuilder, TextFieldIndexing, TextOptions,
    Type,
};

use super::analysis::Analysis;
use super::date;
use super::names::{EXTRA_FIELD, ID_FIELD, SOURCE_FIELD};
use super::spec::{FieldKind, FieldSchema, FieldSpec, NEW_TEXT, exact_name};
use super::synonyms::SynonymMap;
use crate::corpus::{Document, Origin, type_name};
use crate::error::{Error, ErrorCode, Result};

/// Characters of a value that an error shows.
const SHOWN: usize = 40;

/// Where each key of a document goes.
#[derive(Debug, Clone)]
pub struct FieldMap {
    id: Field,
    extra: Field,
    /// Of references to sources; none in an index of an older build, or of an app.
    source: Option<Field>,
    /// Of the texts in `extra`.
    extra_analysis: Option<Analysis>,
    targets: BTreeMap<String, Target>,
}

#[derive(Debug, Clone)]
struct Target {
    spec: FieldSpec,
    /// Of [`FieldKind::Text`].
    analysis: Option<Analysis>,
    /// `None` for [`FieldKind::Extra`].
    field: Option<Field>,
    exact: Option<Field>,
    /// What its synonyms make of words, once somebody asks.
    synonyms: Arc<OnceLock<Result<Arc<SynonymMap>>>>,
}

/// What of a document went into `_extra`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FillReport {
    /// Keys with nested values, as the schema has them.
    pub nested: usize,
    /// Keys that the schema does not have.
    pub unknown: usize,
    /// Words of texts that are too long for a term, so that no keyword finds them.
    pub long_words: usize,
}

/// Adds `id`, `_extra` and the fields of `fields`, in order of name, to a tantivy schema.
///
/// Text is tokenised with positions, and has its exact twin (one term, indexed, fast, not stored) right after it; numbers,
/// booleans and dates are indexed, these with a column of microseconds, and with an exact twin that is stored in their place; `_extra` is stored, indexed as `words`, and reads a dot in a key as a step down. Columns of text
/// hold values as the exact analysis writes them. Ids are kept as they are.
///
/// The index must know the analyses that the fields name: call [`register_analyses`](super::analysis::register_analyses) on it.
///
/// # Panics
/// Where `builder` has a field of one of these names.
pub fn tantivy_schema(fields: &FieldSchema, builder: &mut SchemaBuilder) -> FieldMap {
    let id = builder.add_text_field(ID_FIELD, STRING | STORED | FAST);
    let extra = JsonObjectOptions::default()
        .set_stored()
        .set_indexing_options(positions(NEW_TEXT))
        .set_expand_dots_enabled();
    let extra = builder.add_json_field(EXTRA_FIELD, extra);
    let targets = fields.iter().map(|(name, spec)| {
        let field = match spec.kind {
            FieldKind::Text => Some(builder.add_text_field(name, text_options(spec))),
            FieldKind::Integer => Some(builder.add_i64_field(name, numeric_options(spec))),
            FieldKind::Float => Some(builder.add_f64_field(name, numeric_options(spec))),
            FieldKind::Bool => Some(builder.add_bool_field(name, numeric_options(spec))),
            FieldKind::Date => Some(builder.add_date_field(name, date_options())),
            FieldKind::Stored => Some(builder.add_text_field(name, STORED)),
            FieldKind::Extra => None,
        };
        let exact = spec.facet.then(|| builder.add_text_field(&exact_name(name), exact_options(spec)));
        (name.to_owned(), Target::new(spec, field, exact))
    });
    let targets = targets.collect();
    FieldMap { id, extra, source: None, extra_analysis: Analysis::parse(NEW_TEXT).ok(), targets }
}

/// Adds the field of references to sources: last of all, so that every other field has the number that it has in an index
/// without it, since queries over several indexes hold numbers.
pub(crate) fn add_source(builder: &mut SchemaBuilder) {
    builder.add_text_field(SOURCE_FIELD, STORED);
}

/// Whether queries that are made for one of two indexes of this crate run on the other: the same fields under the same
/// numbers, but for that of references to sources, which no query asks.
pub(crate) fn is_searched_alike(one: &Schema, other: &Schema) -> bool {
    let asked = |schema: &Schema| -> Vec<(Field, FieldEntry)> {
        let fields = schema.fields().filter(|(_, entry)| entry.name() != SOURCE_FIELD);
        fields.map(|(field, entry)| (field, entry.clone())).collect()
    };
    asked(one) == asked(other)
}

fn positions(tokenizer: &str) -> TextFieldIndexing {
    TextFieldIndexing::default()
        .set_tokenizer(tokenizer)
        .set_index_option(IndexRecordOption::WithFreqsAndPositions)
}

fn text_options(spec: &FieldSpec) -> TextOptions {
    let mut options = TextOptions::default().set_indexing_options(positions(&spec.tokenizer));
    if spec.stored {
        options = options.set_stored();
    }
    if spec.fast {
        options = options.set_fast(spec.exact_analysis());
    }
    options
}

fn exact_options(spec: &FieldSpec) -> TextOptions {
    let analysis = spec.exact_analysis();
    let whole =
        TextFieldIndexing::default().set_tokenizer(analysis).set_index_option(IndexRecordOption::Basic);
    let options = TextOptions::default().set_indexing_options(whole).set_fast(analysis);
    // The date itself does not say how it was written.
    if spec.kind == FieldKind::Date && spec.stored { options.set_stored() } else { options }
}

fn date_options() -> DateOptions {
    DateOptions::from(INDEXED).set_fast().set_precision(DateTimePrecision::Microseconds)
}

fn numeric_options(spec: &FieldSpec) -> NumericOptions {
    let mut options = NumericOptions::from(INDEXED);
    if spec.stored {
        options = options.set_stored();
    }
    if spec.fast {
        options = options.set_fast();
    }
    options
}

impl FieldMap {
    /// The map for an index that was made with [`tantivy_schema`].
    ///
    /// # Errors
    /// [`ErrorCode::UnknownField`] where `schema` lacks a field or has it with another type.
    pub fn from_schema(schema: &Schema, fields: &FieldSchema) -> Result<Self> {
        let find = |name: &str, expected: Type| -> Result<Field> {
            let error = || {
                Error::new(
                    ErrorCode::UnknownField,
                    format!("the index and its field schema differ in `{name}`"),
                )
            };
            let field = schema.get_field(name).map_err(|source| {
                error().expected(format!("a field of type {expected:?}")).got("none").source(source)
            })?;
            let got = schema.get_field_entry(field).field_type().value_type();
            if got != expected {
                let error = error().expected(format!("a field of type {expected:?}"));
                return Err(error.got(format!("one of type {got:?}")));
            }
            Ok(field)
        };
        let mut targets = BTreeMap::new();
        for (name, spec) in fields.iter() {
            let field = match spec.kind {
                FieldKind::Text | FieldKind::Stored => Some(find(name, Type::Str)?),
                FieldKind::Integer => Some(find(name, Type::I64)?),
                FieldKind::Float => Some(find(name, Type::F64)?),
                FieldKind::Bool => Some(find(name, Type::Bool)?),
                FieldKind::Date => Some(find(name, Type::Date)?),
                FieldKind::Extra => None,
            };
            let exact = if spec.facet { Some(find(&exact_name(name), Type::Str)?) } else { None };
            targets.insert(name.to_owned(), Target::new(spec, field, exact));
        }
        let extra = find(EXTRA_FIELD, Type::Json)?;
        let extra_analysis = match schema.get_field_entry(extra).field_type() {
            FieldType::JsonObject(options) => options.get_text_indexing_options(),
            _ => None,
        };
        // An index of an app may name one of its own.
        let extra_analysis = extra_analysis.and_then(|indexing| Analysis::parse(indexing.tokenizer()).ok());
        Ok(Self { id: find(ID_FIELD, Type::Str)?, extra, source: None, extra_analysis, targets })
    }

    /// As [`FieldMap::from_schema`], of an index of this crate, where a field `_source` is ours.
    ///
    /// # Errors
    /// Those of [`FieldMap::from_schema`].
    pub(crate) fn of_own(schema: &Schema, fields: &FieldSchema) -> Result<Self> {
        let text = |field: &Field| schema.get_field_entry(*field).field_type().value_type() == Type::Str;
        let source = schema.get_field(SOURCE_FIELD).ok().filter(text);
        Ok(Self { source, ..Self::from_schema(schema, fields)? })
    }

    /// The field of the id.
    pub fn id(&self) -> Field {
        self.id
    }

    /// The fields that keywords search where a query names none: all of [`FieldKind::Text`], in order of name.
    pub fn text_fields(&self) -> Vec<Field> {
        let text = self.targets.values().filter(|target| target.spec.kind == FieldKind::Text);
        text.filter_map(|target| target.field).collect()
    }

    /// What stands for words of the fields that have synonyms. Cost: the first call reads all rules.
    ///
    /// # Errors
    /// Where an analysis keeps nothing of an entry, which a schema file is refused for.
    pub(crate) fn synonyms(&self) -> Result<Vec<(Field, Arc<SynonymMap>)>> {
        let widened = self.targets.values().filter(|target| !target.spec.synonyms.is_empty());
        let map = |target: &Target| {
            let (field, analysis) = (target.field?, target.analysis.as_ref()?);
            let new = || SynonymMap::new(&target.spec.synonyms, analysis).map(Arc::new);
            Some(target.synonyms.get_or_init(new).clone().map(|map| (field, map)))
        };
        widened.filter_map(map).collect()
    }

    /// Whether hits print `name` as a list.
    pub(crate) fn is_multi(&self, name: &str) -> bool {
        self.targets.get(name).is_some_and(|target| target.spec.multi)
    }

    /// Adds the id, where there is one, and all fields of `document` to `out`.
    ///
    /// Strings above [`EXACT_LIMIT`](super::spec::EXACT_LIMIT) bytes are left out of the exact twin.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] with the line, for a value that its field cannot hold; `out` then holds a part of the
    /// document and must be dropped.
    pub fn fill(&self, document: &Document, out: &mut TantivyDocument) -> Result<FillReport> {
        let mut report = FillReport::default();
        let mut extra = BTreeMap::new();
        if let Some(id) = &document.id {
            out.add_text(self.id, id);
        }
        for (name, value) in &document.fields {
            let Some((target, field)) = self.targets.get(name).map(|target| (target, target.field)) else {
                report.unknown += 1;
                report.long_words += long_words(self.extra_analysis.as_ref(), value);
                extra.insert(name.clone(), owned(value));
                continue;
            };
            let Some(field) = field else {
                report.nested += 1;
                report.long_words += long_words(self.extra_analysis.as_ref(), value);
                extra.insert(name.clone(), owned(value));
                continue;
            };
            let values = match value {
                Value::Array(list) => list.as_slice(),
                value => std::slice::from_ref(value),
            };
            for value in values {
                report.long_words += long_words(target.analysis.as_ref(), value);
                target.add(field, value, out).ok_or_else(|| {
                    Error::new(
                        ErrorCode::BadValue,
                        format!("`{name}` has a value that its field cannot hold"),
                    )
                    .line(document.line)
                    .expected(expected(target.spec.kind))
                    .got(shown(value, target.spec.kind))
                    .hint("the field got its type when the index was built")
                })?;
            }
        }
        if !extra.is_empty() {
            out.add_object(self.extra, extra);
        }
        Ok(report)
    }

    /// Adds where a document was read to `out`. Says whether it could: an index of an older build, or of an app, has no field
    /// for it.
    pub fn fill_origin(&self, origin: &Origin, out: &mut TantivyDocument) -> bool {
        if let Some(field) = self.source {
            out.add_text(field, origin.to_json());
        }
        self.source.is_some()
    }

    /// Where a stored document was read; `None` where it does not say.
    pub fn origin(&self, document: &TantivyDocument) -> Option<Origin> {
        let value = document.get_first(self.source?)?;
        Origin::from_json(value.as_str()?)
    }

    /// Whether the index keeps where documents were read.
    pub(crate) fn keeps_origins(&self) -> bool {
        self.source.is_some()
    }

    /// The stored fields of a hit as [`stored_fields`](super::stored::stored_fields) gives them, but a multi-valued field is
    /// a list even where this document has one value.
    pub fn stored_fields(&self, document: &TantivyDocument, schema: &Schema) -> Map<String, Value> {
        let is_hidden = |field| field == self.id || Some(field) == self.source;
        super::stored::collect(document, schema, &is_hidden, &|name| self.is_multi(name))
    }
}

impl Target {
    fn new(spec: &FieldSpec, field: Option<Field>, exact: Option<Field>) -> Self {
        // A schema holds analyses that parse alone.
        let analysis =
            (spec.kind == FieldKind::Text).then(|| Analysis::parse(&spec.tokenizer).ok()).flatten();
        Self { spec: spec.clone(), analysis, field, exact, synonyms: Arc::default() }
    }

    /// Adds one value; `None` where the field cannot hold it.
    fn add(&self, field: Field, value: &Value, out: &mut TantivyDocument) -> Option<()> {
        match self.spec.kind {
            FieldKind::Text => {
                let written = match value {
                    Value::String(string) => string.clone(),
                    Value::Number(_) | Value::Bool(_) => value.to_string(),
                    Value::Null | Value::Array(_) | Value::Object(_) => return None,
                };
                out.add_text(field, &written);
                if let Some(exact) = self.exact.filter(|_| self.spec.has_exact(&written)) {
                    out.add_text(exact, &written);
                }
            }
            FieldKind::Integer => out.add_i64(field, integer(value)?),
            FieldKind::Float => out.add_f64(field, value.as_f64()?),
            FieldKind::Bool => out.add_bool(field, value.as_bool()?),
            FieldKind::Date => {
                let written = value.as_str()?;
                out.add_date(field, date::read(written)?);
                if let Some(exact) = self.exact {
                    out.add_text(exact, written);
                }
            }
            FieldKind::Stored => out.add_text(field, value.as_str()?),
            FieldKind::Extra => return None,
        }
        Some(())
    }
}

/// Words of all strings inside `value` that the analysis leaves out for their length.
fn long_words(analysis: Option<&Analysis>, value: &Value) -> usize {
    let inside = |value: &Value| long_words(analysis, value);
    match (analysis, value) {
        (Some(analysis), Value::String(text)) => analysis.too_long(text),
        (Some(_), Value::Array(list)) => list.iter().map(inside).sum(),
        (Some(_), Value::Object(map)) => map.values().map(inside).sum(),
        _ => 0,
    }
}

/// An integer, also one written as `3.0`.
fn integer(value: &Value) -> Option<i64> {
    if let Some(integer) = value.as_i64() {
        return Some(integer);
    }
    // Up to 2^53 every integer is one float, so nothing is rounded.
    let float = value.as_f64()?;
    (float.fract() == 0.0 && float.abs() <= 9_007_199_254_740_992.0 && value.is_f64()).then_some(float as i64)
}

fn expected(kind: FieldKind) -> String {
    match kind {
        FieldKind::Date => date::FORM.to_owned(),
        kind => format!("type {}", kind.as_str()),
    }
}

fn shown(value: &Value, kind: FieldKind) -> String {
    match value {
        Value::String(text) if kind == FieldKind::Date => {
            let end = text.char_indices().nth(SHOWN).map_or("", |_| "..");
            format!("{:?}", text.chars().take(SHOWN).collect::<String>() + end)
        }
        Value::Number(number) => format!("the number {number}"),
        other => type_name(other).to_owned(),
    }
}

/// The value as tantivy keeps it. Not its own conversion, which turns strings that look like dates into dates and so
/// prints others than were given.
fn owned(value: &Value) -> OwnedValue {
    match value {
        Value::Null => OwnedValue::Null,
        Value::Bool(value) => OwnedValue::Bool(*value),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(integer), _, _) => OwnedValue::I64(integer),
            (None, Some(integer), _) => OwnedValue::U64(integer),
            (None, None, Some(float)) => OwnedValue::F64(float),
            (None, None, None) => OwnedValue::Null,
        },
        Value::String(string) => OwnedValue::Str(string.clone()),
        Value::Array(list) => OwnedValue::Array(list.iter().map(owned).collect()),
        Value::Object(map) => {
            OwnedValue::Object(map.iter().map(|(key, value)| (key.clone(), owned(value))).collect())
        }
    }
}
