//! The writer of a segment's `.uvec`: collects the items of its documents, in the order of the documents.

use std::any::Any;
use std::collections::BTreeSet;

use tantivy::directory::TerminatingWrite;
use tantivy::index::SegmentComponent;
use tantivy::indexer::doc_id_mapping::DocIdMapping;
use tantivy::schema::Schema;
use tantivy::schema::document::{ErasedDocument, ErasedValue, ReferenceValueLeaf};
use tantivy::{DocId, PluginWriter, Segment};
use uncsm_format::{ItemRow, Rows, Writer};

use super::cache::SegmentCache;
use super::derive::NewRows;
use super::error::to_tantivy;
use super::field::{MediaField, infos};
use super::value::decode;
use crate::error::Result;
use crate::index::cells;
use crate::index::files::names::FIELD_TYPE;
use crate::index::files::sorted::sorting_error;

/// Collects the items of a segment's documents in memory until the segment is written.
pub(crate) struct UvecWriter {
    cache: SegmentCache,
    field: MediaField,
    rows: Vec<Rows>,
    documents: u32,
    rejected: u64,
    first_reason: Option<String>,
    /// Media type and ordinal of the items of the last document.
    seen: BTreeSet<(usize, u32)>,
}

impl UvecWriter {
    /// A writer of one segment of an index whose media field is `field`; the segment enters `cache` when it is written.
    pub(crate) fn new(cache: &SegmentCache, field: MediaField) -> Self {
        let rows = infos(field.spec()).iter().map(Rows::new).collect();
        Self {
            cache: cache.clone(),
            field,
            rows,
            documents: 0,
            rejected: 0,
            first_reason: None,
            seen: BTreeSet::new(),
        }
    }

    /// Invariant: never an error. A foreign bad value becomes "no items", counted.
    fn add_value(&mut self, doc: DocId, bytes: &[u8]) {
        let items = match decode(bytes, self.field.spec()) {
            Ok(items) => items,
            Err(reason) => return self.reject(reason),
        };
        for item in items {
            if !self.seen.insert((item.media, item.origin.ordinal)) {
                let name = &self.field.spec().media[item.media].name;
                self.reject(format!(
                    "two items of media type `{name}` have the ordinal {}",
                    item.origin.ordinal
                ));
                continue;
            }
            let row = ItemRow {
                doc,
                ordinal: item.origin.ordinal,
                span: item.origin.span,
                hash: item.origin.hash,
                vector: &item.vector,
                half: &item.half,
                hubs: &item.hubs,
            };
            if let Err(error) = self.rows[item.media].push(&row) {
                self.reject(error.to_string());
            }
        }
    }

    fn reject(&mut self, reason: String) {
        self.rejected += 1;
        self.first_reason.get_or_insert(reason);
    }
}

impl PluginWriter for UvecWriter {
    fn add_document(&mut self, doc: DocId, document: &dyn ErasedDocument, _: &Schema) -> tantivy::Result<()> {
        self.documents = doc + 1;
        self.seen.clear();
        let media_field = self.field.field();
        for (field, value) in document.erased_fields() {
            if field != media_field {
                continue;
            }
            match value {
                ErasedValue::Leaf(ReferenceValueLeaf::Custom(bytes)) => self.add_value(doc, bytes),
                _ => self.reject("value of the media field is not of the custom type".into()),
            }
        }
        Ok(())
    }

    fn serialize(self: Box<Self>, segment: &Segment, map: Option<&DocIdMapping>) -> tantivy::Result<()> {
        if map.is_some() {
            return Err(to_tantivy(sorting_error("the segment is reordered")));
        }
        let spec = self.field.spec();
        let file = segment.open_write(SegmentComponent::Custom(FIELD_TYPE.into()))?;
        let write = || {
            let mut writer = Writer::new(file, &spec.space.0, &infos(spec))?;
            for (media, rows) in self.rows.iter().enumerate() {
                rows.write_to(media, &mut writer)?;
            }
            for (media, rows) in self.rows.iter().enumerate() {
                let (dim, rows) = (rows.info().dim as usize, NewRows::new(rows));
                let bundle = self.cache.bundle(spec);
                self.cache.cells(|| cells::write((media, dim), &rows, bundle.as_deref(), &mut writer))?;
            }
            Ok(writer.finish(self.documents, self.rejected, self.first_reason.as_deref())?)
        };
        let written: Result<_> = write();
        written.map_err(to_tantivy)?.terminate()?;
        self.cache.keep(segment, spec, self.documents);
        Ok(())
    }

    fn mem_usage(&self) -> usize {
        self.rows.iter().map(Rows::bytes).sum()
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}
