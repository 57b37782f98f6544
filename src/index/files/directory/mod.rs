//! The directory that the host reads and writes through: tantivy's, with names checked, a lock that readers share, and
//! the `.uvec` of a segment opened with its other files.

mod lock;
mod write;

use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::ThreadId;
use std::time::Duration;

use tantivy::HasLen;
use tantivy::directory::error::{DeleteError, LockError, OpenReadError, OpenWriteError};
use tantivy::directory::{
    Directory, DirectoryLock, FileHandle, INDEX_WRITER_LOCK, Lock, META_LOCK, MmapDirectory, OwnedBytes,
    WatchCallback, WatchHandle, WritePtr,
};

pub(crate) use write::{new_folder, replace, sync_dir};

use super::names::{self, META};
use super::sorted::refuse_sorted_meta;
use crate::error::{Error, ErrorCode, Result};
use crate::index::files::names::FIELD_TYPE;

/// The host's list of its files.
pub(crate) const MANAGED: &str = ".managed.json";
/// How long a deletion waits for readers that are opening segments; then the next collection tries again.
const BARRIER: Duration = Duration::from_secs(1);
/// How long a lock that waits is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// A directory of files that are mapped, for `tantivy::Index::open` and `create`. It is tantivy's `MmapDirectory`, and
/// keeps to the same locks, so that both may be used beside each other, but for this:
///
/// - Names are plain names of regular files in the directory; all else is refused before it is opened or deleted.
/// - Readers share their lock, need no write access for it, and make no file. Where there is no lock to be had, a
///   segment may go while it is being opened: [`Index::reader`](crate::index::dir::store::Index::reader) tries again then.
/// - The `.uvec` of a segment is opened with the segment, so that a searcher finds it for as long as it is held.
/// - An index that keeps vectors and sorts its documents is refused when it is created.
/// - Files have the mode that the umask says.
///
/// # Example
/// ```no_run
/// use uncsm_index::index::{IndexDirectory, UvecPlugin};
///
/// let mut index = tantivy::Index::open(IndexDirectory::open("app-index")?)?;
/// index.register_plugin(UvecPlugin::new().registered());
/// # Ok::<(), uncsm_index::Error>(())
/// ```
#[derive(Clone)]
pub struct IndexDirectory {
    inner: Arc<Inner>,
}

struct Inner {
    mapped: MmapDirectory,
    root: PathBuf,
    /// The thread that last waited for readers before it deleted, and whether they came to an end.
    barrier: Mutex<Option<(ThreadId, bool)>>,
}

impl fmt::Debug for IndexDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IndexDirectory({:?})", self.inner.root)
    }
}

impl IndexDirectory {
    /// The directory at `dir`, which exists; it may be a link to one. Opens and makes no file.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] where there is none, [`ErrorCode::Io`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let root = std::fs::canonicalize(dir).map_err(|e| Error::io(dir, e))?;
        let mapped =
            MmapDirectory::open(&root).map_err(|e| Error::new(ErrorCode::Io, e.to_string()).file(dir))?;
        Ok(Self { inner: Arc::new(Inner { mapped, root, barrier: Mutex::new(None) }) })
    }

    /// Where `name` lies, which must be a plain name.
    fn place(&self, name: &Path) -> io::Result<PathBuf> {
        if names::is_plain(name) {
            return Ok(self.inner.root.join(name));
        }
        let what = format!("{} is not the name of a file in the index", name.display());
        Err(io::Error::new(io::ErrorKind::InvalidData, what))
    }

    /// Maps a regular file. One that is gone is still found while somebody holds its map.
    fn map(&self, name: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let checked = self.place(name).and_then(|place| names::check_regular(&place));
        match checked {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(OpenReadError::wrap_io_error(error, name.to_path_buf()))
            }
            _ => self.inner.mapped.get_file_handle(name),
        }
    }

    /// Waits until nobody is opening what was listed before this thread last asked for the lock of `meta.json`. Readers
    /// that begin later read the newer list.
    fn wait_for_readers(&self) -> io::Result<()> {
        let thread = std::thread::current().id();
        let barrier = || self.inner.barrier.lock().unwrap_or_else(PoisonError::into_inner);
        let known = *barrier();
        let passed = match known {
            Some((by, passed)) if by == thread => passed,
            // Nothing is locked here meanwhile but the file.
            _ => lock::exclude(&self.place(&META_LOCK.filepath)?, BARRIER)?.is_some(),
        };
        *barrier() = Some((thread, passed));
        if passed {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::WouldBlock,
            "readers are opening the index; the next commit deletes",
        ))
    }

    /// The next deletion of this thread is of a newer list.
    fn forget_barrier(&self) {
        let mut barrier = self.inner.barrier.lock().unwrap_or_else(PoisonError::into_inner);
        if barrier.is_some_and(|(by, _)| by == std::thread::current().id()) {
            *barrier = None;
        }
    }

    /// Kinds of files that plugins of the index write, as `meta.json` says.
    fn kinds_of_plugins(&self) -> Vec<String> {
        #[derive(Default, serde::Deserialize)]
        struct Meta {
            #[serde(default)]
            persisted_custom_extensions: Vec<String>,
        }
        let meta = names::read_bytes(&self.inner.root.join(META)).unwrap_or_default();
        serde_json::from_slice::<Meta>(&meta).unwrap_or_default().persisted_custom_extensions
    }

    fn lock(&self, lock: &Lock) -> io::Result<Option<DirectoryLock>> {
        let place = self.place(&lock.filepath)?;
        if lock.filepath == META_LOCK.filepath {
            self.forget_barrier();
            // Whoever deletes waits for all shares to end, there and not here.
            return Ok(Some(DirectoryLock::from(Box::new(lock::share(&place)?))));
        }
        let patience = if lock.is_blocking { PATIENCE } else { Duration::ZERO };
        let file = lock::exclude(&place, patience)?;
        if file.is_some() && lock.filepath == INDEX_WRITER_LOCK.filepath {
            // Readers make none: from now on there is something to share.
            lock::make(&self.place(&META_LOCK.filepath)?)?;
        }
        Ok(file.map(|file| DirectoryLock::from(Box::new(file))))
    }
}

