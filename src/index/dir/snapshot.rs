//! Which state an index is in, and which folder it is: a writer beside may change both.

use std::path::Path;
use std::time::{Duration, SystemTime};

use super::layout::MANIFEST;
use crate::error::Result;

/// How often what failed beside a writer is tried anew.
pub(super) const TRIES: u32 = 30;
/// Before the next try.
pub(super) const PAUSE: Duration = Duration::from_millis(5);

/// What `read` gives. Where it fails and the index is not what it was before, it is tried again: a writer may have taken
/// away what the older state named, where there was no lock to hold it with. An index that stays as it is has one try.
pub(crate) fn settled<T>(dir: &Path, mut read: impl FnMut() -> Result<T>) -> Result<T> {
    let mut left = TRIES;
    loop {
        let before = State::of(dir);
        match read() {
            Err(error) if left > 0 && State::of(dir) != before => {
                tracing::debug!("the index has changed meanwhile, so it is read anew: {error}");
                left -= 1;
                std::thread::sleep(PAUSE);
            }
            result => return result,
        }
    }
}

/// Which files say what the index has, and which folder it is. They are replaced, never changed in place.
#[derive(PartialEq)]
pub(super) struct State {
    files: [Option<Version>; 2],
    folder: Option<FolderId>,
}

/// Length, time of change and number of a file.
type Version = (u64, Option<SystemTime>, Option<FolderId>);

impl State {
    pub(super) fn of(dir: &Path) -> Self {
        let version = |name: &str| {
            let path = dir.join(name);
            let file = std::fs::symlink_metadata(&path).ok()?;
            Some((file.len(), file.modified().ok(), FolderId::of(&path)))
        };
        Self { files: ["meta.json", MANIFEST].map(version), folder: FolderId::of(dir) }
    }
}

/// Which folder (or file) a path leads to, whatever its name: another one in its place is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FolderId {
    number: (u64, u64),
    /// Numbers are given again.
    born: Option<SystemTime>,
}

impl FolderId {
    /// `None` where there is none, or the system does not say.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt;
        let there = std::fs::metadata(path).ok()?;
        Some(Self { number: (there.dev(), there.ino()), born: there.created().ok() })
    }

    #[cfg(not(unix))]
    pub(crate) fn of(path: &Path) -> Option<Self> {
        let there = std::fs::metadata(path).ok()?;
        Some(Self { number: (0, 0), born: there.created().ok() })
    }
}

/// A folder as it was opened, whatever its path leads to later. It is held, so that its number is not given again; both
/// numbers are asked for at the same time, since a layered file system may answer otherwise before the first change.
#[derive(Debug)]
pub(crate) struct Place(#[cfg(unix)] Option<std::fs::File>, #[cfg(not(unix))] Option<FolderId>);

impl Place {
    /// The folder at `path`.
    #[cfg(unix)]
    pub(crate) fn of(path: &Path) -> Self {
        Self(std::fs::File::open(path).ok())
    }

    /// Whether it is what `path` leads to now; true where the system does not let it be held.
    #[cfg(unix)]
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        use std::os::unix::fs::MetadataExt;
        let Some(held) = &self.0 else { return true };
        let number = |about: std::io::Result<std::fs::Metadata>| about.ok().map(|it| (it.dev(), it.ino()));
        number(held.metadata()) == number(std::fs::metadata(path))
    }

    #[cfg(not(unix))]
    pub(crate) fn of(path: &Path) -> Self {
        Self(FolderId::of(path))
    }

    #[cfg(not(unix))]
    pub(crate) fn is_at(&self, path: &Path) -> bool {
        FolderId::of(path) == self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_itself_until_another_takes_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let (path, aside) = (dir.path().join("index"), dir.path().join("aside"));
        std::fs::create_dir(&path).unwrap();
        let place = Place::of(&path);
        std::fs::write(path.join("lock"), "").unwrap();
        assert!(place.is_at(&path));
        std::fs::rename(&path, &aside).unwrap();
        assert!(!place.is_at(&path) && place.is_at(&aside));
        std::fs::create_dir(&path).unwrap();
        assert!(!place.is_at(&path));
    }
}
