//! Names in an index directory and beside it, and the lock of its writers.

use std::path::{Path, PathBuf};

use tantivy::Directory;
use tantivy::directory::error::LockError;
use tantivy::directory::{DirectoryLock, INDEX_WRITER_LOCK};

use crate::error::{Error, ErrorCode, Result};
use crate::index::files::directory::IndexDirectory;
use crate::index::files::names;

/// Name of the manifest in an index directory.
pub const MANIFEST: &str = "uncsm-index.json";

/// Name of the list of sources in an index directory.
pub(crate) const SOURCES: &str = "uncsm-sources.json";

/// Name of the file by which an index is known as a part of one that is to come.
pub(crate) const SHARD: &str = "uncsm-shard.json";

/// Folder of the encoders inside an index.
pub(crate) const ENCODERS: &str = "encoders";

/// Set down in an index before it makes room, so that what a kill leaves of it is known.
pub(crate) const MAKES_ROOM: &str = ".uncsm-replaced";

/// Where a killed replacement has set aside the index that belongs at `out`; `None` where it is in its place.
pub fn set_aside(out: &Path) -> Option<PathBuf> {
    let aside = beside(out, ".replaced").ok()?;
    let is_index = is_folder(&aside) && names::check(&aside.join(MANIFEST)).is_ok();
    (std::fs::symlink_metadata(out).is_err() && is_index).then_some(aside)
}

/// Whether a real folder is there.
pub(crate) fn is_folder(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|there| there.is_dir())
}

/// `out` with `suffix` behind its name.
pub(crate) fn beside(out: &Path, suffix: &str) -> Result<PathBuf> {
    let mut name = out.file_name().map(ToOwned::to_owned).ok_or_else(|| {
        Error::new(ErrorCode::BadArgument, "the output path has no last component").file(out)
    })?;
    name.push(suffix);
    Ok(out.with_file_name(name))
}

/// Takes the lock that tantivy's writers of the index at `dir` hold.
///
/// # Errors
/// [`ErrorCode::Locked`] while one does.
pub(crate) fn lock_writer(dir: &Path) -> Result<DirectoryLock> {
    IndexDirectory::open(dir)?.acquire_lock(&INDEX_WRITER_LOCK).map_err(|e| match e {
        LockError::LockBusy => {
            Error::new(ErrorCode::Locked, "a writer has the index open").file(dir).hint("wait for it to end")
        }
        LockError::IoError(error) => names::of_io(dir, std::io::Error::new(error.kind(), error.to_string())),
    })
}
