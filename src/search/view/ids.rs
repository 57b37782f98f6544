//! The columns of ids of segments, opened once for a state of an engine.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::SegmentReader;
use tantivy::index::SegmentId;

use crate::error::Result;
use crate::index::IdField;
use crate::search::top::Ids;

/// Where the ids of a segment are read.
#[derive(Clone)]
pub(in crate::search) struct Columns {
    /// Of the field of ids.
    name: Arc<str>,
    /// Those that are open. They hold files, so whoever keeps them keeps the segments too.
    open: Option<Arc<Mutex<HashMap<SegmentId, Ids>>>>,
}

impl Columns {
    /// Of the field `name`, opened each time.
    pub(in crate::search) fn new(name: Arc<str>) -> Self {
        Self { name, open: None }
    }

    /// The same, opened once.
    pub(super) fn kept(name: Arc<str>) -> Self {
        Self { name, open: Some(Arc::default()) }
    }

    /// The column of a segment; `None` without a fast field of ids.
    ///
    /// # Errors
    /// The host's.
    pub(in crate::search) fn of(&self, reader: &SegmentReader) -> Result<Ids> {
        // A panic elsewhere leaves whole columns in the map.
        let lock = |open| Mutex::lock(open).unwrap_or_else(PoisonError::into_inner);
        let Some(open) = &self.open else { return self.opened(reader) };
        if let Some(ids) = lock(open).get(&reader.segment_id()) {
            return Ok(ids.clone());
        }
        let ids = self.opened(reader)?;
        lock(open).insert(reader.segment_id(), ids.clone());
        Ok(ids)
    }

    fn opened(&self, reader: &SegmentReader) -> Result<Ids> {
        match IdField::of(reader.schema(), &self.name) {
            Ok(field) => Ok(field.column(reader)?.map(Arc::new)),
            Err(_) => Ok(None),
        }
    }
}
