//! The opened segments: opening one per query would map and fault it anew each time, and a searcher may be held for longer
//! than its files stand in the directory.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tantivy::directory::error::OpenReadError;
use tantivy::directory::{Directory, ManagedDirectory};
use tantivy::index::{Segment, SegmentId};
use tantivy::{Index, Searcher, SearcherGeneration, SegmentReader, Warmer};

use super::field::FIELD_TYPE;
use super::segment::SegmentVectors;
use crate::error::Result;
use crate::media::SpaceSpec;

/// Between two looks at which segments are gone.
const LOOK: Duration = Duration::from_secs(1);
/// How long a segment stays that is gone and that nobody is seen to read. Readers of a `RamDirectory` are not seen.
const GRACE: Duration = Duration::from_secs(30);

/// Opened segments by id, shared by plugin, queries and collectors; also remembers which segments are damaged.
///
/// A segment enters when it is written or merged in this process, when a reader reloads (as a [`Warmer`]), or at its first
/// query. It stays for as long as its files are in the directory, a searcher of this directory holds them, or its vectors
/// are in use; 30 seconds later the next query of a new segment, commit or reload lets it go, and with it the disk space of
/// a file that is deleted. Cost of a held segment: one map, no memory of its own.
#[derive(Clone, Default)]
pub struct SegmentCache {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: Mutex<Open>,
    damaged: Mutex<BTreeMap<SegmentId, String>>,
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

    /// Whether a reader has the segment open or may still open it. What does not read is taken for a yes.
    fn are_needed(&mut self) -> bool {
        let is_there = |file: &PathBuf| self.directory.exists(file).unwrap_or(true);
        if is_there(&self.store) {
            self.was_whole = true;
            return true;
        }
        if !self.was_whole && is_there(&self.vectors) {
            return true;
        }
        // A file that is gone still opens where somebody holds its map: directories share maps by name.
        !matches!(self.directory.open_read(&self.store), Err(OpenReadError::FileDoesNotExist(_)))
    }
}

impl Held {
    fn stays(&mut self, now: Instant) -> bool {
        let Some(files) = &mut self.files else { return true };
        if self.is_live || Arc::strong_count(&self.vectors) > 1 || files.are_needed() {
            self.unneeded = None;
            return true;
        }
        now.saturating_duration_since(*self.unneeded.get_or_insert(now)) < GRACE
    }
}

impl SegmentCache {
    /// An empty cache.
    pub fn new() -> Self {
        Self::default()
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
    pub(super) fn keep(&self, segment: &Segment, spec: &SpaceSpec, documents: u32) {
        match SegmentVectors::of_new(segment, spec, documents) {
            Ok(opened) => drop(self.take_in(segment.id(), segment.index(), Arc::new(opened))),
            Err(error) => tracing::warn!("the new segment does not open: {error}"),
        }
    }

    fn take_in(&self, id: SegmentId, index: &Index, opened: Arc<SegmentVectors>) -> Arc<SegmentVectors> {
        let mut open = lock(&self.shared.open);
        let now = Instant::now();
        if open.looked.is_none_or(|looked| now.saturating_duration_since(looked) >= LOOK) {
            open.looked = Some(now);
            open.segments.retain(|_, held| held.stays(now));
        }
        let files = || Some(Files::new(index.directory(), id));
        let new = || Held { vectors: opened, files: files(), is_live: false, unneeded: None };
        open.segments.entry(id).or_insert_with(new).vectors.clone()
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

    /// Number of segments held open.
    pub fn len(&self) -> usize {
        lock(&self.shared.open).segments.len()
    }

    /// Whether no segment is held open.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Lets go of what was unneeded at `now` for long enough.
    fn look(&self, now: Instant) {
        lock(&self.shared.open).segments.retain(|_, held| held.stays(now));
    }
}

/// Opens new segments when a reader reloads, and lets go of those that no searcher uses any more.
impl Warmer for SegmentCache {
    fn warm(&self, searcher: &Searcher) -> tantivy::Result<()> {
        for reader in searcher.segment_readers() {
            self.get(reader).map_err(super::plugin::to_tantivy)?;
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
