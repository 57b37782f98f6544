//! The values of one field in one segment.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Debug;

use tantivy::columnar::{Cardinality, Column, DynamicColumn};
use tantivy::schema::document::OwnedValue;
use tantivy::schema::{Field, FieldType};
use tantivy::{DocId, SegmentReader, TantivyError};

use super::value::{self, Format, Value};
use crate::error::{Error, ErrorCode, Result};
use crate::index::Documents;
use crate::search::budget::Budget;
use crate::search::plan::order::Place;

/// Blocks of the store that are kept while it is read in order.
const BLOCKS: usize = 4;
/// Stored documents that are read between two looks at the clock.
const READ: usize = 64;

/// Which of several values of a document counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Least,
    Greatest,
}

/// Where the values of a field are read.
pub(super) struct Values {
    /// By type: a JSON field may have several.
    columns: Vec<DynamicColumn>,
    stored: Option<Stored>,
    pub(super) format: Format,
}

/// Values out of stored documents.
#[derive(Default)]
struct Stored {
    /// Least and greatest key.
    by_doc: HashMap<DocId, (u128, u128)>,
    /// All strings, ascending.
    terms: Vec<String>,
}

impl Values {
    /// Opens the values of `place`. From a store those of `docs` (ascending) are read, until `budget` is spent: then the second
    /// is true.
    pub(super) fn open(
        place: &Place,
        reader: &SegmentReader,
        docs: &[DocId],
        budget: &Budget,
    ) -> Result<(Self, bool)> {
        let mut format = Format::default();
        match place {
            Place::Column(name) => {
                let mut columns = Vec::new();
                for handle in reader.fast_fields().dynamic_column_handles(name)? {
                    columns.push(handle.open().map_err(TantivyError::from)?);
                }
                format.is_float = columns.iter().any(|column| matches!(column, DynamicColumn::F64(_)));
                let schema = reader.schema();
                let field = schema.get_field(name).map(|field| schema.get_field_entry(field).field_type());
                format.is_facet = matches!(field, Ok(FieldType::Facet(_)));
                Ok((Self { columns, stored: None, format }, false))
            }
            Place::Stored { field, path, .. } => {
                let (stored, partial) = Stored::read(reader, (*field, path), docs, budget)?;
                Ok((Self { columns: Vec::new(), stored: Some(stored), format }, partial))
            }
        }
    }

    /// Key of the value of a document; `None` without one.
    #[inline]
    pub(super) fn key(&self, doc: DocId, end: End) -> Option<u128> {
        if let Some(stored) = &self.stored {
            let (least, greatest) = stored.by_doc.get(&doc)?;
            return Some(if end == End::Least { *least } else { *greatest });
        }
        let mut keys = self.columns.iter().filter_map(|column| of_column(column, doc, end));
        let first = keys.next()?;
        Some(match end {
            End::Least => keys.fold(first, u128::min),
            End::Greatest => keys.fold(first, u128::max),
        })
    }

    /// What `keys` stand for. Cost: one walk over the dictionary, as far as strings are asked for.
    pub(super) fn resolve(&self, keys: &[Option<u128>]) -> Result<Vec<Option<Value>>> {
        let text = |key: &u128| value::read(*key).err();
        let mut places: Vec<u64> = keys.iter().flatten().filter_map(text).collect();
        places.sort_unstable();
        places.dedup();
        let terms = self.terms(&places)?;
        let resolve = |key: &u128| match value::read(*key) {
            Ok(value) => Ok(value),
            Err(place) => {
                let at = places.binary_search(&place).ok().and_then(|at| terms.get(at));
                at.map(|term| Value::Text(term.clone())).ok_or_else(|| damaged("a string is missing"))
            }
        };
        keys.iter().map(|key| key.as_ref().map(resolve).transpose()).collect()
    }

    /// The strings at `places`, ascending.
    fn terms(&self, places: &[u64]) -> Result<Vec<String>> {
        if places.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(stored) = &self.stored {
            let term = |place: &u64| stored.terms.get(*place as usize).cloned();
            return Ok(places.iter().filter_map(term).collect());
        }
        let mut terms = Vec::with_capacity(places.len());
        let column = self.columns.iter().find_map(|column| match column {
            DynamicColumn::Str(column) => Some(column),
            _ => None,
        });
        if let Some(column) = column {
            let mut push = |term: &[u8]| terms.push(String::from_utf8_lossy(term).into_owned());
            column
                .dictionary()
                .sorted_ords_to_term_cb(places, &mut push)
                .map_err(|e| damaged(&e.to_string()).source(e))?;
        }
        Ok(terms)
    }
}

