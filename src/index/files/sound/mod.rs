//! A directory whose damaged files do not open: the host trusts what it reads, and panics over some of it, on threads
//! where nobody catches that.
//!
//! - `meta.json` is sealed with a checksum and a record of the segments' files: length, and CRC-32 of the footer. It lands
//!   with the commit, since it is in the file that makes the commit.
//! - A file that opens is compared with the record: swapped and cut files are refused. An index whose files have no more than
//!   [`READ_AT_OPEN`] bytes in all is read whole, of a larger one the lists of deleted documents. While a writer is open, the files
//!   that queries and deletes match on are read whole, up to [`READ_FOR_CHANGES`]. Each file is read whole once.
//! - A file that the system does not let us read is not damaged: it is an error of its own.
//! - A `.store` is compared with what the host takes memory for, before it opens and for each block that is read: see [`store`].
//! - A file keeps its entry in the record for as long as it lives: a new commit does not make a damaged one sound.

mod files;
mod footer;
mod looked;
mod seal;
mod store;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{DirectoryLock, FileHandle, Lock, WatchCallback, WatchHandle, WritePtr};

pub(crate) use super::names::META;
pub(crate) use files::{Fault, LEFT, first_fault};
pub(crate) use looked::Looked;
pub(crate) use seal::{Seal, mark, unmark};
pub(crate) use store::{Dates, Layout, Misfit, StoreFile, number};

use footer::Footer;
use looked::{Purpose, lock};
use seal::{Record, seal, unseal};

use super::sorted::refuse_sorted_meta;
use crate::index::files::names::FIELD_TYPE;
use crate::limits::{READ_AT_OPEN, READ_FOR_CHANGES};

/// Kinds of the files of a segment, but for deletes and vectors.
const KINDS: [&str; 6] = ["term", "idx", "pos", "fast", "fieldnorm", "store"];

/// A directory whose damaged files do not open, for `tantivy::Index::open`; [`Index`](crate::index::dir::store::Index) has its files through it.
///
/// `meta.json` is written with a checksum and a record of the files of all segments, which the host alone skips; files that
/// were swapped or cut do not open then. Files that queries and deletes match on are read whole when they open where the index is
/// small, 4 MiB in all, and while a writer is open up to 2 GiB; others are compared with the record alone. A clone shares what was read.
///
/// # Example
/// ```no_run
/// use uncsm_index::index::{IndexDirectory, SoundDirectory, UvecPlugin};
///
/// let mut index = tantivy::Index::open(SoundDirectory::new(IndexDirectory::open("app-index")?))?;
/// index.register_plugin(UvecPlugin::new().registered());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct SoundDirectory {
    inner: Box<dyn Directory>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    record: Mutex<Record>,
    /// Held over the reading, or writing, of `meta.json` and the taking over of its record: a reader that is slow does not
    /// bring back an older one.
    gate: Mutex<()>,
    looked: Looked,
    /// Files that were written through this directory: all others are read before they get an entry.
    written: Mutex<BTreeSet<PathBuf>>,
    /// Writers that are open.
    writers: AtomicUsize,
    /// Bytes of all files of an index up to which it is read whole.
    small: u64,
    /// Whether the files of the record have more.
    is_large: AtomicBool,
}

/// A writer is open for as long as this is held.
pub(crate) struct Changing(Arc<Shared>);

impl Drop for Changing {
    fn drop(&mut self) {
        self.0.writers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for SoundDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoundDirectory({:?})", self.inner)
    }
}

impl SoundDirectory {
    /// The files of `inner`.
    pub fn new(inner: impl Directory) -> Self {
        Self::sharing(inner, &Looked::default())
    }

    /// As [`SoundDirectory::new`]; what `looked` has is not read again.
    pub(crate) fn sharing(inner: impl Directory, looked: &Looked) -> Self {
        Self::reading(inner, looked, READ_AT_OPEN)
    }

    /// As [`SoundDirectory::sharing`]; an index whose files have `small` bytes or fewer is read whole.
    pub(crate) fn reading(inner: impl Directory, looked: &Looked, small: u64) -> Self {
        let shared = Shared { looked: looked.clone(), small, ..Shared::default() };
        Self { inner: Box::new(inner), shared: Arc::new(shared) }
    }

