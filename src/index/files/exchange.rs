//! One folder in the place of another, without a moment in which there is none, where the system can.

use std::io;
use std::path::Path;

use super::change::rename;

/// Puts `new` in `place`; what was there is at `aside` then, where nothing may be before.
///
/// Killed on the way, `place` has the old folder or the new one, and the other is at `new` or `aside`. Only where names
/// cannot be exchanged `place` may have none: then the old one is at `aside`.
pub(crate) fn put_in_place(new: &Path, place: &Path, aside: &Path) -> io::Result<()> {
    if exchange(new, place)? {
        return rename(new, aside);
    }
    in_two_steps(new, place, aside)
}

fn in_two_steps(new: &Path, place: &Path, aside: &Path) -> io::Result<()> {
    rename(place, aside)?;
    rename(new, place).or_else(|error| {
        rename(aside, place)?;
        Err(error)
    })
}

/// Exchanges two names in one step; `false` where the system or the file system cannot.
#[cfg(any(target_os = "linux", target_os = "android", target_vendor = "apple"))]
fn exchange(a: &Path, b: &Path) -> io::Result<bool> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    use rustix::io::Errno;
    match renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE) {
        Ok(()) => Ok(true),
        // Sandboxes answer calls that they do not know with the last one.
        Err(Errno::NOSYS | Errno::INVAL | Errno::NOTSUP | Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple")))]
fn exchange(_: &Path, _: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_folder_is_aside_and_the_new_one_in_place() {
        for put in [put_in_place, in_two_steps] {
            let dir = tempfile::tempdir().unwrap();
            let [new, place, aside] = ["new", "place", "aside"].map(|name| dir.path().join(name));
            for folder in [&new, &place] {
                std::fs::create_dir(folder).unwrap();
                std::fs::write(folder.join("which"), folder.file_name().unwrap().as_encoded_bytes()).unwrap();
            }
            put(&new, &place, &aside).unwrap();
            let which = |folder: &Path| std::fs::read_to_string(folder.join("which")).unwrap();
            assert_eq!((which(&place).as_str(), which(&aside).as_str()), ("new", "place"));
            assert!(!new.exists());
            // Nothing to put there: all stays.
            put(&new, &place, &dir.path().join("other")).unwrap_err();
            assert_eq!(which(&place), "new");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_are_exchanged_in_one_step_here() {
        let dir = tempfile::tempdir().unwrap();
        let (a, b) = (dir.path().join("a"), dir.path().join("b"));
        std::fs::create_dir(&a).unwrap();
        std::fs::write(&b, "b").unwrap();
        assert!(exchange(&a, &b).unwrap());
        assert!(b.is_dir() && a.is_file());
    }
}
