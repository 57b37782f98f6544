//! Swapping in another bundle of the same space: recalibrated, or with other heads. Atomic: the manifest names the bundle.

use std::path::Path;

use super::manifest::{LEFT_OVER, Manifest};
use super::partial::lock_writer;
use super::store::{Index, bundle_folder};
use crate::error::{Error, Result};
use crate::model::{Bundle, OnExisting};

/// Makes the index at `dir` use `bundle` from now on. Killed at any moment, the index has the old bundle or the new one.
///
/// # Errors
/// [`crate::ErrorCode::SpaceMismatch`] for a bundle of another space; [`crate::ErrorCode::Locked`] while a writer is open; those of
/// opening the index and of writing the bundle.
pub fn attach(dir: &Path, bundle: &Bundle) -> Result<()> {
    Manifest::load(dir)?;
    let _lock = lock_writer(dir)?;
    // Opened under the lock: what another attach has just done must not be taken for left over.
    let index = Index::open(dir)?;
    index.media().check_space(bundle.space()).map_err(|e| e.file(dir))?;
    let old = index.manifest().bundle.clone();
    let new = bundle_folder(bundle.model());
    if new != old {
        // A folder of this name is what a killed attach left: not yet named by any manifest.
        bundle.save_as(&dir.join(&new), OnExisting::Replace)?;
        Manifest { bundle: new.clone(), ..index.manifest().clone() }.save(dir)?;
    }
    remove_other_bundles(dir, &new)
}

/// Folders of bundles that the manifest does not name are left over, and so is what a killed writer was making.
fn remove_other_bundles(dir: &Path, keep: &str) -> Result<()> {
    for entry in std::fs::read_dir(dir).map_err(|e| Error::io(dir, e))? {
        let entry = entry.map_err(|e| Error::io(dir, e))?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        let is_folder = entry.file_type().map_err(|e| Error::io(&path, e))?.is_dir();
        let removed =
            if is_folder && (name.starts_with(LEFT_OVER) || name.starts_with("bundle-")) && name != keep {
                std::fs::remove_dir_all(&path)
            } else if !is_folder && name.starts_with(LEFT_OVER) {
                std::fs::remove_file(&path)
            } else {
                Ok(())
            };
        removed.map_err(|e| Error::io(&path, e))?;
    }
    Ok(())
}
