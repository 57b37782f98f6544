//! A new index is made beside its place and moved there at the end.

use std::fs::File;
use std::path::{Path, PathBuf};

use fs4::fs_std::FileExt;

use super::checkpoint::Checkpoint;
use super::report::OnBad;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::index::dir::layout::{MAKES_ROOM, MANIFEST, beside, is_folder, lock_writer, set_aside};
use crate::index::files::change;
use crate::index::files::directory::{replace, sync_dir};
use crate::index::files::exchange::put_in_place;
use crate::index::files::names;

/// What to do with an index that is already at the output path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExistingOut {
    /// An error.
    Refuse,
    /// It makes room when the new one is whole.
    Replace,
}

/// `OUT.partial`, which becomes `OUT` by a rename, or changes names with the index there: killed at any moment, there is no
/// index at `OUT`, or a whole one.
///
/// `.OUT.uncsm-lock` beside it is held from before anything is looked at to after the last rename, so that two builds of one
/// output do not meet.
pub(crate) struct PartialDir {
    partial: PathBuf,
    out: PathBuf,
    existing: ExistingOut,
    /// Whether what was built stays when this goes: from the moment that it is whole, or worth going on with.
    keep: bool,
    _lock: BuildLock,
}

/// A build that fails leaves nothing behind.
impl Drop for PartialDir {
    fn drop(&mut self) {
        // Nobody has said after a panic whether what is committed may be gone on with.
        if self.keep || std::thread::panicking() || !self.partial.exists() {
            return;
        }
        if let Err(error) = change::remove_folder(&self.partial) {
            tracing::warn!("{}: not removed: {error}", self.partial.display());
        }
    }
}

impl PartialDir {
    /// Locks the output and makes `OUT.partial`. A stale one is replaced with a logged warning; an index that a killed
    /// replacement had set aside goes back to its place first.
    ///
    /// # Errors
    /// [`ErrorCode::Exists`] where `out` exists and may not be replaced, or is no index; [`ErrorCode::Locked`] while another
    /// build writes.
    pub(crate) fn prepare(out: &Path, existing: ExistingOut) -> Result<Self> {
        let dir = Self::lock(out, existing)?;
        if dir.partial.is_dir() {
            match Checkpoint::load(&dir.partial) {
                Some(checkpoint) => tracing::warn!(
                    "{}: removing what an unfinished build left: {} documents that a resumed build goes on with",
                    dir.partial.display(),
                    checkpoint.report.documents
                ),
                None => {
                    tracing::warn!("{}: removing what an unfinished build left", dir.partial.display());
                }
            }
        }
        dir.cleared()
    }

    /// As [`PartialDir::prepare`], but an `OUT.partial` with a commit to go on from stays, and so does it when this goes,
    /// unless [`PartialDir::failed`] says otherwise. Gives that commit; without one, a logged warning says that the
    /// build starts anew.
    ///
    /// # Errors
    /// Those of [`PartialDir::prepare`].
    pub(crate) fn resume(out: &Path, existing: ExistingOut) -> Result<(Self, Option<Checkpoint>)> {
        let mut dir = Self::lock(out, existing)?;
        let partial = dir.partial.display();
        match Checkpoint::find(&dir.partial) {
            Ok(Some(checkpoint)) => {
                dir.keep = true;
                return Ok((dir, Some(checkpoint)));
            }
            Ok(None) => tracing::warn!("{partial}: no commit to go on from; the build starts anew"),
            // What does not read now, or not with this build, may do so later.
            Err(error) if !matches!(error.code(), ErrorCode::Damaged | ErrorCode::NotFound) => {
                return Err(error);
            }
            Err(error) => {
                tracing::warn!("{partial}: what is left does not open; the build starts anew: {error}")
            }
        }
        Ok((dir.cleared()?, None))
    }

    /// Starts anew in an empty `OUT.partial`.
    ///
    /// # Errors
    /// Those of removing and making it.
    pub(crate) fn cleared(mut self) -> Result<Self> {
        self.keep = false;
        let partial = &self.partial;
        if partial.is_dir() {
            change::remove_folder(partial).map_err(|e| Error::io(partial, e))?;
        }
        std::fs::create_dir(partial).map_err(|e| Error::io(partial, e))?;
        Ok(self)
    }

