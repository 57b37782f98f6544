//! The index directory: a tantivy index, the bundle that made it, and the manifest that ties them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tantivy::schema::{Field, Schema};
use tantivy::{IndexReader, ReloadPolicy, SegmentReader};

use super::held::Files;
use super::layout::ENCODERS;
use super::litter;
use super::manifest::Manifest;
use super::roots::Roots;
use super::snapshot::{Place, settled};
use super::writer::Writer;
use crate::corpus::{IdsFrom, Root};
use crate::encode::Registry;
use crate::error::{Error, ErrorCode, Result};
use crate::index::files::directory::IndexDirectory;
use crate::index::files::guarded::guarded;
use crate::index::files::names::{self, within};
use crate::index::files::sorted::refuse_sorting;
use crate::index::files::sound::SoundDirectory;
use crate::index::plugin::cache::SegmentCache;
use crate::index::plugin::field::MediaField;
use crate::index::plugin::host::UvecPlugin;
use crate::index::plugin::segment::file_of;
use crate::limits::READ_AT_OPEN;
use crate::media::Fingerprint;
use crate::model::{Bundle, OnExisting};
use crate::schema::{FieldMap, FieldSchema, register_analyses};

/// An index directory that is open. A clone is cheap, and shares what is open.
#[derive(Clone)]
pub struct Index {
    dir: PathBuf,
    tantivy: tantivy::Index,
    sound: SoundDirectory,
    plugin: UvecPlugin,
    media: MediaField,
    fields: FieldMap,
    manifest: Manifest,
    bundle: Arc<Bundle>,
    /// The folder that was opened: another may be put in its place.
    place: Arc<Place>,
}

