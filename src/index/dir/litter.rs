//! What killed writers leave in an index directory.

use std::path::Path;

use super::layout::MAKES_ROOM;
use crate::error::{Error, Result};
use crate::index::files::change;
use crate::index::files::names::{self, LEFT_OVER};

/// Prefix of the host's files under construction.
const OF_THE_HOST: &str = ".tmp";

/// Removes from the index at `dir` files and folders under construction, and bundles other than `bundle`. Nothing is
/// touched but regular files and real folders of the names that this program and the host give.
///
/// The caller holds the writer's lock, so that nobody is making them: only a manifest is replaced without it, which tries
/// again when its file is gone.
pub(crate) fn remove(dir: &Path, bundle: &str) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let entry = entry.map_err(|e| Error::io(dir, e))?;
        let (path, name) = (entry.path(), entry.file_name());
        let kind = entry.file_type().map_err(|e| Error::io(&path, e))?;
        let temporary = |prefixes: &[&str]| prefixes.iter().any(|prefix| names::is_temporary(&name, prefix));
        let folders = [LEFT_OVER, ".uncsm-bundle-", ".uncsm-old-"];
        let removed = if kind.is_file() && (temporary(&[OF_THE_HOST, LEFT_OVER]) || name == MAKES_ROOM) {
            change::remove_file(&path)
        } else if kind.is_dir() && (temporary(&folders) || (is_bundle(&name) && name != bundle)) {
            change::remove_folder(&path)
        } else {
            continue;
        };
        match removed {
            // It is in nobody's way.
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                tracing::warn!("{}: what a killed writer left is not removed: {error}", path.display());
            }
            _ => tracing::debug!("{}: removed what a killed writer left", path.display()),
        }
    }
    Ok(())
}

/// Whether a folder has the name of a bundle inside an index.
pub(super) fn is_bundle(name: &std::ffi::OsStr) -> bool {
    let hex = name.to_str().and_then(|name| name.strip_prefix("bundle-"));
    hex.is_some_and(|hex| hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::dir::layout::SOURCES;

    #[test]
    fn what_is_under_construction_goes_and_all_else_stays() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let gone = [".tmpAbCd12", ".uncsm-AbCd12"];
        let stay = [".tmp", ".tmpAbCd123", ".tmp-notes", "meta.json", ".managed.json", SOURCES, "notes.txt"];
        for name in gone.iter().chain(&stay) {
            std::fs::write(dir.join(name), "1").unwrap();
        }
        let gone_folders = [".uncsm-bundle-AbCd12", ".uncsm-old-AbCd12", "bundle-0123456789abcdef"];
        let stay_folders = ["bundle-fedcba9876543210", "bundle-mine", ".tmpXyXyXy"];
        for name in gone_folders.iter().chain(&stay_folders) {
            std::fs::create_dir(dir.join(name)).unwrap();
            std::fs::write(dir.join(name).join("inside"), "1").unwrap();
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink(dir.join("notes.txt"), dir.join(".tmpLink12")).unwrap();
        remove(dir, "bundle-fedcba9876543210").unwrap();
        let is_there = |name: &str| std::fs::symlink_metadata(dir.join(name)).is_ok();
        assert!(!gone.iter().chain(&gone_folders).any(|name| is_there(name)));
        assert!(stay.iter().chain(&stay_folders).all(|name| is_there(name)));
        #[cfg(unix)]
        assert!(is_there(".tmpLink12"), "a link is no file of ours");
    }
}