    /// Ends a build that failed: what it committed stays, unless no other try can do better: after an error of the
    /// source as a whole, or of a document where those are not passed over. Gives whether it stays.
    pub(crate) fn failed(mut self, error: &Error, on_bad: OnBad) -> bool {
        let for_good = match error.code() {
            ErrorCode::DuplicateId | ErrorCode::Empty | ErrorCode::SchemaConflict => true,
            ErrorCode::BadJson | ErrorCode::BadValue => on_bad == OnBad::Stop,
            _ => false,
        };
        // What is committed and does not read now is not thrown away.
        self.keep = !for_good && !matches!(Checkpoint::find(&self.partial), Ok(None));
        self.keep
    }

    /// Locks the output and looks at what is there.
    fn lock(out: &Path, existing: ExistingOut) -> Result<Self> {
        let partial = beside(out, ".partial")?;
        let parent = parent(out);
        std::fs::create_dir_all(parent).map_err(|e| Error::io(parent, e))?;
        let lock = BuildLock::acquire(lock_name(out)?)?;
        if let Some(aside) = set_aside(out) {
            tracing::warn!("{}: putting back the index that a killed build had set aside", out.display());
            change::rename(&aside, out).map_err(|e| Error::io(out, e))?;
            let _ = change::remove_file(&out.join(MAKES_ROOM));
        }
        check_existing(out, existing)?;
        // What a killed replacement had exchanged already.
        let aside = beside(out, ".replaced")?;
        remove_replaced(&partial)?;
        remove_replaced(&aside)?;
        if out.exists() {
            check_free(&aside)?;
        }
        let there = std::fs::symlink_metadata(&partial);
        if there.is_ok_and(|there| !there.is_dir()) {
            // A link too: what it leads to is not ours to write in.
            return Err(Error::new(ErrorCode::Exists, "a file or link stands where the build wants to work")
                .file(&partial)
                .hint("move it away"));
        }
        // Kept until it is clear what to do with what is there.
        Ok(Self { partial, out: out.to_path_buf(), existing, keep: true, _lock: lock })
    }

    /// Where to build.
    pub(crate) fn path(&self) -> &Path {
        &self.partial
    }

    /// Moves the finished index to its place; all writers must be closed.
    ///
    /// # Errors
    /// [`ErrorCode::Locked`] where a writer has the index open that is to be replaced; those of the renames. The old index
    /// is then still there; at most, where the system cannot exchange names, as `OUT.replaced`.
    pub(crate) fn publish(mut self) -> Result<()> {
        self.keep = true;
        check_existing(&self.out, self.existing)?;
        let mut replaced = None;
        if self.out.exists() {
            // Else a writer would go on in a directory that is being removed.
            let writer = lock_writer(&self.out)?;
            let aside = beside(&self.out, ".replaced")?;
            check_free(&aside)?;
            let mark = self.out.join(MAKES_ROOM);
            replace(&mark, b"").map_err(|e| Error::io(&mark, e))?;
            put_in_place(&self.partial, &self.out, &aside).map_err(|e| {
                let _ = change::remove_file(&mark);
                Error::io(&self.out, e)
            })?;
            replaced = Some((aside, writer));
        } else {
            change::rename(&self.partial, &self.out).map_err(|e| Error::io(&self.out, e))?;
        }
        sync_dir(parent(&self.out))?;
        if let Some((aside, _writer)) = replaced {
            change::remove_folder(&aside).map_err(|e| Error::io(&aside, e))?;
        }
        Ok(())
    }
}

/// What may not be replaced stays: anything without permission, and what is no index even with it.
fn check_existing(out: &Path, existing: ExistingOut) -> Result<()> {
    if !out.exists() {
        return Ok(());
    }
    if existing == ExistingOut::Refuse {
        return Err(Error::new(ErrorCode::Exists, "the output exists already").file(out).hint(
            Hint::new("choose another")
                .setting(Setting::Out)
                .text(", or replace an index with")
                .setting(Setting::Force),
        ));
    }
    let empty = std::fs::read_dir(out).is_ok_and(|mut entries| entries.next().is_none());
    if empty || out.join(MANIFEST).is_file() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Exists, "the output exists and is no index, so it is not replaced")
        .file(out)
        .hint(Hint::new("choose another").setting(Setting::Out).text(", or move it away")))
}

