//! An index of another program that has our media field: no manifest, no bundle, and any directory.

use std::path::Path;

use super::held::Files;
use super::layout::MANIFEST;
use super::litter::is_bundle;
use crate::error::{Error, ErrorCode, Result};
use crate::index::files::directory::IndexDirectory;
use crate::index::files::names::within;
use crate::index::files::sorted::refuse_sorting;
use crate::index::files::sound::{META, SoundDirectory};
use crate::index::plugin::field::MediaField;
use crate::index::plugin::host::UvecPlugin;
use crate::index::plugin::registered::check_created;

/// Such an index, opened in a directory on disk.
pub(crate) struct Guest<'d> {
    dir: &'d Path,
    tantivy: tantivy::Index,
    sound: SoundDirectory,
}

impl Guest<'_> {
    pub(crate) fn files(&self) -> Files<'_> {
        Files { tantivy: &self.tantivy, sound: Some(&self.sound), dir: Some(self.dir) }
    }
}

/// The index of another program at `dir`; `None` where none of ours is a guest: no index, one without the media field, or an
/// index of this program that lost its manifest.
pub(crate) fn find(dir: &Path) -> Option<Result<Guest<'_>>> {
    let there = |name: &str| std::fs::symlink_metadata(dir.join(name)).is_ok();
    if there(MANIFEST) || !there(META) {
        return None;
    }
    let entries = std::fs::read_dir(dir).ok()?;
    if entries.flatten().any(|entry| is_bundle(&entry.file_name())) {
        return None;
    }
    match open(dir) {
        Err(error) if error.code() == ErrorCode::BadValue => None,
        found => Some(found),
    }
}

fn open(dir: &Path) -> Result<Guest<'_>> {
    let sound = SoundDirectory::new(IndexDirectory::open(dir)?);
    let open = || {
        let mut tantivy = tantivy::Index::open(sound.clone())?;
        tantivy.register_plugin(UvecPlugin::new().registered());
        check(&tantivy)?;
        Ok(tantivy)
    };
    let tantivy = open().map_err(|error: Error| within(error, dir))?;
    Ok(Guest { dir, tantivy, sound })
}

/// Refuses an index that holds no vectors.
///
/// # Errors
/// [`ErrorCode::BadValue`] without a media field; [`ErrorCode::BadArgument`] where it was created without the plugin, or shuffles
/// its documents.
pub(crate) fn check(index: &tantivy::Index) -> Result<()> {
    MediaField::of(&index.schema())?;
    refuse_sorting(index.settings())?;
    check_created(index)
}

/// Whether an index of another program with a media field of ours is at `dir`: [`examine`](super::verify::examine) and
/// [`inspect_host_at`](super::inspect::inspect_host_at) look at it.
pub fn is_host(dir: &Path) -> bool {
    find(dir).is_some()
}
