//! A directory whose damaged files do not open: the host trusts what it reads, and panics over some of it, on threads
//! where nobody catches that.
//!
//! - `meta.json` is sealed with a checksum and a record of the segments' files: length, and CRC-32 of the footer. It lands
//!   with the commit, since it is in the file that makes the commit.
//! - A file that opens is compared with the record: swapped and cut files are refused. The files that queries and deletes
//!   match on are read whole, up to [`READ_AT_OPEN`] bytes of an index, all of them once a writer is open.
//! - A file keeps its entry in the record for as long as it lives: a new commit does not make a damaged one sound.

mod files;
mod footer;
mod seal;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tantivy::Directory;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{DirectoryLock, FileHandle, Lock, WatchCallback, WatchHandle, WritePtr};

pub(super) use files::{Depth, Fault, first_fault};
pub(super) use footer::Footer;
pub(super) use seal::{Record, Seal, seal, unseal};

use super::field::FIELD_TYPE;

/// Bytes of files that are read whole when an index is opened for queries; those beyond are compared with the record
/// alone, and `verify` finds what is wrong inside of them.
pub(super) const READ_AT_OPEN: u64 = 256 << 20;

/// The host's list of segments.
pub(super) const META: &str = "meta.json";
/// Kinds of the files of a segment, but for deletes and vectors.
const KINDS: [&str; 6] = ["term", "idx", "pos", "fast", "fieldnorm", "store"];

/// A directory whose damaged files do not open, for `tantivy::Index::open`; [`Index`](super::Index) has its files through it.
///
/// `meta.json` is written with a checksum and a record of the files of all segments, which the host alone skips; files that
/// were swapped or cut do not open then. Files that queries and deletes match on are read whole when they open, up to
/// 256 MiB in all, and then compared with the record alone. A clone shares what was read.
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
    /// How far a file was looked at, by name: files are never changed in place.
    seen: Mutex<BTreeMap<PathBuf, Depth>>,
    /// Bytes that were read whole.
    read: AtomicU64,
    /// Whether a writer is open.
    thorough: AtomicBool,
}

impl fmt::Debug for SoundDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SoundDirectory({:?})", self.inner)
    }
}

impl SoundDirectory {
    /// The files of `inner`.
    pub fn new(inner: impl Directory) -> Self {
        Self { inner: Box::new(inner), shared: Arc::default() }
    }

    /// From now on every file that deletes and merges match on is read whole before it opens, whatever its length.
    pub(super) fn be_thorough(&self) {
        self.shared.thorough.store(true, Ordering::Relaxed);
    }

    /// Looks at the contents too, stored documents and vectors, of the files `names`, within [`READ_AT_OPEN`]; each once.
    pub(super) fn check_contents(&self, names: impl IntoIterator<Item = PathBuf>) -> Result<(), Fault> {
        self.check_as(names, Kind::Matched)
    }

    fn check_as(&self, names: impl IntoIterator<Item = PathBuf>, kind: Kind) -> Result<(), Fault> {
        for name in names {
            match self.inner.get_file_handle(&name) {
                Ok(handle) => self.look(&name, handle.as_ref(), kind)?,
                // Whoever opens the segment says so: not every segment has all files.
                Err(OpenReadError::FileDoesNotExist(_)) => {}
                // The file that it names may be another one, which is opened along.
                Err(OpenReadError::IoError { io_error, filepath }) => {
                    return Err(Fault::unread(filepath, &io_error));
                }
                Err(error) => return Err(Fault::new(name, error.to_string())),
            }
        }
        Ok(())
    }

    /// Compares the files `names` with the record; each once.
    pub(super) fn check_ends(&self, names: impl IntoIterator<Item = PathBuf>) -> Result<(), Fault> {
        self.check_as(names, Kind::Shown)
    }

    /// Whether the file stands in the record.
    pub(super) fn knows(&self, name: &Path) -> bool {
        lock(&self.shared.record).contains_key(&name.display().to_string())
    }

    /// Reads the file `name` whole, whatever was seen before. A missing file is a fault where the record has it.
    pub(super) fn check(&self, name: &Path) -> Result<(), Fault> {
        let known = lock(&self.shared.record).get(&name.display().to_string()).copied();
        match self.inner.get_file_handle(name) {
            Ok(handle) => {
                let bytes =
                    handle.read_bytes(0..handle.len()).map_err(|error| Fault::unread(name, &error))?;
                files::look(name, &bytes, known.as_ref(), Depth::Whole)
            }
            Err(OpenReadError::FileDoesNotExist(_)) if known.is_none() => Ok(()),
            Err(OpenReadError::FileDoesNotExist(_)) => Err(Fault::new(name, "the file is missing")),
            Err(OpenReadError::IoError { io_error, filepath }) => Err(Fault::unread(filepath, &io_error)),
            Err(error) => Err(Fault::new(name, error.to_string())),
        }
    }

