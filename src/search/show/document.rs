//! One document as an index holds it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::corpus::Origin;
use crate::error::Result;
use crate::index::guarded;
use crate::search::view::View;

/// What an index holds of a document.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct StoredDocument {
    /// Its id.
    pub id: String,
    /// Position of its index, where several are searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// All stored fields.
    pub fields: Map<String, Value>,
    /// By media type: its items, those of none left out.
    pub items: BTreeMap<String, usize>,
    /// Where it was read, where the index keeps that: a path of this machine, which is not for others.
    #[serde(skip)]
    pub origin: Option<Origin>,
}

/// The live document `id`, of the index at one position or of the first that has it.
///
/// # Errors
/// Those of [`View::find_in`], and of reading it.
pub(crate) fn document(view: &View, id: &str, index: Option<usize>) -> Result<StoredDocument> {
    guarded(view.shards.dirs(), || {
        let address = view.find_in(id, index)?;
        let (at, shard, inside) = view.shards.at(address);
        let (_, vectors) = view.shards.segment(address);
        let stored = shard.document(inside)?;
        let mut items = BTreeMap::new();
        for (media, config) in view.bundle.media().iter().enumerate() {
            let count = vectors.view(media).items_of(inside.doc_id).count();
            if count > 0 {
                items.insert(config.name.clone(), count);
            }
        }
        Ok(StoredDocument {
            id: id.to_owned(),
            index: (view.shards.len() > 1).then_some(at),
            fields: shard.stored_fields(&stored, &view.id),
            items,
            origin: shard.origin(&stored),
        })
    })
}
