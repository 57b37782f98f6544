//! An index of another program that has our media field: no manifest, no bundle, and any directory.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use serde::Deserialize;

use super::held::Files;
use super::layout::MANIFEST;
use super::litter::is_bundle;
use crate::error::{Error, Result};
use crate::index::files::directory::IndexDirectory;
use crate::index::files::names::{self, FIELD_TYPE, within};
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
/// index of this program that lost its manifest. A guest that does not open is an error.
pub(crate) fn find(dir: &Path) -> Option<Result<Guest<'_>>> {
    let there = |name: &str| std::fs::symlink_metadata(dir.join(name)).is_ok();
    if there(MANIFEST) || !there(META) {
        return None;
    }
    let entries = std::fs::read_dir(dir).ok()?;
    let entries: Vec<OsString> = entries.flatten().map(|entry| entry.file_name()).collect();
    if entries.iter().any(|name| is_bundle(name)) {
        return None;
    }
    // Vectors are ours, whatever has become of the schema.
    let is_guest = entries.iter().any(|name| holds_vectors(name)) || has_field(dir);
    is_guest.then(|| open(dir))
}

/// Whether a file has the name of a segment's vectors.
fn holds_vectors(name: &OsStr) -> bool {
    let name = Path::new(name);
    name.extension().is_some_and(|kind| kind == FIELD_TYPE) && names::is_of_a_segment(name, Vec::new)
}

/// Whether the schema in `meta.json` has a field of our type, sound or not. Files of this name are common, and what is in
/// them may be anything.
fn has_field(dir: &Path) -> bool {
    #[derive(Deserialize)]
    struct Meta {
        schema: Vec<serde_json::Value>,
    }
    let bytes = match names::read_bytes(&dir.join(META)) {
        Ok(bytes) => bytes,
        // What may not be read now is not known to be none: opening it says why. What is no file is none.
        Err(error) => return error.kind() != std::io::ErrorKind::InvalidData,
    };
    let meta = serde_json::from_slice::<Meta>(&bytes);
    meta.is_ok_and(|meta| meta.schema.iter().any(|field| field["options"]["type_name"] == FIELD_TYPE))
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
/// [`BadValue`](crate::ErrorCode::BadValue) without a media field; [`BadArgument`](crate::ErrorCode::BadArgument) where it was created without the plugin, or shuffles
/// its documents.
pub(crate) fn check(index: &tantivy::Index) -> Result<()> {
    MediaField::of(&index.schema())?;
    refuse_sorting(index.settings())?;
    check_created(index)
}

/// Whether an index of another program with a media field of ours is at `dir`: [`examine`](super::report::verify::examine) and
/// [`inspect_host_at`](super::report::inspect::inspect_host_at) look at it.
pub fn is_host(dir: &Path) -> bool {
    find(dir).is_some()
}