    /// While what it gives is held, files that deletes and merges match on are read whole before they open, up to
    /// [`READ_FOR_CHANGES`].
    pub(crate) fn changing(&self) -> Changing {
        self.shared.writers.fetch_add(1, Ordering::Relaxed);
        Changing(self.shared.clone())
    }

    fn is_changing(&self) -> bool {
        self.shared.writers.load(Ordering::Relaxed) > 0
    }

    /// Whether files are read whole that open.
    pub(crate) fn reads_whole(&self) -> bool {
        self.is_changing() || !self.shared.is_large.load(Ordering::Relaxed)
    }

    /// Bytes that are read whole for one purpose, before the file `name` opens.
    fn budget(&self, name: &Path) -> u64 {
        // Small, and what they leave out would be shown in silence.
        let is_deletes = name.extension().is_some_and(|kind| kind == "del");
        match (self.is_changing() || is_deletes, self.reads_whole()) {
            (true, _) => READ_FOR_CHANGES,
            (false, true) => self.shared.small,
            (false, false) => 0,
        }
    }

    /// Looks at the contents too, stored documents and vectors, of the files `names`, where the index is small; each once.
    pub(crate) fn check_contents(&self, names: impl IntoIterator<Item = PathBuf>) -> Result<(), Fault> {
        self.check_as(names, Some(Purpose::Shown))
    }

    /// Compares the files `names` with the record.
    pub(crate) fn check_ends(&self, names: impl IntoIterator<Item = PathBuf>) -> Result<(), Fault> {
        self.check_as(names, None)
    }

    fn check_as(
        &self,
        names: impl IntoIterator<Item = PathBuf>,
        purpose: Option<Purpose>,
    ) -> Result<(), Fault> {
        for name in names {
            match self.inner.get_file_handle(&name) {
                Ok(handle) => drop(self.look(&name, handle.as_ref(), purpose)?),
                // Whoever opens the segment says so: not every segment has all files.
                Err(OpenReadError::FileDoesNotExist(_)) => {}
                Err(error) => return Err(Fault::open(&name, &error)),
            }
        }
        Ok(())
    }

    /// Whether there are committed files of which no record says what they were: a build before the record wrote them, or
    /// the host alone.
    pub(crate) fn lacks_record(&self) -> bool {
        lock(&self.shared.record).is_empty() && !self.committed().is_empty()
    }

    /// Whether the file stands in the record.
    pub(crate) fn knows(&self, name: &Path) -> bool {
        lock(&self.shared.record).contains_key(&name.display().to_string())
    }

    /// Reads the file `name` whole, whatever was seen before. A missing file is a fault where the record has it.
    pub(crate) fn check(&self, name: &Path) -> Result<(), Fault> {
        self.shared.looked.forget(name);
        match self.inner.get_file_handle(name) {
            Ok(handle) => self.look(name, handle.as_ref(), Some(Purpose::Asked)).map(drop),
            Err(OpenReadError::FileDoesNotExist(_)) if !self.knows(name) => Ok(()),
            Err(error) => Err(Fault::open(name, &error)),
        }
    }

    /// Length and CRC-32 of the whole file `name`, which is read and compared with what it says of itself and with the record.
    pub(crate) fn sum(&self, name: &Path) -> Result<(u64, u32), Fault> {
        self.check(name)?;
        let handle = self.inner.get_file_handle(name).map_err(|error| Fault::open(name, &error))?;
        let bytes = handle.read_bytes(0..handle.len()).map_err(|error| Fault::read(name, &error))?;
        let footer = Footer::of(&bytes).map_err(|reason| Fault::new(name, reason))?;
        Ok((bytes.len() as u64, footer.whole(bytes.len())))
    }

    /// Names of the files of the last commit, all that there may be; whatever of `meta.json` reads.
    pub(crate) fn committed(&self) -> Vec<PathBuf> {
        let text = self.inner.atomic_read(Path::new(META)).unwrap_or_default();
        names_in(&String::from_utf8_lossy(&text))
    }