    /// Names of the files of the last commit, all that there may be; whatever of `meta.json` reads.
    pub(super) fn committed(&self) -> Vec<PathBuf> {
        let text = self.inner.atomic_read(Path::new(META)).unwrap_or_default();
        names_in(&String::from_utf8_lossy(&text))
    }

    /// The files of the last commit, opened and not looked at; the record must be that of the commit.
    pub(super) fn mapped(&self) -> Vec<(PathBuf, Arc<dyn FileHandle>)> {
        let open = |name: PathBuf| Some((name.clone(), self.inner.get_file_handle(&name).ok()?));
        self.committed().into_iter().filter_map(open).collect()
    }

    /// Looks at `files` as an open would, so that it need not. What is wrong is said then.
    pub(super) fn look_at(&self, files: &[(PathBuf, Arc<dyn FileHandle>)]) {
        for (name, handle) in files {
            if let Some(kind) = kind_of(name) {
                let _ = self.look(name, handle.as_ref(), kind);
            }
        }
    }

    fn look(&self, name: &Path, handle: &dyn FileHandle, kind: Kind) -> Result<(), Fault> {
        let shared = &self.shared;
        let length = handle.len() as u64;
        let within = || shared.read.load(Ordering::Relaxed).saturating_add(length) <= READ_AT_OPEN;
        let whole = kind == Kind::Matched && (shared.thorough.load(Ordering::Relaxed) || within());
        let depth = if whole { Depth::Whole } else { Depth::Ends };
        if lock(&shared.seen).get(name).is_some_and(|&seen| seen >= depth) {
            return Ok(());
        }
        let bytes = handle.read_bytes(0..handle.len()).map_err(|error| Fault::unread(name, &error))?;
        let known = lock(&shared.record).get(&name.display().to_string()).copied();
        files::look(name, &bytes, known.as_ref(), depth)?;
        if whole {
            shared.read.fetch_add(length, Ordering::Relaxed);
        }
        lock(&shared.seen).insert(name.to_path_buf(), depth);
        Ok(())
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
            lock(&self.shared.seen).retain(|name, _| record.contains_key(&name.display().to_string()));
        }
        *lock(&self.shared.record) = record;
        Ok(())
    }

    /// `meta.json` as it is written: files that were recorded keep their entry, new ones get one.
    fn sealed(&self, bytes: &[u8]) -> Vec<u8> {
        let Ok(text) = std::str::from_utf8(bytes) else { return bytes.to_vec() };
        let before = std::mem::take(&mut *lock(&self.shared.record));
        let entry = |name: PathBuf| {
            let key = name.display().to_string();
            let entry = before.get(&key).copied().or_else(|| {
                let handle = self.inner.get_file_handle(&name).ok()?;
                let bytes = handle.read_bytes(0..handle.len()).ok()?;
                Some((bytes.len() as u64, Footer::of(&bytes).ok()?.own))
            });
            Some((key, entry?))
        };
        let record: Record = names_in(text).into_iter().filter_map(entry).collect();
        let sealed = seal(text, Some(&record));
        *lock(&self.shared.record) = record;
        sealed.into_bytes()
    }
}

/// What a file is read for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Queries and deletes match on it, so that it is looked at before it opens.
    Matched,
    /// Stored documents and vectors, which [`SoundDirectory::check_contents`] looks at before they are shown.
    Shown,
}

/// `None` for what is no file of the host's: a `.uvec` has rules of its own, which say more, and is compared after them.
fn kind_of(name: &Path) -> Option<Kind> {
    match name.extension()?.to_str()? {
        "store" => Some(Kind::Shown),
        "del" => Some(Kind::Matched),
        kind if KINDS.contains(&kind) => Some(Kind::Matched),
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
pub(super) fn names_of<'a>(
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
        let is_merged = || {
            self.shared.thorough.load(Ordering::Relaxed) && path.extension().is_some_and(|e| e == FIELD_TYPE)
        };
        if let Some(kind) = kind_of(path).or_else(|| is_merged().then_some(Kind::Shown)) {
            self.look(path, handle.as_ref(), kind).map_err(|fault| {
                let error = io::Error::new(io::ErrorKind::InvalidData, fault.reason);
                OpenReadError::wrap_io_error(error, path.to_path_buf())
            })?;
        }
        Ok(handle)
    }

    fn delete(&self, path: &Path) -> Result<(), DeleteError> {
        self.inner.delete(path)?;
        lock(&self.shared.seen).remove(path);
        Ok(())
    }

    fn exists(&self, path: &Path) -> Result<bool, OpenReadError> {
        self.inner.exists(path)
    }

    fn open_write(&self, path: &Path) -> Result<WritePtr, OpenWriteError> {
        self.inner.open_write(path)
    }

    fn atomic_read(&self, path: &Path) -> Result<Vec<u8>, OpenReadError> {
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
            return self.inner.atomic_write(path, &self.sealed(data));
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

/// A panic elsewhere while holding the lock leaves whole entries only.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
