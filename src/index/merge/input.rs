//! An index that is merged: opened, its last commit held, and never written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Task};
use crate::index::dir::held::Held;
use crate::index::dir::shard::ShardManifest;
use crate::index::dir::store::Index;

/// An index to merge.
pub(crate) struct Input {
    pub(crate) dir: PathBuf,
    pub(crate) index: Index,
    /// Its last commit, whose files stay open.
    pub(crate) held: Held,
    /// What it was when it became a part; `None` where it is none.
    pub(crate) shard: Option<ShardManifest>,
}

impl Input {
    /// Opens the index at `dir`.
    ///
    /// # Errors
    /// Those of [`Index::open`]; [`ErrorCode::BadArgument`] for one that is not complete.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        let index = Index::open(dir)?;
        if !index.manifest().complete {
            return Err(Error::new(ErrorCode::BadArgument, "an index that is not complete is not merged")
                .file(dir)
                .hint(Hint::new("run its").task(Task::Build).text(" to the end")));
        }
        let held =
            Held::take(index.files()).map_err(|e| if e.facts().file.is_some() { e } else { e.file(dir) })?;
        let shard = ShardManifest::load(dir)?;
        Ok(Self { dir: dir.to_path_buf(), index, held, shard })
    }

    /// Compares all files with their checksums, and with what the part was when it was whole.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], naming the first file.
    pub(crate) fn check_files(&self) -> Result<()> {
        match &self.shard {
            Some(shard) => shard.check_files(&self.index, &self.held),
            None => match self.index.files().faults(&self.held).into_iter().next() {
                Some(fault) => Err(fault.error(&self.dir)),
                None => Ok(()),
            },
        }
    }

    /// The parts of sources that it has.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &crate::index::dir::shard::Part> {
        self.shard.iter().flat_map(|shard| &shard.parts)
    }

    /// Its segments, as `meta.json` names them, by their ids.
    pub(crate) fn segments(&self) -> Result<BTreeMap<String, serde_json::Value>> {
        let metas = self.held.metas().iter();
        let pairs = metas.map(|meta| Ok((meta.id().uuid_string(), serde_json::to_value(meta)?)));
        let pairs: serde_json::Result<_> = pairs.collect();
        pairs.map_err(|e| Error::new(ErrorCode::BadValue, format!("segments: {e}")).file(&self.dir).source(e))
    }
}
