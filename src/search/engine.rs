//! What an app keeps: indexes, the bundle that scores, and its encoders.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tantivy::{DocAddress, IndexReader, Searcher};

use super::request::Request;
use super::show::document::{StoredDocument, document};
use super::top::ID_FIELD;
use super::view::View;
use super::view::encoders::OpenEncoders;
use super::view::shard::{Shard, Shards};
use crate::encode::{Encoder, Registry};
use crate::error::{Error, ErrorCode, Result};
use crate::index::{
    Index, Manifest, MediaField, SegmentCache, bundle_folder, check_created, encoder_paths_in, guarded,
};
use crate::model::Bundle;

/// Searches one index, or several as if they were one. It owns what it needs: a clone is cheap, may go to any thread and
/// live in the state of an app. Clones are at one state, which a reload of any brings forward.
///
/// An engine answers from the commit that it was made at, or last [reloaded](Engine::reload) at. A request keeps the state
/// that it was started on, whatever is committed or reloaded meanwhile.
///
/// # Example
/// ```no_run
/// use uncsm_index::index::Index;
/// use uncsm_index::search::{Engine, Fusion};
///
/// # fn main() -> uncsm_index::Result<()> {
/// let engine = Engine::new(&Index::open("index".as_ref())?)?;
/// // Pictures that match the sentence, of documents that match the keywords.
/// let found = engine.request().text("a red circle")?.keywords("on white").fusion(Fusion::Metric).k(5).run()?;
/// for hit in &found.hits {
///     println!("{:?}: {:?}", hit.id, hit.probability);
/// }
/// // After a commit of a writer, in this process or another.
/// engine.reload()?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Engine {
    sources: Arc<[Source]>,
    /// Shared by all clones.
    now: Arc<RwLock<View>>,
    /// Held by the clone that reloads.
    reloading: Arc<Mutex<()>>,
    /// Whether the bundle is that of the only index, and goes on with it.
    follows: bool,
}

/// Where a shard comes from.
#[derive(Clone)]
enum Source {
    Own(Arc<Index>),
    Host { index: tantivy::Index, reader: HostReader, cache: SegmentCache },
}

/// How the engine sees an app's own index.
#[derive(Clone)]
#[non_exhaustive]
pub enum HostReader {
    /// The commit that the reader shows; [`Engine::reload`] reloads it.
    Reader(IndexReader),
    /// One commit for good.
    Searcher(Searcher),
}

impl From<IndexReader> for HostReader {
    fn from(reader: IndexReader) -> Self {
        Self::Reader(reader)
    }
}

impl From<Searcher> for HostReader {
    fn from(searcher: Searcher) -> Self {
        Self::Searcher(searcher)
    }
}

impl Source {
    fn open(&self) -> Result<Shard> {
        match self {
            Self::Own(index) => guarded([index.dir()], || Shard::of(index)),
            Self::Host { index, reader, cache } => guarded([], || {
                let searcher = match reader {
                    HostReader::Reader(reader) => reader.searcher(),
                    HostReader::Searcher(searcher) => searcher.clone(),
                };
                Shard::host(index, searcher, cache)
            }),
        }
    }

    fn cache(&self) -> &SegmentCache {
        match self {
            Self::Own(index) => index.cache(),
            Self::Host { cache, .. } => cache,
        }
    }

    /// Whether there is a newer commit than that of `shard`. Brings a reader to it.
    fn is_newer(&self, shard: &Shard) -> Result<bool> {
        let shown = shard.searcher.generation();
        match self {
            Self::Own(index) => Ok(!index.is_current(&shard.searcher)?),
            Self::Host { reader: HostReader::Searcher(_), .. } => Ok(false),
            Self::Host { index, reader: HostReader::Reader(reader), .. } => guarded([], || {
                let metas = index.load_metas()?;
                let last: BTreeMap<_, _> =
                    metas.segments.iter().map(|segment| (segment.id(), segment.delete_opstamp())).collect();
                // A reader that follows commits by itself may be there already.
                if *reader.searcher().generation().segments() != last {
                    reader.reload()?;
                }
                Ok(reader.searcher().generation().segments() != shown.segments())
            }),
        }
    }
}

impl Engine {
    /// Opens a reader on `index`, and scores with the bundle that it holds; what is attached to it later comes with
    /// [`Engine::reload`]. Encoders are opened when a query part needs one, from the index itself or from where
    /// [`Registry::from_env`] says.
    ///
    /// # Errors
    /// Those of [`Index::reader`].
    pub fn new(index: &Index) -> Result<Self> {
        Ok(Self { follows: true, ..Self::over([index], index.bundle().clone())? })
    }