impl Index {
    /// Makes an empty index in the directory `dir`, which must not exist or be empty, with a copy of `bundle`.
    ///
    /// # Errors
    /// [`ErrorCode::Exists`], those of [`FieldSchema::check_features`], or those of writing.
    pub fn create(dir: &Path, fields: &FieldSchema, bundle: &Bundle) -> Result<Self> {
        fields.check_features()?;
        std::fs::create_dir_all(dir).map_err(|e| Error::io(dir, e))?;
        if std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))?.next().is_some() {
            return Err(Error::new(ErrorCode::Exists, "the directory of a new index is not empty").file(dir));
        }
        let folder = bundle_folder(bundle.model());
        bundle.save_in_index(&dir.join(&folder), OnExisting::Refuse)?;
        let mut builder = Schema::builder();
        crate::schema::tantivy_schema(fields, &mut builder);
        MediaField::add(&mut builder, &bundle.space_spec())?;
        crate::schema::add_source(&mut builder);
        let plugin = UvecPlugin::new();
        tantivy::Index::builder()
            .schema(builder.build())
            .register_plugin(plugin.registered())
            .open_or_create(SoundDirectory::new(IndexDirectory::open(dir)?))
            .map_err(|e| Error::from(e).file(dir))?;
        // Last: without a manifest nothing here opens.
        let version = uncsm_format::FORMAT_VERSION;
        let manifest = Manifest {
            format_version: version,
            bundle: folder,
            complete: false,
            pending: BTreeSet::new(),
            ids: None,
            fields: fields.clone(),
        };
        manifest.save(dir)?;
        Self::open(dir)
    }

    /// Opens the index at `dir`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] where there is none; [`ErrorCode::SpaceMismatch`] where bundle and schema do not belong
    /// together; [`ErrorCode::Damaged`]; [`ErrorCode::UnsupportedVersion`], also for a tokenizer that this build does not
    /// have; [`ErrorCode::BadArgument`] for a sorted one.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_reading(dir, READ_AT_OPEN)
    }

    /// As [`Index::open`]; where all files of the commit have `whole` bytes or fewer, a reader reads them whole first, so that nothing
    /// damaged is searched: `u64::MAX` for any index, 0 for none. [`Index::open`] asks for 4 MiB. Cost: a read of these files.
    ///
    /// # Errors
    /// Those of [`Index::open`].
    pub fn open_reading(dir: &Path, whole: u64) -> Result<Self> {
        guarded([dir], || settled(dir, || Self::open_now(dir, whole)))
    }

    fn open_now(dir: &Path, whole: u64) -> Result<Self> {
        let place = Arc::new(Place::of(dir));
        let (manifest, bundle) = manifest_and_bundle(dir, |folder| {
            names::check_folder(folder)?;
            Bundle::FILES.iter().try_for_each(|name| names::check(&folder.join(name)))?;
            optional(names::check(&folder.join(Bundle::CHECKS)))?;
            Bundle::open(folder)
        })?;
        optional(names::check_folder(&dir.join(ENCODERS)))?;
        let bundle = Arc::new(bundle);
        let plugin = UvecPlugin::new().with_bundle(bundle.clone());
        let sound = SoundDirectory::reading(IndexDirectory::open(dir)?, plugin.cache().looked(), whole);
        let mut tantivy = tantivy::Index::open(sound.clone()).map_err(|e| within(e.into(), dir))?;
        tantivy.register_plugin(plugin.registered());
        refuse_sorting(tantivy.settings()).map_err(|e| e.file(dir))?;
        register_analyses(&tantivy).map_err(|e| e.file(dir))?;
        let schema = tantivy.schema();
        let media = MediaField::of(&schema).map_err(|e| e.file(dir))?;
        media.check_space(bundle.space()).map_err(|e| e.file(dir))?;
        check_folder(dir, &manifest, &bundle)?;
        let fields = FieldMap::of_own(&schema, &manifest.fields).map_err(|e| e.file(dir))?;
        let dir = dir.to_path_buf();
        let index = Self { dir, tantivy, sound, plugin, media, fields, manifest, bundle, place };
        index.check_place()?;
        Ok(index)
    }

    /// A reader that sees the last commit, with all segments opened in the cache. Needs no write access; a writer beside it
    /// does not disturb it.
    ///
    /// # Errors
    /// A segment of another space or version, or a damaged header, refuses the whole index.
    pub fn reader(&self) -> Result<IndexReader> {
        guarded([self.dir()], || settled(&self.dir, || self.reader_now()))
    }

    fn reader_now(&self) -> Result<IndexReader> {
        self.files().look_ahead()?;
        // Without a warmer: the host never ends the thread that a reader with one starts.
        let reader: IndexReader =
            self.tantivy.reader_builder().reload_policy(ReloadPolicy::Manual).try_into().map_err(
                |e: tantivy::TantivyError| self.bad_segment().unwrap_or_else(|| within(e.into(), &self.dir)),
            )?;
        for segment in reader.searcher().segment_readers() {
            self.cache().get(segment).map_err(|e| within(e, &self.dir))?;
        }
        let names = reader.searcher().segment_readers().iter().map(|r| file_of(r).into()).collect::<Vec<_>>();
        self.sound.check_ends(names).map_err(|fault| fault.error(&self.dir))?;
        self.check_schema()?;
        Ok(reader)
    }

    /// Whether `searcher` sees the last commit. Cost: a read of `meta.json`.
    pub(crate) fn is_current(&self, searcher: &tantivy::Searcher) -> Result<bool> {
        let metas = guarded([self.dir()], || {
            settled(&self.dir, || self.tantivy.load_metas().map_err(|e| within(e.into(), &self.dir)))
        })?;
        let last = metas.segments.iter().map(|segment| (segment.id(), segment.delete_opstamp()));
        Ok(last.collect::<BTreeMap<_, _>>() == *searcher.generation().segments())
    }

    /// The host's index and where its files lie.
    pub(crate) fn files(&self) -> Files<'_> {
        Files { tantivy: &self.tantivy, sound: Some(&self.sound), dir: Some(&self.dir) }
    }

    /// Refuses where another folder was put in the place of the one that was opened.
    fn check_place(&self) -> Result<()> {
        if self.place.is_at(&self.dir) { Ok(()) } else { Err(self.replaced()) }
    }

    /// Refuses an index of other fields or another space than those that were opened.
    fn check_schema(&self) -> Result<()> {
        let metas = self.tantivy.load_metas().map_err(|e| within(e.into(), &self.dir))?;
        if metas.schema == self.tantivy.schema() { Ok(()) } else { Err(self.replaced()) }
    }

    fn replaced(&self) -> Error {
        Error::new(ErrorCode::Changed, "the index was replaced by another one since it was opened")
            .file(&self.dir)
            .hint("open it again")
    }

    /// Looks at the stored documents and vectors of `searcher`'s segments before they are shown: at every byte, as far as
    /// an open reads, see ARCHITECTURE.md. Each file once.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], naming file and section.
    pub(crate) fn check_contents(&self, searcher: &tantivy::Searcher) -> Result<()> {
        let names = searcher.segment_readers().iter().flat_map(|reader| {
            let store = format!("{}.store", reader.segment_id().uuid_string());
            [PathBuf::from(store), file_of(reader).into()]
        });
        self.sound.check_contents(names.collect::<Vec<_>>()).map_err(|fault| fault.error(&self.dir))
    }

    /// Why the first segment that does not open does not open.
    fn bad_segment(&self) -> Option<Error> {
        let segments = self.tantivy.searchable_segments().ok()?;
        segments.iter().find_map(|segment| match SegmentReader::open(segment) {
            Ok(reader) => self.cache().get(&reader).err().map(|error| within(error, &self.dir)),
            Err(error) => Some(within(error.into(), &self.dir)),
        })
    }

    /// A writer with `memory` bytes for documents that are not yet in a segment. Removes what killed writers have left.
    ///
    /// # Errors
    /// Those of [`Writer::new`]; [`ErrorCode::Changed`] where another index was put in the place of this one.
    pub fn writer(&self, memory: usize) -> Result<Writer> {
        let fingerprints = (self.bundle.space(), self.bundle.model());
        // What is projected is stored: nothing of the bundle may be unread.
        self.bundle.check()?;
        // The host applies deletes on a thread where a panic ends the process.
        let changing = self.sound.changing();
        let writer = guarded([self.dir()], || {
            // Under the lock, before anything is written: from there on the folder stays in its place.
            let check = || self.check_place().and_then(|()| self.check_schema());
            Writer::checked(&self.tantivy, self.cache(), self.id_field(), fingerprints, memory, check)
                .map_err(|e| e.file(&self.dir))
        })?;
        // What a killed writer was making has no owner, and no other bundle is being attached.
        litter::remove(&self.dir, &Manifest::load(&self.dir)?.bundle)?;
        Ok(writer.within(&self.dir, changing))
    }

    /// Says in the manifest that the source was indexed to its end.
    ///
    /// # Errors
    /// Those of [`Manifest::save`].
    pub fn mark_complete(&mut self) -> Result<()> {
        self.check_place()?;
        // Read anew: what stands there may be newer than what was opened.
        self.manifest = Manifest::load(&self.dir)?;
        self.manifest.complete = true;
        self.manifest.pending.clear();
        self.manifest.save(&self.dir)
    }

    /// Writes down what ids are made from, of an index without documents.
    pub(crate) fn made_ids(&mut self, from: IdsFrom) -> Result<()> {
        self.manifest.ids = Some(from).filter(|from| !from.is_line());
        self.manifest.save(&self.dir)
    }

    /// Writes down that documents are read from `root`; one of which none is committed then does no harm. Says whether it
    /// could: there are at most [`SOURCE_ROOTS`](crate::limits::SOURCE_ROOTS).
    pub(crate) fn add_root(&self, root: &Root) -> Result<bool> {
        self.check_place()?;
        Roots::add(&self.dir, root)
    }

    /// The sources that documents were read from, in order of id; documents have references to them. Cost: a read of their
    /// list.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], [`ErrorCode::TooLarge`] or [`ErrorCode::UnsupportedVersion`] for the list of sources, which
    /// queries do not need.
    pub fn roots(&self) -> Result<BTreeSet<Root>> {
        Ok(Roots::load(&self.dir)?.roots)
    }

    /// Says in the manifest that only a part of `source` is in an index that was complete before.
    pub(crate) fn begin_source(&self, source: &str) -> Result<()> {
        self.check_place()?;
        // Read anew: what stands there may be newer than what was opened.
        let mut manifest = Manifest::load(&self.dir)?;
        if manifest.pending.insert(source.to_owned()) || manifest.complete {
            manifest.complete = false;
            manifest.save(&self.dir)?;
        }
        Ok(())
    }

    /// Says in the manifest that `source` was indexed to its end. Gives whether the index is complete now: not so while
    /// another source is in it in part.
    ///
    /// # Errors
    /// Those of reading and writing the manifest.
    pub fn complete_source(&mut self, source: &str) -> Result<bool> {
        self.check_place()?;
        self.manifest = Manifest::load(&self.dir)?;
        let removed = self.manifest.pending.remove(source);
        if removed && self.manifest.pending.is_empty() {
            self.manifest.complete = true;
        }
        if removed {
            self.manifest.save(&self.dir)?;
        }
        Ok(self.manifest.complete)
    }

    /// Directory of the index.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The host's index.
    pub fn tantivy(&self) -> &tantivy::Index {
        &self.tantivy
    }

    /// Opened segments.
    pub fn cache(&self) -> &SegmentCache {
        self.plugin.cache()
    }

    /// The media field.
    pub fn media(&self) -> &MediaField {
        &self.media
    }

    /// The document's other fields.
    pub fn fields(&self) -> &FieldMap {
        &self.fields
    }

    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The bundle that the index holds.
    pub fn bundle(&self) -> &Arc<Bundle> {
        &self.bundle
    }

    /// `paths` with the encoders inside this index before them, where there are any.
    pub fn encoder_paths(&self, paths: Registry) -> Registry {
        encoder_paths_in(&self.dir, paths)
    }

    /// The field of document ids.
    pub fn id_field(&self) -> Option<Field> {
        self.tantivy.schema().get_field("id").ok()
    }
}