impl Directory for IndexDirectory {
    fn get_file_handle(&self, name: &Path) -> Result<Arc<dyn FileHandle>, OpenReadError> {
        let file = self.map(name)?;
        // A segment's reader opens this file under the lock, and holds it for its life.
        if name.extension().is_none_or(|kind| kind != "store") {
            return Ok(file);
        }
        match self.map(&name.with_extension(FIELD_TYPE)) {
            Ok(vectors) => Ok(Arc::new(Accompanied { file, _vectors: vectors })),
            // Whoever opens it says what is wrong with it.
            Err(_) => Ok(file),
        }
    }

    fn delete(&self, name: &Path) -> Result<(), DeleteError> {
        let failed = |error: io::Error| DeleteError::IoError {
            io_error: Arc::new(error),
            filepath: name.to_path_buf(),
        };
        if !names::is_of_a_segment(name, || self.kinds_of_plugins()) {
            tracing::warn!("{}: not deleted: it is no file of a segment", name.display());
            let what = "not the name of a file of a segment";
            return Err(failed(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        self.wait_for_readers().map_err(failed)?;
        self.inner.mapped.delete(name)
    }

    fn exists(&self, name: &Path) -> Result<bool, OpenReadError> {
        self.place(name).map_err(|e| OpenReadError::wrap_io_error(e, name.to_path_buf()))?;
        self.inner.mapped.exists(name)
    }

    fn open_write(&self, name: &Path) -> Result<WritePtr, OpenWriteError> {
        self.place(name).map_err(|e| OpenWriteError::wrap_io_error(e, name.to_path_buf()))?;
        // Makes a new file or fails, so that no link is followed.
        self.inner.mapped.open_write(name)
    }

    fn atomic_read(&self, name: &Path) -> Result<Vec<u8>, OpenReadError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => OpenReadError::FileDoesNotExist(name.to_path_buf()),
            _ => OpenReadError::wrap_io_error(error, name.to_path_buf()),
        };
        let bytes = self.place(name).and_then(|place| names::read_bytes(&place)).map_err(failed)?;
        if name == Path::new(MANAGED) {
            // What stands in this list is deleted.
            if let Some(foreign) = names::foreign_entry(&bytes) {
                let what = format!("it names {}, which is not a file in the index", foreign.display());
                return Err(failed(io::Error::new(io::ErrorKind::InvalidData, what)));
            }
        }
        Ok(bytes)
    }

    fn atomic_write(&self, name: &Path, bytes: &[u8]) -> io::Result<()> {
        if name == Path::new(META) {
            refuse_sorted_meta(bytes)?;
        }
        replace(&self.place(name)?, bytes)
    }

    fn sync_directory(&self) -> io::Result<()> {
        self.inner.mapped.sync_directory()
    }

    fn acquire_lock(&self, lock: &Lock) -> Result<DirectoryLock, LockError> {
        match self.lock(lock) {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => Err(LockError::LockBusy),
            Err(error) => Err(LockError::wrap_io_error(error)),
        }
    }

    fn watch(&self, callback: WatchCallback) -> tantivy::Result<WatchHandle> {
        self.inner.mapped.watch(callback)
    }
}

/// A file, and the map of the vectors of its segment, held along.
#[derive(Debug)]
struct Accompanied {
    file: Arc<dyn FileHandle>,
    _vectors: Arc<dyn FileHandle>,
}

impl HasLen for Accompanied {
    fn len(&self) -> usize {
        self.file.len()
    }
}

impl FileHandle for Accompanied {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        self.file.read_bytes(range)
    }
}
