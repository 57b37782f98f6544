//! The opened segments: opening one per query would map and fault it anew each time, and a searcher may be held for longer
//! than its files stand in the directory.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tantivy::directory::error::OpenReadError;
use tantivy::directory::{Directory, ManagedDirectory};
use tantivy::index::{Segment, SegmentId};
use tantivy::{Index, Searcher, SearcherGeneration, SegmentReader, Warmer};

use super::segment::SegmentVectors;
use crate::error::Result;
use crate::index::files::names::FIELD_TYPE;
use crate::index::files::sound::Looked;
use crate::media::SpaceSpec;
use crate::model::Bundle;

/// Between two looks at which segments are gone.
const LOOK: Duration = Duration::from_secs(1);
/// How long a segment stays whose files are gone, where readers are not seen: in a directory that shares no maps.
const GRACE: Duration = Duration::from_secs(30);

/// Opened segments by id, shared by plugin, queries and collectors; also remembers which segments are damaged.
///
/// A segment enters when it is written or merged in this process, when a reader reloads (as a [`Warmer`]), or at its first
/// query. It stays for as long as its files are in the directory, a searcher of this directory holds them, or its vectors
/// are in use. The next query of a new segment, commit or reload lets it go, at most once a second, and with it the disk
/// space of a deleted file. Cost of a held segment: one map, no memory of its own. In a `RamDirectory`, where searchers
/// without a [`Warmer`] are not seen, a deleted segment stays for 30 seconds.
#[derive(Clone, Default)]
pub struct SegmentCache {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Open>,
    damaged: Mutex<BTreeMap<SegmentId, String>>,
    looked: Looked,
    /// Whose sample queries tell how far a search of new segments must go.
    bundle: Mutex<Option<Arc<Bundle>>>,
    /// Whether new segments are written without cells.
    bare: AtomicBool,
    /// Nanoseconds that cells of new segments took.
    cells: AtomicU64,
}

#[derive(Default)]
struct Open {
    segments: HashMap<SegmentId, Held>,
    looked: Option<Instant>,
}

struct Held {
    vectors: Arc<SegmentVectors>,
    /// `None` for one that was opened elsewhere: it stays as long as the cache.
    files: Option<Files>,
    /// In a generation of a reader that warms this cache.
    is_live: bool,
    /// Since when nobody is seen to need it.
    unneeded: Option<Instant>,
}

/// Where a segment lies. The directory alone: an index would hold the plugin, and that this cache.
#[derive(Clone)]
struct Files {
    directory: ManagedDirectory,
    vectors: PathBuf,
    /// A file that every reader of the segment holds.
    store: PathBuf,
    /// Whether it was there once: a segment under construction has none yet.
    was_whole: bool,
}

impl Files {
    fn new(directory: &ManagedDirectory, segment: SegmentId) -> Self {
        let name = |kind: &str| PathBuf::from(format!("{}.{kind}", segment.uuid_string()));
        let (vectors, store) = (name(FIELD_TYPE), name("store"));
        Self { directory: directory.clone(), vectors, store, was_whole: false }
    }

    /// Whether a reader has the segment open or may still open it.
    fn need(&mut self) -> Need {
        let is_there = |file: &PathBuf| self.directory.exists(file).unwrap_or(true);
        // A file that is gone still opens where somebody holds its map: directories on disk share maps by name.
        let opens = |file: &PathBuf| {
            !matches!(self.directory.open_read(file), Err(OpenReadError::FileDoesNotExist(_)))
        };
        if is_there(&self.store) {
            self.was_whole = true;
            return Need::Seen;
        }
        if (!self.was_whole && is_there(&self.vectors)) || opens(&self.store) {
            return Need::Seen;
        }
        // This cache holds them: where they do not open, the directory would not show a reader either.
        if opens(&self.vectors) { Need::None } else { Need::Unknown }
    }
}

/// What is known of a segment's readers.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Seen,
    Unknown,
    None,
}

impl Held {
    /// In use here, so that nothing else needs to be asked.
    fn is_in_use(&self) -> bool {
        self.is_live || Arc::strong_count(&self.vectors) > 1
    }

    fn stays(&mut self, need: Need, was_whole: bool, now: Instant) -> bool {
        if let Some(files) = &mut self.files {
            files.was_whole = was_whole;
        }
        if self.is_in_use() || need == Need::Seen {
            self.unneeded = None;
            return true;
        }
        if need == Need::None {
            return false;
        }
        now.saturating_duration_since(*self.unneeded.get_or_insert(now)) < GRACE
    }
}