/// `paths` with the encoders inside the index at `dir` before them, where there are any.
pub(crate) fn encoder_paths_in(dir: &Path, paths: Registry) -> Registry {
    let inside = dir.join(ENCODERS);
    if inside.is_dir() { paths.with_root(inside) } else { paths }
}

/// Compares the bundle of the index at `dir` with its fingerprints: a read of all of it.
pub(crate) fn verify_bundle(dir: &Path) -> Result<()> {
    manifest_and_bundle(dir, Bundle::verify).map(drop)
}

/// What may be missing.
fn optional(found: Result<()>) -> Result<()> {
    found.or_else(|error| if error.code() == ErrorCode::NotFound { Ok(()) } else { Err(error) })
}

/// The manifest and the bundle that it names. An attach in between takes the bundle away: then both are read again, but
/// not for ever, since the folder may really be missing.
fn manifest_and_bundle<B>(dir: &Path, mut load: impl FnMut(&Path) -> Result<B>) -> Result<(Manifest, B)> {
    let mut left = 10;
    loop {
        let manifest = Manifest::load(dir)?;
        match load(&manifest.bundle_dir(dir)) {
            Ok(bundle) => return Ok((manifest, bundle)),
            Err(error) if error.code() != ErrorCode::NotFound || left == 0 => return Err(error),
            Err(_) => left -= 1,
        }
    }
}

