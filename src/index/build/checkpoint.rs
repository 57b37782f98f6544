//! How far a build has come: kept in the payload of the commit itself, so that the two cannot disagree.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::identity::Identity;
use super::report::BuildReport;
use crate::error::{Error, Result};
use crate::index::files::directory::IndexDirectory;
use crate::index::files::guarded::guarded;

/// A place in a source up to which everything is committed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Checkpoint {
    /// What the build was started with.
    pub identity: Identity,
    /// What the source has given so far: documents, bad ones included.
    pub consumed: u64,
    /// The report so far.
    pub report: BuildReport,
}

/// The part of a commit payload that is read here; an app's own commit may have any payload, or none.
#[derive(Deserialize)]
struct Payload {
    build: Option<Checkpoint>,
}

impl Checkpoint {
    pub(crate) fn new(identity: Identity, consumed: u64, report: BuildReport) -> Self {
        Self { identity, consumed, report }
    }

    /// The checkpoint in the last commit of the index at `dir`; `None` where there is no index, no commit of a build, or
    /// nothing of it that reads.
    pub fn load(dir: &Path) -> Option<Self> {
        Self::find(dir).ok().flatten()
    }

    /// As [`Checkpoint::load`], but what may be there and does not read now is an error, so that nobody takes it for
    /// nothing.
    pub(crate) fn find(dir: &Path) -> Result<Option<Self>> {
        if !dir.join("meta.json").try_exists().map_err(|e| Error::io(dir, e))? {
            return Ok(None);
        }
        let read = || {
            let directory = IndexDirectory::open(dir)?;
            Ok(tantivy::Index::open(directory).and_then(|index| index.load_metas())?)
        };
        match guarded([dir], read) {
            Ok(metas) => {
                let payload = metas.payload.and_then(|text| serde_json::from_str::<Payload>(&text).ok());
                Ok(payload.and_then(|payload| payload.build))
            }
            Err(error) if error.facts().file.is_none() => Err(error.file(dir)),
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_an_index_has_none() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Checkpoint::load(dir.path()), None);
        assert_eq!(Checkpoint::load(&dir.path().join("missing")), None);
    }
}
