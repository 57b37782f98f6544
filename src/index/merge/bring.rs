//! The segments of several indexes in one, as they are.

use std::path::{Path, PathBuf};

use tantivy::Directory;

use super::input::Input;
use crate::error::{Error, ErrorCode, Result};
use crate::index::dir::layout::{ENCODERS, is_folder};
use crate::index::dir::roots::Roots;
use crate::index::dir::store::Index;
use crate::index::files::change;
use crate::index::files::directory::{IndexDirectory, MANAGED, sync_dir};
use crate::index::files::names;
use crate::index::files::sound::{Looked, META, SoundDirectory};
use crate::model::Bundle;

/// Makes an index in the empty folder `dir` with the segments, sources and embedded encoders of `inputs`. Files have a further name where the
/// system can, else they are copied. What was read of them counts as read. Also gives how many sources are not listed, since there are too many.
///
/// # Errors
/// [`ErrorCode::Changed`] where a file is gone; those of making files.
pub(crate) fn together(dir: &Path, inputs: &[Input], bundle: &Bundle) -> Result<(Index, u64)> {
    let Some(first) = inputs.first() else {
        return Err(Error::new(ErrorCode::BadArgument, "no index is named to be merged"));
    };
    let mut made = Index::create(dir, &first.index.manifest().fields, bundle)?;
    // What ids were made from is one thing, or nothing is said of it.
    let ids = first.index.manifest().ids;
    if let Some(from) = ids.filter(|_| inputs.iter().all(|input| input.index.manifest().ids == ids)) {
        made.made_ids(from)?;
    }
    let mut meta = serde_json::to_value(made.tantivy().load_metas()?).map_err(|e| json(dir, &e))?;
    drop(made);
    let mut names: Vec<PathBuf> = vec![META.into()];
    let mut segments = Vec::new();
    let (looked, mut opstamp, mut unlisted) = (Looked::default(), 0, 0);
    for input in inputs {
        for name in input.held.files() {
            bring(&input.dir.join(name), &dir.join(name)).map_err(|error| gone(input, error))?;
            names.push(name.clone());
        }
        segments.extend(input.segments()?.into_values());
        opstamp = opstamp.max(input.index.tantivy().load_metas()?.opstamp);
        looked.share(input.index.cache().looked());
        for root in &input.index.roots()? {
            if !Roots::add(dir, root)? {
                tracing::warn!("{}: the index lists as many sources as it can", root.path);
                unlisted += 1;
            }
        }
    }
    if let Some(input) = inputs.iter().find(|input| is_folder(&input.dir.join(ENCODERS))) {
        folder(&input.dir.join(ENCODERS), &dir.join(ENCODERS))?;
    }
    // Their names are durable before they are named.
    sync_dir(dir)?;
    meta["segments"] = segments.into();
    meta["opstamp"] = opstamp.into();
    let directory = SoundDirectory::sharing(IndexDirectory::open(dir)?, &looked);
    for (name, value) in [(MANAGED, serde_json::to_value(&names)), (META, Ok(meta))] {
        let value = value.and_then(|value| serde_json::to_vec_pretty(&value)).map_err(|e| json(dir, &e))?;
        let place = Path::new(name);
        directory.atomic_write(place, &value).map_err(|e| names::of_io(&dir.join(name), e))?;
    }
    sync_dir(dir)?;
    let index = Index::open(dir)?;
    index.cache().looked().share(&looked);
    Ok((index, unlisted))
}

fn json(dir: &Path, error: &serde_json::Error) -> Error {
    Error::new(ErrorCode::BadValue, format!("list of segments: {error}")).file(dir)
}

/// A regular file under another name.
fn bring(from: &Path, to: &Path) -> Result<()> {
    names::check(from)?;
    change::link_or_copy(from, to).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::io(from, e),
        _ => Error::io(to, e),
    })
}

/// What is in the folder `from`, real folders and regular files, in the new folder `to`.
fn folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir(to).map_err(|e| Error::io(to, e))?;
    for entry in std::fs::read_dir(from).map_err(|e| Error::io(from, e))? {
        let entry = entry.map_err(|e| Error::io(from, e))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        match is_folder(&source) {
            true => folder(&source, &target)?,
            false => bring(&source, &target)?,
        }
    }
    sync_dir(to)
}

/// A file that is gone was committed away, since it was there when its index was opened.
fn gone(input: &Input, error: Error) -> Error {
    if error.code() != ErrorCode::NotFound {
        return error;
    }
    Error::new(ErrorCode::Changed, "the index was changed while it was merged")
        .file(&input.dir)
        .hint("merge again when its writer has ended")
}