/// The folder of a bundle says which one it is: another one of the same space would rank otherwise.
fn check_folder(dir: &Path, manifest: &Manifest, bundle: &Bundle) -> Result<()> {
    let expected = bundle_folder(bundle.model());
    if manifest.bundle == expected {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Damaged, "the bundle in the index is not the one that the manifest names")
        .file(manifest.bundle_dir(dir))
        .expected(&manifest.bundle)
        .got(expected)
        .hint("bring the folder back from a copy, or build the index again"))
}

pub(crate) fn bundle_folder(model: Fingerprint) -> String {
    format!("bundle-{}", &model.to_string()[..16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bundle_that_is_swapped_while_it_is_opened_is_read_anew() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("index");
        let bundle = Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 0, 3);
        drop(Index::create(&dir, &FieldSchema::default(), &bundle).unwrap());
        let rare = bundle.with_prior(0.01).unwrap();
        let mut calls = 0;
        let (manifest, got) = manifest_and_bundle(&dir, |folder| {
            calls += 1;
            if calls == 1 {
                crate::index::dir::attach::attach(&dir, &rare).unwrap();
            }
            Bundle::load(folder)
        })
        .unwrap();
        assert_eq!((calls, got.model()), (2, rare.model()));
        assert_eq!(manifest.bundle, bundle_folder(rare.model()));
        std::fs::remove_dir_all(manifest.bundle_dir(&dir)).unwrap();
        assert_eq!(Index::open(&dir).err().unwrap().code(), ErrorCode::NotFound);
    }
}