    /// Opens readers on `indexes`, which answer as one: with shared keyword statistics, and one ranking by `bundle`. An id
    /// that stands in two of them is two documents. The engine keeps `bundle`, whatever is attached to an index.
    ///
    /// # Errors
    /// [`BadArgument`](crate::ErrorCode::BadArgument) without any, or for one that is named twice, by whatever path; [`SchemaConflict`](crate::ErrorCode::SchemaConflict) where their fields differ;
    /// [`SpaceMismatch`](crate::ErrorCode::SpaceMismatch) where one belongs to another space than `bundle`; those of [`Index::reader`].
    pub fn over<'i>(
        indexes: impl IntoIterator<Item = &'i Index>,
        bundle: impl Into<Arc<Bundle>>,
    ) -> Result<Self> {
        let bundle = bundle.into();
        let mut paths = Registry::from_env();
        let mut sources = Vec::new();
        let mut places: Vec<PathBuf> = Vec::new();
        for index in indexes {
            // By another path it is the same one. What cannot be resolved fails when it is read.
            let place = index.dir().canonicalize().unwrap_or_else(|_| index.dir().to_owned());
            if places.contains(&place) {
                return Err(Error::new(ErrorCode::BadArgument, "an index is named twice")
                    .file(index.dir())
                    .expected("each index once")
                    .hint("name it once: its documents would come twice"));
            }
            places.push(place);
            index.media().check_space(bundle.space()).map_err(|e| e.file(index.dir()))?;
            paths = index.encoder_paths(paths);
            sources.push(Source::Own(Arc::new(index.clone())));
        }
        Self::of(sources, bundle, paths)
    }

    /// Searches an app's own tantivy index, as `reader` shows it: an `IndexReader`, or a `Searcher` for one commit. `cache` is
    /// that of its plugin. Documents are named by the field `id`, unless [`Engine::id_field`] says another; without one, ties
    /// are broken by address.
    ///
    /// # Errors
    /// [`BadValue`](crate::ErrorCode::BadValue) without a media field; [`SpaceMismatch`](crate::ErrorCode::SpaceMismatch) where it belongs to another space than `bundle`; [`BadArgument`](crate::ErrorCode::BadArgument) where
    /// the index was created without the plugin, and so has no vectors; those of opening segments.
    pub fn host(
        index: &tantivy::Index,
        reader: impl Into<HostReader>,
        cache: &SegmentCache,
        bundle: impl Into<Arc<Bundle>>,
    ) -> Result<Self> {
        Self::hosts([(index, reader, cache)], bundle)
    }

    /// [`Engine::host`] of several indexes, which answer as one like those of [`Engine::over`].
    ///
    /// # Errors
    /// Those of [`Engine::host`] and [`Engine::over`].
    pub fn hosts<'i, R: Into<HostReader>>(
        indexes: impl IntoIterator<Item = (&'i tantivy::Index, R, &'i SegmentCache)>,
        bundle: impl Into<Arc<Bundle>>,
    ) -> Result<Self> {
        let bundle = bundle.into();
        let source = |(index, reader, cache): (&tantivy::Index, R, &SegmentCache)| {
            MediaField::of(&index.schema())?.check_space(bundle.space())?;
            check_created(index)?;
            Ok(Source::Host { index: index.clone(), reader: reader.into(), cache: cache.clone() })
        };
        let sources = indexes.into_iter().map(source).collect::<Result<_>>()?;
        Self::of(sources, bundle, Registry::from_env())
    }

    fn of(sources: Vec<Source>, bundle: Arc<Bundle>, paths: Registry) -> Result<Self> {
        let shards = Arc::new(Shards::new(sources.iter().map(Source::open).collect::<Result<_>>()?)?);
        let view = View::new(shards, bundle, Arc::new(OpenEncoders::new(paths)), ID_FIELD.into());
        let now = Arc::new(RwLock::new(view));
        Ok(Self { sources: sources.into(), now, reloading: Arc::default(), follows: false })
    }

    /// An engine of its own over the same sources.
    fn at(self, view: View) -> Self {
        Self { now: Arc::new(RwLock::new(view)), reloading: Arc::default(), ..self }
    }

    /// Looks for encoders in the indexes themselves and in `paths`. The result is an engine of its own, reloaded by itself.
    #[must_use]
    pub fn with_encoders(self, paths: Registry) -> Self {
        let inside = |paths: Registry, shard: &Shard| match shard.dir() {
            Some(dir) => encoder_paths_in(dir, paths),
            None => paths,
        };
        let view = self.view();
        let paths = view.shards.iter().fold(paths, inside);
        let encoders = Arc::new(view.encoders.with_paths(paths));
        self.at(View { encoders, ..view })
    }

    /// Encodes query items of `media` with an encoder of the app, so that [`Request::text`], [`Request::image`] and the like
    /// work with it. The result is an engine of its own, reloaded by itself.
    ///
    /// # Errors
    /// [`UnknownMedia`](crate::ErrorCode::UnknownMedia); [`BadDimension`](crate::ErrorCode::BadDimension) for one that does not fit the pathway, [`SpaceMismatch`](crate::ErrorCode::SpaceMismatch) for another than the bundle was
    /// trained with, as far as that is known.
    pub fn with_encoder(self, media: &str, encoder: Arc<dyn Encoder>) -> Result<Self> {
        let view = self.view();
        let at = view.bundle.media_index(media)?;
        let encoders = Arc::new(view.encoders.with(&view.bundle, at, encoder)?);
        Ok(self.at(View { encoders, ..view }))
    }

    /// Names documents by the field `name`, of strings or of `u64`, in place of `id`: ties are broken by it where it is fast,
    /// hits show it, and [`Request::like`], [`Request::exclude`] and [`Engine::find`] take it. The result is an
    /// engine of its own, reloaded by itself.
    ///
    /// # Errors
    /// Those of [`IdField::of`](crate::index::IdField::of).
    pub fn id_field(self, name: &str) -> Result<Self> {
        let view = self.view();
        let named = View::new(view.shards, view.bundle, view.encoders, name.into());
        let view = View { required: view.required, ..named };
        view.id_field()?;
        Ok(self.at(view))
    }

    /// Answers as if what matches `filter`, in the grammar of [`Grammar`](super::Grammar), were all there is: it binds hits, facets, aggregations and
    /// counts, [`Request::like`], [`Engine::find`] and the rate of matches that probabilities assume, after a reload too. Called again, all
    /// filters hold. Keyword statistics and the words that a beginning or a typing error may stand for stay those of the
    /// whole index, so scores depend on other documents a little; explanations leave these numbers out. [`Engine::searcher`] shows
    /// everything. The result is an engine of its own, reloaded by itself.
    ///
    /// # Errors
    /// Those of [`Grammar::filter`](super::Grammar::filter).
    pub fn with_required_filter(self, filter: &str) -> Result<Self> {
        let view = self.view().requiring(filter)?;
        Ok(self.at(view))
    }

    /// Goes on to the last commit, and in an engine of [`Engine::new`] to the bundle that was attached since, for this engine and
    /// its clones; says whether there was something newer. Requests that were started before stay where they are. An engine of a
    /// fixed `Searcher` stays at its commit, and one that was given its bundle keeps it: make a new engine for another.
    ///
    /// Cost: a read of `meta.json` and of the manifest where nothing is new, else that of opening the index that has changed.
    ///
    /// # Errors
    /// Those of [`Index::reader`] and [`Index::open`]; the engine then stays where it was.
    pub fn reload(&self) -> Result<bool> {
        let _alone = self.reloading.lock().unwrap_or_else(PoisonError::into_inner);
        // What no view has shown for a while lets go of its files.
        self.sources.iter().for_each(|source| source.cache().tidy());
        let view = self.view();
        let (mut shards, mut newer) = (Vec::new(), false);
        for (source, shard) in self.sources.iter().zip(view.shards.iter()) {
            let is_newer = source.is_newer(shard)?;
            newer |= is_newer;
            shards.push(if is_newer { source.open()? } else { shard.clone() });
        }
        let attached = self.attached(&view)?;
        if !newer && attached.is_none() {
            return Ok(false);
        }
        let shards = if newer { Arc::new(Shards::new(shards)?) } else { view.shards };
        // The same space has the same encoders: those that are open serve on.
        let bundle = attached.unwrap_or(view.bundle);
        *self.now.write().unwrap_or_else(PoisonError::into_inner) =
            View { required: view.required, ..View::new(shards, bundle, view.encoders, view.id) };
        Ok(true)
    }

    /// The bundle of the index that is followed, where it is another than that of `view`.
    fn attached(&self, view: &View) -> Result<Option<Arc<Bundle>>> {
        let Some(Source::Own(index)) = self.sources.first().filter(|_| self.follows) else { return Ok(None) };
        // A folder is named by its bundle's fingerprint.
        if Manifest::load(index.dir())?.bundle == bundle_folder(view.bundle.model()) {
            return Ok(None);
        }
        let bundle = Index::open(index.dir())?.bundle().clone();
        index.media().check_space(bundle.space()).map_err(|e| e.file(index.dir()))?;
        Ok((bundle.model() != view.bundle.model()).then_some(bundle))
    }

    /// Starts a query, on the state of now.
    pub fn request(&self) -> Request {
        Request::new(self.view())
    }

    /// The bundle that scores.
    pub fn bundle(&self) -> Arc<Bundle> {
        self.view().bundle
    }

    /// The searcher of the state of now; of several indexes the first one's.
    pub fn searcher(&self) -> Searcher {
        self.view().searcher().clone()
    }

    /// Address of the live document `id`; segments of several indexes are numbered on.
    ///
    /// # Errors
    /// [`UnknownId`](crate::ErrorCode::UnknownId), also for one that [`Engine::with_required_filter`] hides; [`UnknownField`](crate::ErrorCode::UnknownField) in an index without ids;
    /// [`BadValue`](crate::ErrorCode::BadValue) for an `id` that is no number where the field of ids holds numbers.
    pub fn find(&self, id: &str) -> Result<DocAddress> {
        self.view().find(id)
    }

    /// What is stored of the live document `id`: of the index at position `index`, or of the first that has it. Cost: a look-up
    /// and a stored document.
    ///
    /// # Errors
    /// Those of [`Engine::find`], and of reading it.
    pub fn document(&self, id: &str, index: Option<usize>) -> Result<StoredDocument> {
        document(&self.view(), id, index)
    }

    /// The state of now. Only whole states are put here, so that a panic elsewhere leaves one.
    pub(crate) fn view(&self) -> View {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