impl SegmentCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn set_bundle(&self, bundle: Arc<Bundle>) {
        *lock(&self.shared.bundle) = Some(bundle);
    }

    /// The bundle, where it is of this space.
    pub(super) fn bundle(&self, spec: &SpaceSpec) -> Option<Arc<Bundle>> {
        lock(&self.shared.bundle).clone().filter(|bundle| bundle.space() == spec.space)
    }

    /// From now on segments are written without cells: for those that will be merged, where they are made anew.
    pub(crate) fn leave_out_cells(&self) {
        self.shared.bare.store(true, Ordering::Relaxed);
    }

    /// Runs `make`, which makes cells, unless they are left out; counts its time.
    pub(super) fn cells(&self, make: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.shared.bare.load(Ordering::Relaxed) {
            return Ok(());
        }
        let started = Instant::now();
        let made = make();
        self.shared.cells.fetch_add(started.elapsed().as_nanos() as u64, Ordering::Relaxed);
        made
    }

    /// Time that the cells of new segments took so far.
    pub(crate) fn cells_time(&self) -> Duration {
        Duration::from_nanos(self.shared.cells.load(Ordering::Relaxed))
    }

    /// The vectors of `reader`'s segment, opened on first use.
    ///
    /// # Errors
    /// Those of [`SegmentVectors::open`].
    pub fn get(&self, reader: &SegmentReader) -> Result<Arc<SegmentVectors>> {
        if let Some(found) = lock(&self.shared.open).segments.get(&reader.segment_id()) {
            return Ok(found.vectors.clone());
        }
        let opened = Arc::new(SegmentVectors::open(reader)?);
        Ok(self.take_in(reader.segment_id(), reader.index(), opened))
    }

    /// Opens a segment that is just being written, before anybody can merge it and take its files away. One that does not
    /// open is left to whoever reads it.
    pub(crate) fn keep(&self, segment: &Segment, spec: &SpaceSpec, documents: u32) {
        match SegmentVectors::of_new(segment, spec, documents) {
            Ok(opened) => drop(self.take_in(segment.id(), segment.index(), Arc::new(opened))),
            Err(error) => tracing::warn!("the new segment does not open: {error}"),
        }
    }

    fn take_in(&self, id: SegmentId, index: &Index, opened: Arc<SegmentVectors>) -> Arc<SegmentVectors> {
        let now = Instant::now();
        let mut open = lock(&self.shared.open);
        let files = || Some(Files::new(index.directory(), id));
        let new = || Held { vectors: opened, files: files(), is_live: false, unneeded: None };
        let vectors = open.segments.entry(id).or_insert_with(new).vectors.clone();
        let is_due = open.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK);
        if is_due {
            open.looked = Some(now);
        }
        drop(open);
        if is_due {
            self.look(now);
        }
        vectors
    }

    /// Takes in a segment that is open elsewhere.
    pub(crate) fn hold(&self, segment: SegmentId, vectors: Arc<SegmentVectors>) {
        let held = Held { vectors, files: None, is_live: false, unneeded: None };
        lock(&self.shared.open).segments.entry(segment).or_insert(held);
    }

    /// Marks a segment as damaged: the merge policy leaves it out from now on.
    pub(crate) fn mark_damaged(&self, segment: SegmentId, reason: String) {
        lock(&self.shared.damaged).entry(segment).or_insert(reason);
    }

    /// Segments that a merge found damaged, with the first reason.
    pub fn damaged(&self) -> Vec<(SegmentId, String)> {
        lock(&self.shared.damaged).iter().map(|(id, reason)| (*id, reason.clone())).collect()
    }

    /// Files that were read whole in this process.
    pub(crate) fn looked(&self) -> &Looked {
        &self.shared.looked
    }

    /// Number of segments held open.
    pub fn len(&self) -> usize {
        lock(&self.shared.open).segments.len()
    }

    /// Whether no segment is held open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets go of what has been unneeded for long enough.
    pub(crate) fn tidy(&self) {
        self.look(Instant::now());
    }

    /// Lets go of what was unneeded at `now` for long enough.
    fn look(&self, now: Instant) {
        let asked: Vec<(SegmentId, Files)> = lock(&self.shared.open)
            .segments
            .iter()
            .filter(|(_, held)| !held.is_in_use())
            .filter_map(|(id, held)| Some((*id, held.files.clone()?)))
            .collect();
        // The file system is asked while nothing is locked: queries go on.
        let needs = asked.into_iter().map(|(id, mut files)| (id, (files.need(), files.was_whole)));
        let needs: HashMap<SegmentId, (Need, bool)> = needs.collect();
        lock(&self.shared.open).segments.retain(|id, held| match needs.get(id) {
            Some(&(need, was_whole)) => held.stays(need, was_whole, now),
            None => true,
        });
    }
}

/// Opens new segments when a reader reloads, and lets go of those that no searcher uses any more.
impl Warmer for SegmentCache {
    fn warm(&self, searcher: &Searcher) -> tantivy::Result<()> {
        for reader in searcher.segment_readers() {
            self.get(reader).map_err(super::error::to_tantivy)?;
            if let Some(held) = lock(&self.shared.open).segments.get_mut(&reader.segment_id()) {
                held.is_live = true;
            }
        }
        Ok(())
    }

    /// Another reader, with or without a warmer, may hold what this one has let go: it is seen by its files.
    fn garbage_collect(&self, live_generations: &[&SearcherGeneration]) {
        for (id, held) in &mut lock(&self.shared.open).segments {
            held.is_live = live_generations.iter().any(|live| live.segments().contains_key(id));
        }
        self.look(Instant::now());
    }
}

/// A panic elsewhere while holding the lock leaves whole entries only, so the content stays usable.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
