//! Entry points that read an index: what the host throws over a damaged one becomes an error that names the file.

use std::path::Path;

use tantivy::Directory;

use super::directory::IndexDirectory;
use super::sound::{Fault, META, SoundDirectory};
use crate::error::{Error, ErrorCode, Result};
use crate::guard;

/// How often a commit is looked at that another one has replaced meanwhile.
const TRIES: u32 = 30;

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

/// The first damaged file of the last commit at `dir`, which a writer may replace meanwhile: then its files are looked at
/// anew.
fn first_fault_in(dir: &Path) -> Option<Fault> {
    let files = IndexDirectory::open(dir).ok()?;
    of_last(|| files.atomic_read(Path::new(META)).ok(), || first_fault_now(&files))
}

/// What `look` finds while `meta` stays as it is: a fault of an older commit is none.
fn of_last(meta: impl Fn() -> Option<Vec<u8>>, mut look: impl FnMut() -> Option<Fault>) -> Option<Fault> {
    let mut left = TRIES;
    loop {
        let before = meta();
        let fault = look()?;
        if left == 0 || meta() == before {
            return Some(fault);
        }
        left -= 1;
    }
}

fn first_fault_now(files: &IndexDirectory) -> Option<Fault> {
    let directory = SoundDirectory::new(files.clone());
    if directory.atomic_read(Path::new(META)).is_err() {
        return Some(Fault::new(META, "the file does not read, or its checksum does not match"));
    }
    directory
        .committed()
        .iter()
        .find_map(|name| directory.check(name).err().filter(|fault| fault.unread.is_none()))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn a_file_that_a_commit_has_deleted_meanwhile_is_not_missing() {
        let (commit, looks) = (Cell::new(1), Cell::new(0));
        let look = |says: fn(u8) -> bool, moves: bool| {
            looks.set(0);
            let meta = || Some(vec![commit.get()]);
            of_last(meta, || {
                looks.set(looks.get() + 1);
                let fault = says(looks.get()).then(|| Fault::new("a.store", "the file is missing"));
                commit.set(commit.get().wrapping_add(u8::from(moves)));
                fault
            })
        };
        assert_eq!((look(|at| at == 1, true), looks.get()), (None, 2));
        assert!(look(|_| true, false).is_some() && looks.get() == 1);
        assert!(look(|_| true, true).is_some(), "not for ever");
    }
}
