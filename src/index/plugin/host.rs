//! The tantivy plugin: writes one `.uvec` per segment, and merges them.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use tantivy::directory::TerminatingWrite;
use tantivy::index::SegmentComponent;
use tantivy::indexer::doc_id_mapping::DocIdMapping;
use tantivy::schema::Schema;
use tantivy::schema::document::{ErasedDocument, ErasedValue, ReferenceValueLeaf};
use tantivy::{
    DocId, PluginMergeContext, PluginWriter, PluginWriterContext, Segment, SegmentPlugin, TantivyError,
};
use uncsm_format::{ItemRow, MediaInfo, Rows, Writer};

use super::cache::SegmentCache;
use super::field::{FIELD_TYPE, MediaField};
use super::value::decode;
use crate::error::{Error, ErrorCode};
use crate::media::SpaceSpec;

/// Keeps shared vectors beside the segments of a tantivy index.
///
/// **Register it when the index is created and again after every `tantivy::Index::open`: an index without it drops every
/// vector in silence.** [`MediaField::of_index`] and [`check_registered`](super::registered::check_registered) refuse such an index. It
/// learns the space from the
/// schema, so it needs no setting. Clones share one [`SegmentCache`].
#[derive(Clone, Default)]
pub struct UvecPlugin {
    cache: SegmentCache,
}

impl UvecPlugin {
    /// A plugin with an empty cache. Use one for each `tantivy::Index`, even of one path: a cache sees the searchers of the
    /// directory through which a segment came into it, and may let go of one that only another directory holds.
    pub fn new() -> Self {
        Self::default()
    }

    /// The opened segments, for queries and collectors.
    pub fn cache(&self) -> &SegmentCache {
        &self.cache
    }

    /// This plugin as tantivy takes it.
    pub fn registered(&self) -> Arc<dyn SegmentPlugin> {
        Arc::new(self.clone())
    }
}

impl SegmentPlugin for UvecPlugin {
    fn extensions(&self) -> &[&str] {
        &[FIELD_TYPE]
    }

    fn create_writer(&self, ctx: &PluginWriterContext<'_>) -> tantivy::Result<Box<dyn PluginWriter>> {
        let index = ctx.segment.index();
        refuse_sorting(index.settings()).map_err(to_tantivy)?;
        let field = MediaField::of(&index.schema()).map_err(to_tantivy)?;
        let rows = infos(field.spec()).iter().map(Rows::new).collect();
        let cache = self.cache.clone();
        Ok(Box::new(UvecWriter {
            cache,
            field,
            rows,
            documents: 0,
            rejected: 0,
            first_reason: None,
            seen: BTreeSet::new(),
        }))
    }

    fn merge(&self, ctx: PluginMergeContext<'_>) -> tantivy::Result<()> {
        super::merge::merge(&self.cache, &ctx).map_err(to_tantivy)
    }
}

/// Collects the items of a segment's documents in memory until the segment is written.
struct UvecWriter {
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
            writer.finish(self.documents, self.rejected, self.first_reason.as_deref())
        };
        write().map_err(|e| to_tantivy(e.into()))?.terminate()?;
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

/// The media types of `spec` in the words of the format.
pub(crate) fn infos(spec: &SpaceSpec) -> Vec<MediaInfo> {
    let info = |media: &crate::media::MediaSpec| MediaInfo {
        name: media.name.clone(),
        dim: media.dim as u32,
        dtype: media.dtype,
        half: media.half as u32,
    };
    spec.media.iter().map(info).collect()
}

/// Refuses index settings under which document ids are shuffled: their mapping is private to tantivy.
pub(crate) fn refuse_sorting(settings: &tantivy::IndexSettings) -> crate::Result<()> {
    if settings.sort_by_field.is_some() || settings.manual_doc_id_mapping {
        return Err(sorting_error("the index settings sort documents"));
    }
    Ok(())
}

pub(crate) fn sorting_error(message: &str) -> Error {
    Error::new(ErrorCode::BadArgument, message)
        .expected("documents in the order in which they were added")
        .hint("create the index without `sort_by_field` and `manual_doc_id_mapping`")
}

pub(crate) fn to_tantivy(error: Error) -> TantivyError {
    match error.code() {
        // Whole, so that `Error::from` gives it back.
        ErrorCode::SpaceMismatch => TantivyError::IoError(Arc::new(std::io::Error::other(error))),
        ErrorCode::Damaged => TantivyError::InternalError(format!("damaged: {error}")),
        _ => TantivyError::InvalidArgument(error.to_string()),
    }
}
