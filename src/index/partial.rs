//! A new index is made beside its place and moved there at the end.

use std::path::{Path, PathBuf};

use tantivy::Directory;
use tantivy::directory::{DirectoryLock, Lock, MmapDirectory};

use super::manifest::sync_dir;
use crate::error::{Error, ErrorCode, Result};

/// What to do with an index that is already at the output path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingOut {
    /// An error.
    Refuse,
    /// It makes room when the new one is whole.
    Replace,
}

/// Held in `OUT.partial` from its creation to the rename, so that no other build takes it for stale.
const LOCK: &str = ".uncsm-build.lock";

/// `OUT.partial`, which becomes `OUT` by a rename: killed at any moment, there is no index at `OUT`, or a whole one.
pub struct PartialDir {
    partial: PathBuf,
    out: PathBuf,
    existing: ExistingOut,
    /// Whether what was built stays when this goes: from the moment that it is whole.
    keep: bool,
    _lock: DirectoryLock,
}

/// A build that fails leaves nothing behind.
impl Drop for PartialDir {
    fn drop(&mut self) {
        if self.keep || !self.partial.exists() {
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.partial) {
            tracing::warn!("{}: not removed: {error}", self.partial.display());
        }
    }
}

impl PartialDir {
    /// Makes `OUT.partial` and locks it. A stale one, which nobody locks, is replaced with a logged warning; an index that
    /// a killed replacement had set aside goes back to its place first.
    ///
    /// # Errors
    /// [`ErrorCode::Exists`] where `out` exists and may not be replaced, [`ErrorCode::Locked`] while another build writes.
    pub fn prepare(out: &Path, existing: ExistingOut) -> Result<Self> {
        let aside = beside(out, ".replaced")?;
        if !out.exists() && aside.exists() {
            tracing::warn!("{}: putting back the index that a killed build had set aside", out.display());
            std::fs::rename(&aside, out).map_err(|e| Error::io(out, e))?;
        }
        if out.exists() && existing == ExistingOut::Refuse {
            return Err(Error::new(ErrorCode::Exists, "the output exists already")
                .file(out)
                .hint("choose another --out, or replace it with --force"));
        }
        let partial = beside(out, ".partial")?;
        if partial.exists() {
            remove_stale(&partial)?;
        }
        std::fs::create_dir_all(&partial).map_err(|e| Error::io(&partial, e))?;
        let lock = lock(&partial)?;
        Ok(Self { partial, out: out.to_path_buf(), existing, keep: false, _lock: lock })
    }

    /// Where to build.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Moves the finished index to its place; all writers must be closed.
    ///
    /// # Errors
    /// Those of the renames; an index that was to be replaced is then still there, at most renamed to `OUT.replaced`.
    pub fn publish(mut self) -> Result<()> {
        self.keep = true;
        let parent =
            self.out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let lock_file = self.partial.join(LOCK);
        std::fs::remove_file(&lock_file).map_err(|e| Error::io(&lock_file, e))?;
        let mut replaced = None;
        if self.out.exists() {
            if self.existing == ExistingOut::Refuse {
                return Err(
                    Error::new(ErrorCode::Exists, "the output has come into being meanwhile").file(&self.out)
                );
            }
            let aside = beside(&self.out, ".replaced")?;
            if aside.exists() {
                std::fs::remove_dir_all(&aside).map_err(|e| Error::io(&aside, e))?;
            }
            std::fs::rename(&self.out, &aside).map_err(|e| Error::io(&self.out, e))?;
            replaced = Some(aside);
        }
        std::fs::rename(&self.partial, &self.out).map_err(|e| Error::io(&self.out, e))?;
        sync_dir(parent)?;
        if let Some(aside) = replaced {
            std::fs::remove_dir_all(&aside).map_err(|e| Error::io(&aside, e))?;
        }
        Ok(())
    }
}

/// Whether an entry of a new index's directory is the lock of its build.
pub(super) fn is_build_lock(name: &std::ffi::OsStr) -> bool {
    name == LOCK
}

fn beside(out: &Path, suffix: &str) -> Result<PathBuf> {
    let mut name = out.file_name().map(ToOwned::to_owned).ok_or_else(|| {
        Error::new(ErrorCode::BadArgument, "the output path has no last component").file(out)
    })?;
    name.push(suffix);
    Ok(out.with_file_name(name))
}

fn lock(partial: &Path) -> Result<DirectoryLock> {
    let directory =
        MmapDirectory::open(partial).map_err(|e| Error::new(ErrorCode::Io, e.to_string()).file(partial))?;
    let lock = Lock { filepath: LOCK.into(), is_blocking: false };
    directory.acquire_lock(&lock).map_err(|_| {
        Error::new(ErrorCode::Locked, "another build is writing here")
            .file(partial)
            .hint("wait for it to end, or choose another --out")
    })
}

fn remove_stale(partial: &Path) -> Result<()> {
    if !partial.is_dir() {
        return Err(Error::new(ErrorCode::Exists, "a file stands where the build wants to work")
            .file(partial)
            .hint("move it away"));
    }
    let held = lock(partial)?;
    tracing::warn!("{}: removing what an unfinished build left", partial.display());
    std::fs::remove_dir_all(partial).map_err(|e| Error::io(partial, e))?;
    drop(held);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_exists_and_publishes_by_rename() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let partial = PartialDir::prepare(&out, ExistingOut::Refuse).unwrap();
        std::fs::write(partial.path().join("new"), "1").unwrap();
        assert!(!out.exists());
        partial.publish().unwrap();
        assert_eq!(std::fs::read_dir(&out).unwrap().count(), 1);
        assert_eq!(PartialDir::prepare(&out, ExistingOut::Refuse).err().unwrap().code(), ErrorCode::Exists);
        PartialDir::prepare(&out, ExistingOut::Replace).unwrap().publish().unwrap();
        assert!(!out.join("new").exists());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_stale_partial_is_replaced_and_a_locked_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let stale = dir.path().join("out.partial");
        std::fs::create_dir(&stale).unwrap();
        std::fs::write(stale.join("old"), "1").unwrap();
        let held = PartialDir::prepare(&out, ExistingOut::Refuse).unwrap();
        assert!(!stale.join("old").exists());
        assert_eq!(PartialDir::prepare(&out, ExistingOut::Refuse).err().unwrap().code(), ErrorCode::Locked);
        drop(held);
        assert!(!stale.exists());
    }

    #[test]
    fn an_index_that_a_killed_replacement_set_aside_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        std::fs::create_dir(dir.path().join("out.replaced")).unwrap();
        assert_eq!(PartialDir::prepare(&out, ExistingOut::Refuse).err().unwrap().code(), ErrorCode::Exists);
        assert!(out.exists());
    }
}
