//! The opened `.uvec` of a segment, held in a cache: opening one per query would map and fault it anew each time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tantivy::directory::OwnedBytes;
use tantivy::index::{SegmentComponent, SegmentId};
use tantivy::{Searcher, SearcherGeneration, SegmentReader, Warmer};
use uncsm_format::{MediaView, Uvec};

use super::field::{FIELD_TYPE, MediaField};
use crate::error::{Error, ErrorCode, Result};
use crate::media::SpaceSpec;

/// The shared vectors of one segment.
pub struct SegmentVectors {
    uvec: Uvec<OwnedBytes>,
}

impl SegmentVectors {
    /// Opens the component of `reader`'s segment and checks that it belongs to the space of the schema. O(1) where the
    /// directory gives aligned bytes (memory maps do), else one copy of the file.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], [`ErrorCode::UnsupportedVersion`] or [`ErrorCode::SpaceMismatch`], naming the file.
    pub fn open(reader: &SegmentReader) -> Result<Self> {
        let name = format!("{}.{FIELD_TYPE}", reader.segment_id().uuid_string());
        let spec = MediaField::of(reader.schema())?;
        let bytes = reader
            .open_read(SegmentComponent::Custom(FIELD_TYPE.into()))
            .map_err(|e| match super::check_created(reader.index()) {
                Err(error) if error.code() == ErrorCode::BadArgument => error,
                _ => Error::new(ErrorCode::Damaged, e.to_string()).file(&name),
            })?
            .read_bytes()
            .map_err(|e| Error::io(&name, e))?;
        let uvec = Uvec::open(bytes).map_err(|e| Error::from(e).file(&name))?;
        check_fits(&uvec, spec.spec()).map_err(|e| e.file(&name))?;
        if uvec.documents() != reader.max_doc() {
            return Err(Error::new(
                ErrorCode::Damaged,
                "the file covers another number of documents than its segment",
            )
            .file(&name)
            .expected(reader.max_doc())
            .got(uvec.documents()));
        }
        Ok(Self { uvec })
    }

    /// The opened container.
    pub fn uvec(&self) -> &Uvec<OwnedBytes> {
        &self.uvec
    }

    /// The columns of media type `media`.
    pub fn view(&self, media: usize) -> MediaView<'_> {
        self.uvec.view(media)
    }
}

fn check_fits(uvec: &Uvec<OwnedBytes>, spec: &SpaceSpec) -> Result<()> {
    if *uvec.space() != spec.space.0 {
        return Err(Error::new(
            ErrorCode::SpaceMismatch,
            "the segment belongs to another shared space than its schema",
        )
        .expected(spec.space)
        .got(crate::media::Fingerprint(*uvec.space())));
    }
    let fits = uvec.media().len() == spec.media.len()
        && uvec.media().iter().zip(&spec.media).all(|(have, want)| {
            have.name == want.name
                && have.dim as usize == want.dim
                && have.half as usize == want.half
                && have.dtype == want.dtype
        });
    if fits {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Damaged, "media types of the file are not those of the schema")
        .expected(format!("{:?}", spec.media))
        .got(format!("{:?}", uvec.media())))
}

/// Opened segments by id, shared by plugin, queries and collectors; also remembers which segments are damaged.
#[derive(Clone, Default)]
pub struct SegmentCache {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<HashMap<SegmentId, Held>>,
    damaged: Mutex<BTreeMap<SegmentId, String>>,
}

struct Held {
    vectors: Arc<SegmentVectors>,
    /// Misses in a row at which the index did not list the segment.
    unlisted: u32,
}

impl Held {
    /// A segment in use stays: its file may be gone from the directory, so it could not be opened again.
    fn is_in_use(&self) -> bool {
        Arc::strong_count(&self.vectors) > 1
    }
}

/// Misses after which a segment goes that the index no longer lists. One is not enough: an older searcher may still come.
const MISSES: u32 = 2;

impl SegmentCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    /// The vectors of `reader`'s segment, opened on first use. A miss also counts against segments that the index no
    /// longer lists and nobody holds, so that an app without a [`Warmer`] does not keep files of merged segments for ever.
    ///
    /// # Errors
    /// Those of [`SegmentVectors::open`].
    pub fn get(&self, reader: &SegmentReader) -> Result<Arc<SegmentVectors>> {
        if let Some(found) = lock(&self.shared.open).get(&reader.segment_id()) {
            return Ok(found.vectors.clone());
        }
        let opened = Arc::new(SegmentVectors::open(reader)?);
        let listed = reader.index().searchable_segment_ids();
        let mut open = lock(&self.shared.open);
        if let Ok(listed) = listed {
            let listed: HashSet<SegmentId> = listed.into_iter().collect();
            open.retain(|id, held| {
                held.unlisted = if listed.contains(id) { 0 } else { held.unlisted + 1 };
                held.is_in_use() || held.unlisted < MISSES
            });
        }
        let held = open.entry(reader.segment_id()).or_insert(Held { vectors: opened, unlisted: 0 });
        Ok(held.vectors.clone())
    }

    /// Takes in a segment that is open elsewhere.
    pub(crate) fn hold(&self, segment: SegmentId, vectors: Arc<SegmentVectors>) {
        lock(&self.shared.open).entry(segment).or_insert(Held { vectors, unlisted: 0 });
    }

    /// Marks a segment as damaged: the merge policy leaves it out from now on.
    pub(crate) fn mark_damaged(&self, segment: SegmentId, reason: String) {
        lock(&self.shared.damaged).entry(segment).or_insert(reason);
    }

    /// Segments that a merge found damaged, with the first reason.
    pub fn damaged(&self) -> Vec<(SegmentId, String)> {
        lock(&self.shared.damaged).iter().map(|(id, reason)| (*id, reason.clone())).collect()
    }

    /// Number of segments held open.
    pub fn len(&self) -> usize {
        lock(&self.shared.open).len()
    }

    /// Whether no segment is held open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Opens new segments when a reader reloads, and lets go of those that no searcher uses any more.
impl Warmer for SegmentCache {
    fn warm(&self, searcher: &Searcher) -> tantivy::Result<()> {
        for reader in searcher.segment_readers() {
            self.get(reader).map_err(super::plugin::to_tantivy)?;
        }
        Ok(())
    }

    fn garbage_collect(&self, live_generations: &[&SearcherGeneration]) {
        let is_live = |id: &SegmentId| live_generations.iter().any(|live| live.segments().contains_key(id));
        lock(&self.shared.open).retain(|id, held| held.is_in_use() || is_live(id));
    }
}

/// A panic elsewhere while holding the lock leaves whole entries only, so the content stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