    /// The files of the last commit, opened and not looked at; the record must be that of the commit.
    pub(crate) fn mapped(&self) -> Vec<(PathBuf, Arc<dyn FileHandle>)> {
        let open = |name: PathBuf| Some((name.clone(), self.inner.get_file_handle(&name).ok()?));
        self.committed().into_iter().filter_map(open).collect()
    }

    /// Looks at `files` as an open would, so that it need not. What is wrong is said then.
    pub(crate) fn look_at(&self, files: &[(PathBuf, Arc<dyn FileHandle>)]) {
        for (name, handle) in files {
            let purpose = kind_of(name).filter(|&kind| kind == Purpose::Matched);
            if purpose.is_some() {
                let _ = self.look(name, handle.as_ref(), purpose);
            }
        }
    }

    /// Compares the file with the record, and reads it whole where `purpose` has room for it.
    fn look(&self, name: &Path, handle: &dyn FileHandle, purpose: Option<Purpose>) -> Result<Footer, Fault> {
        let looked = &self.shared.looked;
        let bytes = handle.read_bytes(0..handle.len()).map_err(|error| Fault::read(name, &error))?;
        let known = lock(&self.shared.record).get(&name.display().to_string()).copied();
        let footer = files::ends(name, &bytes, known.as_ref())?;
        let Some(purpose) = purpose else { return Ok(footer) };
        if looked.has(name, footer.body) || !looked.fits(footer.body, purpose, self.budget(name)) {
            return Ok(footer);
        }
        files::whole(name, &bytes, &footer)?;
        looked.keep(name, footer.body, purpose);
        Ok(footer)
    }

    /// Takes over the record that a sound `meta.json` holds.
    fn unsealed(&self, bytes: &[u8]) -> Result<(), &'static str> {
        let text = std::str::from_utf8(bytes).map_err(|_| "the file is not UTF-8")?;
        let (body, seal) = unseal(text);
        if seal == Seal::Broken {
            return Err("the checksum of the whole file does not match");
        }
        let record = seal::record_of(&body);
        if !record.is_empty() {
            // Files of segments that were merged away since.
            self.shared.looked.retain(|name| record.contains_key(&name.display().to_string()));
        }
        self.take(record);
        Ok(())
    }

    fn take(&self, record: Record) {
        let bytes = record.values().fold(0u64, |sum, (length, _)| sum.saturating_add(*length));
        self.shared.is_large.store(bytes > self.shared.small, Ordering::Relaxed);
        *lock(&self.shared.record) = record;
    }

    /// Writes `meta.json`: files that were recorded keep their entry, new ones get one. Files that were not written here
    /// are read first, since the entry will stand for what lies there now.
    fn write_sealed(&self, bytes: &[u8]) -> io::Result<()> {
        let path = Path::new(META);
        let Ok(text) = std::str::from_utf8(bytes) else { return self.inner.atomic_write(path, bytes) };
        // Files may be read whole for their entries, so nobody waits for that at the gate.
        let before = lock(&self.shared.record).clone();
        let mut record = Record::new();
        for name in names_in(text) {
            let key = name.display().to_string();
            if let Some(entry) =
                before.get(&key).copied().map_or_else(|| self.entry(&name), |e| Ok(Some(e)))?
            {
                record.insert(key, entry);
            }
        }
        let _gate = lock(&self.shared.gate);
        for (key, known) in lock(&self.shared.record).iter() {
            if let Some(entry) = record.get_mut(key) {
                *entry = *known;
            }
        }
        self.inner.atomic_write(path, seal(text, &record).as_bytes())?;
        lock(&self.shared.written).retain(|name| !record.contains_key(&name.display().to_string()));
        self.take(record);
        Ok(())
    }

    /// The entry of the file `name` as it lies there; `None` where its segment does not have it.
    fn entry(&self, name: &Path) -> io::Result<Option<(u64, u32)>> {
        let failed = |fault: Fault| {
            let kind = fault.unread.unwrap_or(io::ErrorKind::InvalidData);
            io::Error::new(kind, {
                let why = fault.sentence();
                format!(
                    "the commit names a file that is not sound: {why}; bring it back from a copy, or build again"
                )
            })
        };
        let handle = match self.inner.get_file_handle(name) {
            Ok(handle) => handle,
            Err(OpenReadError::FileDoesNotExist(_)) => return Ok(None),
            Err(error) => return Err(failed(Fault::open(name, &error))),
        };
        if !lock(&self.shared.written).contains(name) {
            self.look(name, handle.as_ref(), Some(Purpose::Asked)).map_err(failed)?;
        }
        let bytes = handle.read_bytes(0..handle.len())?;
        let footer = Footer::of(&bytes).map_err(|reason| failed(Fault::new(name, reason)))?;
        Ok(Some((bytes.len() as u64, footer.own)))
    }
}

