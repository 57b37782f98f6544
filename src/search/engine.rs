//! What a query runs on: indexes at their last commits, a bundle, and its encoders.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tantivy::{DocAddress, Searcher};

use super::plan::id_field;
use super::request::Request;
use super::shard::{Shard, Shards};
use crate::encode::{Encoder, EncoderPaths};
use crate::error::{Error, ErrorCode, Result};
use crate::index::{Index, MediaField, SegmentCache, check_created, find_document, guarded};
use crate::model::Bundle;

/// Searches the last commit of one index, or of several as if they were one.
///
/// # Example
/// ```no_run
/// use uncsm_index::index::Index;
/// use uncsm_index::search::{Engine, Fusion};
///
/// # fn main() -> uncsm_index::Result<()> {
/// let index = Index::open("index".as_ref())?;
/// let engine = Engine::new(&index)?;
/// // Pictures that match the sentence, of documents that match the keywords.
/// let found = engine.request().text("a red circle")?.keywords("on white").fusion(Fusion::Metric).k(5).run()?;
/// for hit in &found.hits {
///     println!("{:?}: {:?}", hit.id, hit.probability);
/// }
/// # Ok(())
/// # }
/// ```
pub struct Engine<'a> {
    pub(super) shards: Shards<'a>,
    pub(super) bundle: &'a Bundle,
    paths: EncoderPaths,
    /// By media type, from the first query part that needed it.
    encoders: Mutex<BTreeMap<usize, Arc<dyn Encoder>>>,
}

impl<'a> Engine<'a> {
    /// Opens a reader on `index`. Encoders are opened when a query part needs one, from the index itself or from where
    /// [`EncoderPaths::from_env`] says.
    ///
    /// # Errors
    /// Those of [`Index::reader`].
    pub fn new(index: &'a Index) -> Result<Self> {
        Self::over([index], index.bundle())
    }

    /// Opens readers on `indexes`, which answer as one: with shared keyword statistics, and one ranking by `bundle`. An id
    /// that stands in two of them is two documents.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] without any; [`ErrorCode::SchemaConflict`] where their fields differ;
    /// [`ErrorCode::SpaceMismatch`] where one belongs to another space than `bundle`; those of [`Index::reader`].
    pub fn over(indexes: impl IntoIterator<Item = &'a Index>, bundle: &'a Bundle) -> Result<Self> {
        let mut paths = EncoderPaths::from_env();
        let mut shards = Vec::new();
        for index in indexes {
            index.media().check_space(bundle.space()).map_err(|e| e.file(index.dir()))?;
            paths = index.encoder_paths(paths);
            shards.push(guarded([index.dir()], || Shard::of(index))?);
        }
        Ok(Self { shards: Shards::new(shards)?, bundle, paths, encoders: Mutex::default() })
    }

    /// Searches an app's own tantivy index, at the commit of `searcher`; `cache` is that of its plugin. Ties are broken by
    /// the app's field `id` where it is a fast string, else by address.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] without a media field; [`ErrorCode::SpaceMismatch`] where it belongs to another space than
    /// `bundle`; [`ErrorCode::BadArgument`] where the index was created without the plugin, and so has no vectors; those
    /// of opening segments.
    pub fn host(
        index: &tantivy::Index,
        searcher: Searcher,
        cache: &SegmentCache,
        bundle: &'a Bundle,
    ) -> Result<Self> {
        Self::hosts([(index, searcher, cache)], bundle)
    }

    /// [`Engine::host`] of several indexes, which answer as one like those of [`Engine::over`].
    ///
    /// # Errors
    /// Those of [`Engine::host`] and [`Engine::over`].
    pub fn hosts<'i>(
        indexes: impl IntoIterator<Item = (&'i tantivy::Index, Searcher, &'i SegmentCache)>,
        bundle: &'a Bundle,
    ) -> Result<Self> {
        let shard = |(index, searcher, cache): (&tantivy::Index, Searcher, &SegmentCache)| {
            MediaField::of(&index.schema())?.check_space(bundle.space())?;
            check_created(index)?;
            guarded([], || Shard::host(index, searcher, cache))
        };
        let shards = Shards::new(indexes.into_iter().map(shard).collect::<Result<_>>()?)?;
        Ok(Self { shards, bundle, paths: EncoderPaths::from_env(), encoders: Mutex::default() })
    }

    /// Looks for encoders in the indexes themselves and in `paths`.
    #[must_use]
    pub fn with_encoders(self, paths: EncoderPaths) -> Self {
        let inside = |paths: EncoderPaths, shard: &Shard<'_>| match shard.dir {
            Some(dir) => crate::index::encoder_paths_in(dir, paths),
            None => paths,
        };
        let paths = self.shards.iter().fold(paths, inside);
        Self { paths, encoders: Mutex::default(), ..self }
    }

    /// The encoder of a media type, which stays open.
    pub(super) fn encoder(&self, media: usize) -> Result<Arc<dyn Encoder>> {
        // A panic elsewhere leaves whole encoders in the map.
        let mut encoders = self.encoders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(encoder) = encoders.get(&media) {
            return Ok(encoder.clone());
        }
        let encoder: Arc<dyn Encoder> = self.bundle.encoder(media, &self.paths)?;
        encoders.insert(media, encoder.clone());
        Ok(encoder)
    }

    /// Starts a query.
    pub fn request(&self) -> Request<'_> {
        Request::new(self)
    }

    /// The bundle that scores.
    pub fn bundle(&self) -> &'a Bundle {
        self.bundle
    }

    /// The host's searcher; of several indexes the first one's.
    pub fn searcher(&self) -> &Searcher {
        &self.shards.first().searcher
    }

    /// Address of the live document `id`; segments of several indexes are numbered on.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownId`]; [`ErrorCode::UnknownField`] in an index without ids.
    pub fn find(&self, id: &str) -> Result<DocAddress> {
        let unknown = || {
            Error::new(ErrorCode::UnknownId, format!("no document has the id {id:?}"))
                .hint("ids are case-sensitive and whole; `--filter 'id:..'` finds one too")
        };
        let field = id_field(self.searcher().schema())?;
        let mut base = 0;
        for shard in self.shards.iter() {
            if let Some(found) = guarded(shard.dir, || find_document(&shard.searcher, field, id))? {
                return Ok(DocAddress::new(base + found.segment_ord, found.doc_id));
            }
            base += shard.searcher.segment_readers().len() as u32;
        }
        Err(unknown())
    }

    /// By media type: whether any index holds an item of it.
    pub(super) fn held(&self) -> Result<Vec<bool>> {
        let mut held = vec![false; self.bundle.media().len()];
        for shard in self.shards.iter() {
            for reader in shard.searcher.segment_readers() {
                let vectors = self.shards.cache.get(reader)?;
                for (media, held) in held.iter_mut().enumerate() {
                    *held = *held || {
                        let docs = vectors.view(media).docs.iter();
                        // The values of an open file are unchecked, and the host looks into a bitset.
                        docs.copied().any(|doc| doc < reader.max_doc() && !reader.is_deleted(doc))
                    };
                }
            }
        }
        Ok(held)
    }
}