fn damaged(what: &str) -> Error {
    Error::new(ErrorCode::Damaged, format!("a column does not read: {what}"))
}

fn of_column(column: &DynamicColumn, doc: DocId, end: End) -> Option<u128> {
    match column {
        DynamicColumn::Bool(column) => extreme(column, doc, end, value::of_bool),
        DynamicColumn::I64(column) => extreme(column, doc, end, value::of_integer),
        DynamicColumn::U64(column) => extreme(column, doc, end, value::of_integer),
        DynamicColumn::F64(column) => extreme(column, doc, end, value::of_float),
        DynamicColumn::DateTime(column) => extreme(column, doc, end, value::of_date),
        DynamicColumn::Str(column) => extreme(column.ords(), doc, end, value::of_text),
        // Neither is let through.
        DynamicColumn::IpAddr(_) | DynamicColumn::Bytes(_) => None,
    }
}

/// Least or greatest key of the values of a document.
fn extreme<T: PartialOrd + Copy + Debug + Send + Sync + 'static>(
    column: &Column<T>,
    doc: DocId,
    end: End,
    key: impl Fn(T) -> u128,
) -> Option<u128> {
    if column.get_cardinality() != Cardinality::Multivalued {
        return column.first(doc).map(key);
    }
    let keys = column.values_for_doc(doc).map(key);
    match end {
        End::Least => keys.min(),
        End::Greatest => keys.max(),
    }
}

impl Stored {
    fn read(
        reader: &SegmentReader,
        (field, path): (Field, &str),
        docs: &[DocId],
        budget: &Budget,
    ) -> Result<(Self, bool)> {
        let store = Documents::open(reader, BLOCKS)?;
        let mut found: Vec<(DocId, Vec<Scalar>)> = Vec::new();
        let mut partial = false;
        for (at, &doc) in docs.iter().enumerate() {
            if at.is_multiple_of(READ) && budget.is_spent() {
                partial = true;
                break;
            }
            let document = store.get(doc)?;
            let mut values = Vec::new();
            for value in document.get_all(field) {
                collect(OwnedValue::from(value), path, &mut values);
            }
            found.push((doc, values));
        }
        let texts = found.iter().flat_map(|(_, values)| values).filter_map(|value| match value {
            Scalar::Text(text) => Some(text.as_str()),
            Scalar::Key(_) => None,
        });
        let terms: Vec<String> = texts.collect::<BTreeSet<&str>>().into_iter().map(str::to_owned).collect();
        let key = |value: &Scalar| match value {
            Scalar::Key(key) => Some(*key),
            Scalar::Text(text) => terms.binary_search(text).ok().map(|at| value::of_text(at as u64)),
        };
        let ends = |(doc, values): (DocId, Vec<Scalar>)| {
            let keys = || values.iter().filter_map(key);
            Some((doc, (keys().min()?, keys().max()?)))
        };
        let by_doc = found.into_iter().filter_map(ends).collect();
        Ok((Self { by_doc, terms }, partial))
    }
}

/// A value inside a stored document.
enum Scalar {
    Key(u128),
    Text(String),
}

/// All values at `path`, whose keys are joined by dots, as the index reads them; those of lists one by one.
fn collect(value: OwnedValue, path: &str, out: &mut Vec<Scalar>) {
    match value {
        OwnedValue::Array(list) => list.into_iter().for_each(|value| collect(value, path, out)),
        OwnedValue::Object(map) => {
            for (key, value) in map {
                match path.strip_prefix(key.as_str()) {
                    Some("") if !path.is_empty() => collect(value, "", out),
                    Some(rest) => {
                        if let Some(rest) = rest.strip_prefix('.') {
                            collect(value, rest, out);
                        }
                    }
                    None => {}
                }
            }
        }
        // A value before the end of the path is another one.
        _ if !path.is_empty() => {}
        OwnedValue::Bool(value) => out.push(Scalar::Key(value::of_bool(value))),
        OwnedValue::I64(value) => out.push(Scalar::Key(value::of_integer(value))),
        OwnedValue::U64(value) => out.push(Scalar::Key(value::of_integer(value))),
        OwnedValue::F64(value) => out.push(Scalar::Key(value::of_float(value))),
        OwnedValue::Date(value) => out.push(Scalar::Key(value::of_date(value))),
        OwnedValue::Str(text) => out.push(Scalar::Text(text)),
        _ => {}
    }
}
