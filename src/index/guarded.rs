//! Entry points that read an index: what the host throws over a damaged one becomes an error that names the file.

use std::path::Path;

use tantivy::Directory;

use super::directory::IndexDirectory;
use super::sound::{Fault, META, SoundDirectory};
use crate::error::{Error, ErrorCode, Result};
use crate::guard;

/// Runs `work` over the indexes at `dirs`. A panic is an error; it, and an error that names no file, is told with the first
/// damaged file, which costs a read of all files of the indexes.
pub(crate) fn guarded<'d, T>(
    dirs: impl IntoIterator<Item = &'d Path>,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let (error, panicked) = match guard::catch(work) {
        Ok(Ok(done)) => return Ok(done),
        Ok(Err(error)) => (error, false),
        Err(said) => (Error::new(ErrorCode::Damaged, format!("the index does not read: {said}")), true),
    };
    // What the plugin finds comes through the host as text alone.
    let by_plugin = error.code() == ErrorCode::Engine && error.facts().message.contains("damaged");
    if error.code() != ErrorCode::Damaged && !by_plugin {
        return Err(error);
    }
    let dirs: Vec<&Path> = dirs.into_iter().collect();
    if let Some(file) = error.facts().file.clone().filter(|file| !file.is_dir()) {
        // The host names its files from inside of the directory.
        let inside =
            dirs.iter().map(|dir| dir.join(&file)).find(|place| file.is_relative() && place.exists());
        return Err(match inside {
            Some(place) => error.file(place),
            None => error,
        });
    }
    if let Some(found) = dirs.iter().find_map(|dir| first_fault_in(dir).map(|fault| fault.error(dir))) {
        return Err(found);
    }
    let error = match dirs.first() {
        Some(dir) if error.facts().file.is_none() => error.file(dir),
        _ => error,
    };
    Err(if panicked { error.hint("run `verify`; where it finds nothing, please report this") } else { error })
}

/// The first damaged file of the last commit at `dir`.
fn first_fault_in(dir: &Path) -> Option<Fault> {
    let directory = SoundDirectory::new(IndexDirectory::open(dir).ok()?);
    if directory.atomic_read(Path::new(META)).is_err() {
        return Some(Fault::new(META, "the file does not read, or its checksum does not match"));
    }
    directory.committed().iter().find_map(|name| directory.check(name).err().filter(|fault| fault.is_damage))
}
