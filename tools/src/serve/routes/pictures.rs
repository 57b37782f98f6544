//! Which stored field names the pictures of a document.

use serde_json::Value;
use uncsm_index::index::Index;
use uncsm_index::schema::FieldKind;
use uncsm_index::search::StoredDocument;

/// The names of a document's picture files, in order: the stored field `image`, or the only other one that holds files.
pub fn names<'d>(index: &Index, document: &'d StoredDocument) -> Vec<&'d str> {
    let fields = &index.manifest().fields;
    let stored = || fields.iter().filter(|(_, spec)| spec.kind == FieldKind::Stored).map(|(name, _)| name);
    let mut only = stored();
    let name =
        stored().find(|name| *name == "image").or_else(|| only.next().filter(|_| only.next().is_none()));
    match name.and_then(|name| document.fields.get(name)) {
        Some(Value::String(name)) => vec![name],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
