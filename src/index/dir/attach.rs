//! Swapping in another bundle of the same space: recalibrated, or with other heads. Atomic: the manifest names the bundle.

use std::path::Path;

use super::layout::lock_writer;
use super::litter;
use super::manifest::Manifest;
use super::shard::ShardManifest;
use super::store::{Index, bundle_folder, verify_bundle};
use crate::error::Result;
use crate::model::{Bundle, OnExisting};

/// Makes the index at `dir` use `bundle` from now on. Killed at any moment, the index has the old bundle or the new one.
///
/// # Errors
/// [`crate::ErrorCode::SpaceMismatch`] for a bundle of another space; [`crate::ErrorCode::Locked`] while a writer is open; those of
/// opening the index and of writing the bundle.
pub fn attach(dir: &Path, bundle: &Bundle) -> Result<()> {
    let named = Manifest::load(dir)?;
    let _lock = lock_writer(dir)?;
    // Checksums follow from a sound bundle, so damage in them alone is mended here, as its hint says.
    Bundle::mend_checks(&dir.join(&named.bundle))?;
    // Opened under the lock: what another attach has just done must not be taken for left over.
    let index = Index::open(dir)?;
    index.media().check_space(bundle.space()).map_err(|e| e.file(dir))?;
    // The one that goes is looked at too: an index that was damaged is not to look sound.
    verify_bundle(dir)?;
    let old = index.manifest().bundle.clone();
    let new = bundle_folder(bundle.model());
    if new != old {
        // A folder of this name is what a killed attach left: not yet named by any manifest.
        bundle.save_in_index(&dir.join(&new), OnExisting::Replace)?;
        Manifest { bundle: new.clone(), ..index.manifest().clone() }.save(dir)?;
    } else {
        Bundle::add_checks(&dir.join(&new))?;
    }
    // Whoever compares parts looks there. Also where the bundle is there already: a killed attach has left it so.
    if let Some(mut part) = ShardManifest::load(dir)?.filter(|part| part.model != bundle.model()) {
        part.model = bundle.model();
        part.save(dir)?;
    }
    litter::remove(dir, &new)
}
