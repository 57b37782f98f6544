//! The files of one commit, held open beside a writer, whatever directory they lie in.

use std::path::{Path, PathBuf};

use tantivy::directory::error::OpenReadError;
use tantivy::directory::{Directory, FileSlice, META_LOCK};
use tantivy::{IndexMeta, Segment, SegmentMeta};

use super::snapshot::{PAUSE, State, TRIES};
use crate::error::{Error, Result};
use crate::index::files::names::within;
use crate::index::files::sound::{Fault, Looked, SoundDirectory, first_fault};

/// A tantivy index, and what is known of where its files lie.
#[derive(Clone, Copy)]
pub(crate) struct Files<'a> {
    pub(crate) tantivy: &'a tantivy::Index,
    /// What the host reads through, where that is ours; else files are looked at through the host.
    pub(crate) sound: Option<&'a SoundDirectory>,
    /// Where they lie, where that is known.
    pub(crate) dir: Option<&'a Path>,
}

impl Files<'_> {
    fn state(&self) -> Option<State> {
        self.dir.map(State::of)
    }

    /// Names the file of `error`, and the directory where it is known.
    fn named(&self, error: Error) -> Error {
        match self.dir {
            Some(dir) => within(error, dir),
            None => error,
        }
    }

    /// Reads files that are to be read whole before the lock is held under which the host opens them. What is wrong with
    /// one is for whoever opens it.
    ///
    /// # Errors
    /// Those of the lock and of reading `meta.json`.
    pub(crate) fn look_ahead(&self) -> Result<()> {
        let Some(sound) = self.sound else { return Ok(()) };
        let lock = self.lock()?;
        self.tantivy.load_metas().map_err(|e| self.named(e.into()))?;
        if !sound.reads_whole() {
            return Ok(());
        }
        let files = sound.mapped();
        drop(lock);
        sound.look_at(&files);
        Ok(())
    }

    fn lock(&self) -> Result<tantivy::directory::DirectoryLock> {
        let locked = self.tantivy.directory().acquire_lock(&META_LOCK);
        locked.map_err(|e| {
            let error = Error::from(tantivy::TantivyError::from(e));
            match self.dir {
                Some(dir) => error.file(dir),
                None => error,
            }
        })
    }

    /// Every fault of the files of `held`. Reads all of them.
    pub(crate) fn faults(&self, held: &Held) -> Vec<Fault> {
        let directory = self.tantivy.directory();
        let fault = |name: &PathBuf| match self.sound {
            Some(sound) => sound.check(name).err(),
            None => first_fault(directory, &Looked::default(), [name.clone()]),
        };
        held.files().filter_map(fault).collect()
    }

    /// Whether no record says what the files of the last commit were.
    pub(crate) fn lacks_record(&self) -> bool {
        self.sound.is_none_or(SoundDirectory::lacks_record)
    }
}

/// The files of the segments of one commit, held open, so that all of them read until this goes, whatever a writer does.
pub(crate) struct Held {
    metas: IndexMeta,
    files: Vec<(PathBuf, Option<FileSlice>)>,
}

impl Held {
    /// The last commit. Opens every file of its segments.
    ///
    /// # Errors
    /// Those of reading `meta.json`.
    pub(crate) fn take(index: Files<'_>) -> Result<Self> {
        let mut left = TRIES;
        loop {
            let before = index.state();
            let (held, is_whole) = Self::take_now(index)?;
            if is_whole || left == 0 || index.state() == before {
                return Ok(held);
            }
            left -= 1;
            std::thread::sleep(PAUSE);
        }
    }

    /// Also says whether no file was missing: not every segment has all that the host may write.
    fn take_now(index: Files<'_>) -> Result<(Self, bool)> {
        index.look_ahead()?;
        let directory = index.tantivy.directory();
        let _lock = index.lock()?;
        let metas = index.tantivy.load_metas()?;
        // From meta.json, not from the host's list of files, which a plain copy of the visible files lacks.
        let mut names: Vec<PathBuf> = metas.list_segment_files().into_iter().collect();
        names.sort();
        let (mut files, mut is_whole) = (Vec::with_capacity(names.len()), true);
        for name in names {
            match directory.open_read(&name) {
                Ok(file) => files.push((name, Some(file))),
                Err(OpenReadError::FileDoesNotExist(_)) => {
                    is_whole = false;
                    // One that was committed is missing; else the segment never had it.
                    if index.sound.is_some_and(|sound| sound.knows(&name)) {
                        files.push((name, None));
                    }
                }
                // What is wrong with it is for whoever checks it.
                Err(_) => files.push((name, None)),
            }
        }
        Ok((Self { metas, files }, is_whole))
    }

    /// Names of the files that there are, or were committed, sorted.
    pub(crate) fn files(&self) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().map(|(name, _)| name)
    }

    /// Bytes of a file without the host's footer; `None` where it does not open.
    pub(crate) fn length(&self, name: &Path) -> Option<u64> {
        let (_, file) = self.files.iter().find(|(known, _)| known == name)?;
        file.as_ref().map(|file| tantivy::HasLen::len(file) as u64)
    }

    /// What the commit says of the segments.
    pub(crate) fn metas(&self) -> &[SegmentMeta] {
        &self.metas.segments
    }

    /// The segments.
    pub(crate) fn segments(&self, index: Files<'_>) -> Vec<Segment> {
        self.metas.segments.iter().map(|meta| index.tantivy.segment(meta.clone())).collect()
    }
}
