//! The tantivy plugin: writes one `.uvec` per segment, and merges them.

use std::sync::Arc;

use tantivy::{PluginMergeContext, PluginWriter, PluginWriterContext, SegmentPlugin};

use super::cache::SegmentCache;
use super::error::to_tantivy;
use super::field::MediaField;
use super::writer::UvecWriter;
use crate::index::files::names::FIELD_TYPE;
use crate::index::files::sorted::refuse_sorting;
use crate::model::Bundle;

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

    /// Measures with the sample queries of `bundle` how far an approximate search of each new segment must go
    /// ([`Bundle::samples`]). Without a bundle, or with one of another space, segments are written without that, and queries
    /// look at every row. Cost at writing: an exact pass over the rows for each sample query.
    #[must_use]
    pub fn with_bundle(self, bundle: Arc<Bundle>) -> Self {
        self.cache.set_bundle(bundle);
        self
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
        Ok(Box::new(UvecWriter::new(&self.cache, field)))
    }

    fn merge(&self, ctx: PluginMergeContext<'_>) -> tantivy::Result<()> {
        super::merge::merge(&self.cache, &ctx).map_err(to_tantivy)
    }
}