/// `None` for what is no file of the host's: a `.uvec` has rules of its own, which say more, and is compared after them.
fn kind_of(name: &Path) -> Option<Purpose> {
    match name.extension()?.to_str()? {
        "store" => Some(Purpose::Shown),
        "del" => Some(Purpose::Matched),
        kind if KINDS.contains(&kind) => Some(Purpose::Matched),
        _ => None,
    }
}

/// Names of the files that the segments in the text of `meta.json` may have.
fn names_in(meta: &str) -> Vec<PathBuf> {
    #[derive(serde::Deserialize)]
    struct Meta {
        #[serde(default)]
        persisted_custom_extensions: Vec<String>,
        segments: Vec<Segment>,
    }
    #[derive(serde::Deserialize)]
    struct Segment {
        segment_id: String,
        deletes: Option<Deletes>,
    }
    #[derive(serde::Deserialize)]
    struct Deletes {
        opstamp: u64,
    }
    let Ok(meta) = serde_json::from_str::<Meta>(meta) else { return Vec::new() };
    let mut names = Vec::new();
    for segment in &meta.segments {
        let id = segment.segment_id.replace('-', "");
        let custom = meta.persisted_custom_extensions.iter().map(String::as_str);
        names.extend(names_of(&id, segment.deletes.as_ref().map(|deletes| deletes.opstamp), custom));
    }
    names
}

/// Names of the files that segment `id` may have, with the deletes of the commit `deletes`, and `custom` kinds.
pub(crate) fn names_of<'a>(
    id: &str,
    deletes: Option<u64>,
    custom: impl IntoIterator<Item = &'a str>,
) -> Vec<PathBuf> {
    let kinds = KINDS.into_iter().chain(custom);
    let mut names: Vec<PathBuf> = kinds.map(|kind| format!("{id}.{kind}").into()).collect();
    names.extend(deletes.map(|opstamp| PathBuf::from(format!("{id}.{opstamp}.del"))));
    names
}

impl Directory for SoundDirectory {
    fn get_file_handle(&self, path: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let handle = self.inner.get_file_handle(path)?;
        // With a writer open, a merge may copy it: not what belongs to another segment.
        let is_merged = self.is_changing() && path.extension().is_some_and(|kind| kind == FIELD_TYPE);
        let kind = kind_of(path);
        if kind.is_some() || is_merged {
            let purpose = kind.filter(|&kind| kind == Purpose::Matched);
            let footer = self.look(path, handle.as_ref(), purpose).map_err(|fault| fault.into_open(path))?;
            if path.extension().is_some_and(|kind| kind == "store") {
                let file =
                    StoreFile::new(handle, path, footer.body).map_err(|fault| fault.into_open(path))?;
                return Ok(Arc::new(file));
            }
        }
        Ok(handle)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)?;
        self.shared.looked.forget(path);
        Ok(())
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.shared.looked.forget(path);
        let file = self.inner.open_write(path)?;
        lock(&self.shared.written).insert(path.to_path_buf());
        Ok(file)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
        let _gate = (path == Path::new(META)).then(|| lock(&self.shared.gate));
        let bytes = self.inner.atomic_read(path)?;
        if path == Path::new(META) {
            self.unsealed(&bytes).map_err(|reason| {
                let error = io::Error::new(io::ErrorKind::InvalidData, reason);
                OpenReadError::wrap_io_error(error, path.to_path_buf())
            })?;
        }
        Ok(bytes)
    }

    fn atomic_write(&self, path: &Path, data: &[u8]) -> io::Result<()> {
        if path == Path::new(META) {
            refuse_sorted_meta(data)?;
            return self.write_sealed(data);
        }
        self.inner.atomic_write(path, data)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        self.inner.acquire_lock(lock)
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.watch(callback)
    }
}
