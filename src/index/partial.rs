//! A new index is made beside its place and moved there at the end.

use std::path::{Path, PathBuf};

use tantivy::Directory;
use tantivy::directory::{INDEX_WRITER_LOCK, MmapDirectory};

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

/// `OUT.partial`, which becomes `OUT` by a rename: killed at any moment, there is no index at `OUT`, or a whole one.
#[derive(Debug)]
pub struct PartialDir {
    partial: PathBuf,
    out: PathBuf,
    existing: ExistingOut,
}

impl PartialDir {
    /// Prepares `OUT.partial`. A stale one, which no writer locks, is removed with a logged warning.
    ///
    /// # Errors
    /// [`ErrorCode::Exists`] where `out` exists and may not be replaced, [`ErrorCode::Locked`] while another build writes.
    pub fn prepare(out: &Path, existing: ExistingOut) -> Result<Self> {
        if out.exists() && existing == ExistingOut::Refuse {
            return Err(Error::new(ErrorCode::Exists, "the output exists already")
                .file(out)
                .hint("choose another --out, or replace it with --force"));
        }
        let mut name = out.file_name().map(ToOwned::to_owned).ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, "the output path has no last component").file(out)
        })?;
        name.push(".partial");
        let partial = out.with_file_name(name);
        if partial.exists() {
            remove_stale(&partial)?;
        }
        if let Some(parent) = partial.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
        }
        Ok(Self { partial, out: out.to_path_buf(), existing })
    }

    /// Where to build.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Moves the finished index to its place; all writers must be closed.
    ///
    /// # Errors
    /// Those of the renames; an index that was to be replaced is then still there, at most renamed to `OUT.replaced`.
    pub fn publish(self) -> Result<()> {
        let parent =
            self.out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut replaced = None;
        if self.out.exists() {
            if self.existing == ExistingOut::Refuse {
                return Err(
                    Error::new(ErrorCode::Exists, "the output has come into being meanwhile").file(&self.out)
                );
            }
            let mut name = self.out.file_name().map(ToOwned::to_owned).unwrap_or_default();
            name.push(".replaced");
            let aside = self.out.with_file_name(name);
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

    /// Removes what was built.
    ///
    /// # Errors
    /// Those of the removal.
    pub fn discard(self) -> Result<()> {
        if self.partial.exists() {
            std::fs::remove_dir_all(&self.partial).map_err(|e| Error::io(&self.partial, e))?;
        }
        Ok(())
    }
}

fn remove_stale(partial: &Path) -> Result<()> {
    if partial.is_dir() {
        let directory = MmapDirectory::open(partial)
            .map_err(|e| Error::new(ErrorCode::Io, e.to_string()).file(partial))?;
        let lock = directory.acquire_lock(&INDEX_WRITER_LOCK).map_err(|_| {
            Error::new(ErrorCode::Locked, "another build is writing here")
                .file(partial)
                .hint("wait for it to end, or choose another --out")
        })?;
        tracing::warn!("{}: removing what an unfinished build left", partial.display());
        std::fs::remove_dir_all(partial).map_err(|e| Error::io(partial, e))?;
        drop(lock);
        return Ok(());
    }
    Err(Error::new(ErrorCode::Exists, "a file stands where the build wants to work")
        .file(partial)
        .hint("move it away"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_exists_and_publishes_by_rename() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let partial = PartialDir::prepare(&out, ExistingOut::Refuse).unwrap();
        std::fs::create_dir(partial.path()).unwrap();
        std::fs::write(partial.path().join("new"), "1").unwrap();
        assert!(!out.exists());
        partial.publish().unwrap();
        assert!(out.join("new").exists());
        assert_eq!(PartialDir::prepare(&out, ExistingOut::Refuse).unwrap_err().code(), ErrorCode::Exists);
        let partial = PartialDir::prepare(&out, ExistingOut::Replace).unwrap();
        std::fs::create_dir(partial.path()).unwrap();
        partial.publish().unwrap();
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
        PartialDir::prepare(&out, ExistingOut::Refuse).unwrap();
        assert!(!stale.exists());
        std::fs::create_dir(&stale).unwrap();
        let _lock = MmapDirectory::open(&stale).unwrap().acquire_lock(&INDEX_WRITER_LOCK).unwrap();
        assert_eq!(PartialDir::prepare(&out, ExistingOut::Refuse).unwrap_err().code(), ErrorCode::Locked);
        assert!(stale.exists());
    }
}