/// Removes an index that was replaced: one that says so. Folders of others may have the same name.
fn remove_replaced(path: &Path) -> Result<()> {
    if is_folder(path) && names::check(&path.join(MAKES_ROOM)).is_ok() {
        tracing::warn!("{}: removing an index that was replaced by a killed build", path.display());
        change::remove_folder(path).map_err(|e| Error::io(path, e))?;
    }
    Ok(())
}

/// Refuses to set an index aside where something of others lies.
fn check_free(aside: &Path) -> Result<()> {
    if std::fs::symlink_metadata(aside).is_err() {
        return Ok(());
    }
    Err(Error::new(ErrorCode::Exists, "something stands where the replaced index would be set aside")
        .file(aside)
        .hint("move it away"))
}

/// The folder in which `out` has its name.
pub(crate) fn parent(out: &Path) -> &Path {
    out.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The lock of a build, beside its output, under a name that no other file has.
fn lock_name(out: &Path) -> Result<PathBuf> {
    let locked = beside(out, ".uncsm-lock")?;
    let mut name = std::ffi::OsString::from(".");
    name.push(locked.file_name().unwrap_or_default());
    Ok(locked.with_file_name(name))
}

/// A lock file that is gone when the lock is.
struct BuildLock {
    path: PathBuf,
    file: File,
}

impl Drop for BuildLock {
    fn drop(&mut self) {
        // Still locked here; whoever opened it before sees that it is gone and tries again. Ours is empty.
        if self.file.metadata().is_ok_and(|file| file.len() == 0) {
            let _ = change::remove_file(&self.path);
        }
    }
}

impl BuildLock {
    fn acquire(path: PathBuf) -> Result<Self> {
        loop {
            let mut options = File::options();
            let file = names::open(&path, options.create(true).write(true).truncate(false));
            let file = file.map_err(|e| Error::io(&path, e))?;
            if !FileExt::try_lock_exclusive(&file).map_err(|e| Error::io(&path, e))? {
                return Err(Error::new(ErrorCode::Locked, "another build is writing here")
                    .file(&path)
                    .hint(Hint::new("wait for it to end, or choose another").setting(Setting::Out)));
            }
            // The holder before may have removed the file between our opening and our locking it.
            if is_still_at(&file, &path) {
                return Ok(Self { path, file });
            }
        }
    }
}

#[cfg(unix)]
fn is_still_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(ours), Ok(there)) = (file.metadata(), std::fs::metadata(path)) else { return false };
    (ours.dev(), ours.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_still_at(_: &File, path: &Path) -> bool {
    path.exists()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(prepared: Result<PartialDir>) -> ErrorCode {
        prepared.err().unwrap().code()
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(dir).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn refuses_what_exists_and_publishes_by_rename() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let partial = PartialDir::prepare(&out, ExistingOut::Refuse).unwrap();
        std::fs::write(partial.path().join(MANIFEST), "1").unwrap();
        assert!(!out.exists());
        partial.publish().unwrap();
        assert_eq!((names(dir.path()), names(&out)), (vec!["out".to_owned()], vec![MANIFEST.to_owned()]));
        assert_eq!(code(PartialDir::prepare(&out, ExistingOut::Refuse)), ErrorCode::Exists);
        PartialDir::prepare(&out, ExistingOut::Replace).unwrap().publish().unwrap();
        assert_eq!((names(dir.path()), names(&out)), (vec!["out".to_owned()], vec![]));
    }

    #[test]
    fn what_is_no_index_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("pictures");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join("a.png"), "1").unwrap();
        assert_eq!(code(PartialDir::prepare(&out, ExistingOut::Replace)), ErrorCode::Exists);
        assert_eq!((names(dir.path()), names(&out)), (vec!["pictures".to_owned()], vec!["a.png".to_owned()]));
    }

    #[test]
    fn a_stale_partial_is_replaced_and_one_in_work_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let stale = dir.path().join("out.partial");
        std::fs::create_dir(&stale).unwrap();
        std::fs::write(stale.join("old"), "1").unwrap();
        let held = PartialDir::prepare(&out, ExistingOut::Refuse).unwrap();
        assert!(!stale.join("old").exists());
        assert_eq!(code(PartialDir::prepare(&out, ExistingOut::Refuse)), ErrorCode::Locked);
        assert!(stale.exists());
        drop(held);
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    /// An index in `OUT.partial` with a commit of three documents.
    fn with_a_commit(partial: &PartialDir) -> Checkpoint {
        use crate::index::build::identity::Identity;
        use crate::index::build::report::BuildReport;
        use crate::index::dir::store::Index;
        use crate::schema::FieldSchema;
        let bundle = crate::model::Bundle::random(&[("image", 3)], 5, 2, 2, 8);
        let index = Index::create(partial.path(), &FieldSchema::default(), &bundle).unwrap();
        let checkpoint = Checkpoint::new(Identity::new("a"), 3, BuildReport::default());
        index.writer(15 << 20).unwrap().commit_at(&checkpoint).unwrap();
        checkpoint
    }

    #[test]
    fn what_another_try_may_go_on_with_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let prepare = || PartialDir::prepare(&out, ExistingOut::Refuse).unwrap();
        for (code, kept) in [
            (ErrorCode::Io, true),
            (ErrorCode::Engine, true),
            (ErrorCode::Interrupted, true),
            (ErrorCode::BadArgument, true),
            (ErrorCode::NotFound, true),
            (ErrorCode::BadJson, false),
            (ErrorCode::DuplicateId, false),
            (ErrorCode::Empty, false),
        ] {
            let partial = prepare();
            with_a_commit(&partial);
            assert_eq!(partial.failed(&Error::new(code, "why"), OnBad::Stop), kept, "{code:?}");
            assert_eq!(dir.path().join("out.partial").exists(), kept, "{code:?}");
        }
        // A commit that does not read now is kept too.
        let partial = prepare();
        with_a_commit(&partial);
        std::fs::write(partial.path().join("meta.json"), "{").unwrap();
        assert!(partial.failed(&Error::new(ErrorCode::Io, "why"), OnBad::Warn));
        assert!(dir.path().join("out.partial").join(MANIFEST).exists());
        // Nothing is committed, so nothing is kept.
        assert!(!prepare().failed(&Error::new(ErrorCode::Io, "why"), OnBad::Warn));
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[test]
    fn a_resumed_part_stays_until_it_fails_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let resume = || PartialDir::resume(&out, ExistingOut::Refuse).unwrap();
        let (partial, none) = resume();
        assert_eq!(none, None);
        let checkpoint = with_a_commit(&partial);
        assert!(partial.failed(&Error::new(ErrorCode::Interrupted, "why"), OnBad::Warn));
        // An error before anything was done leaves it.
        for _ in 0..2 {
            let (partial, found) = resume();
            assert_eq!(found.as_ref(), Some(&checkpoint));
            drop(partial);
        }
        let (partial, _) = resume();
        assert!(!partial.failed(&Error::new(ErrorCode::DuplicateId, "why"), OnBad::Warn));
        assert_eq!(names(dir.path()), Vec::<String>::new());
    }

    #[test]
    fn an_index_with_a_writer_is_not_replaced_under_it() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        std::fs::create_dir(&out).unwrap();
        std::fs::write(out.join(MANIFEST), "1").unwrap();
        let partial = PartialDir::prepare(&out, ExistingOut::Replace).unwrap();
        let writer = lock_writer(&out).unwrap();
        assert_eq!(partial.publish().unwrap_err().code(), ErrorCode::Locked);
        assert!(out.join(MANIFEST).exists());
        drop(writer);
    }

    #[test]
    fn an_index_that_a_killed_replacement_set_aside_goes_back() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let aside = dir.path().join("out.replaced");
        std::fs::create_dir(&aside).unwrap();
        drop(PartialDir::prepare(&out, ExistingOut::Refuse).unwrap());
        assert!(!out.exists(), "a folder of somebody else");
        std::fs::write(aside.join(MANIFEST), "1").unwrap();
        std::fs::write(aside.join(MAKES_ROOM), "").unwrap();
        assert_eq!(code(PartialDir::prepare(&out, ExistingOut::Refuse)), ErrorCode::Exists);
        assert_eq!(names(&out), [MANIFEST]);
    }
}
