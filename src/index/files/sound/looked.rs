//! Which files were read whole: each one once, for as long as this lives.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a file is read whole for; each has a budget of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Queries and deletes match on it, so that it is looked at before it opens.
    Matched,
    /// Stored documents and vectors, which are looked at before they are shown.
    Shown,
    /// Somebody asked for it, whatever its length.
    Asked,
}

/// Files that were read whole and are sound, by name and length: a file is never changed in place. Clones are the same.
#[derive(Clone, Default)]
pub(crate) struct Looked {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    files: BTreeMap<PathBuf, (usize, Purpose)>,
    matched: u64,
    shown: u64,
}

impl Inner {
    fn spent(&mut self, purpose: Purpose) -> Option<&mut u64> {
        match purpose {
            Purpose::Matched => Some(&mut self.matched),
            Purpose::Shown => Some(&mut self.shown),
            Purpose::Asked => None,
        }
    }

    fn give_back(&mut self, length: usize, purpose: Purpose) {
        if let Some(spent) = self.spent(purpose) {
            *spent = spent.saturating_sub(length as u64);
        }
    }
}

impl Looked {
    /// Whether the file `name` with `length` bytes before its footer was read whole.
    pub(crate) fn has(&self, name: &Path, length: usize) -> bool {
        lock(&self.inner).files.get(name).is_some_and(|&(seen, _)| seen == length)
    }

    /// Whether `length` more bytes fit into `budget`.
    pub(crate) fn fits(&self, length: usize, purpose: Purpose, budget: u64) -> bool {
        let mut inner = lock(&self.inner);
        inner.spent(purpose).is_none_or(|spent| spent.saturating_add(length as u64) <= budget)
    }

    /// The file was read whole and is sound.
    pub(crate) fn keep(&self, name: &Path, length: usize, purpose: Purpose) {
        let mut inner = lock(&self.inner);
        if let Some((length, purpose)) = inner.files.insert(name.to_path_buf(), (length, purpose)) {
            inner.give_back(length, purpose);
        }
        if let Some(spent) = inner.spent(purpose) {
            *spent += length as u64;
        }
    }

    /// The file goes, or another one takes its name; its bytes are free for others.
    pub(crate) fn forget(&self, name: &Path) {
        let mut inner = lock(&self.inner);
        if let Some((length, purpose)) = inner.files.remove(name) {
            inner.give_back(length, purpose);
        }
    }

    /// What `other` has read whole counts as read here: files of the same names are the same.
    pub(crate) fn share(&self, other: &Self) {
        let names: Vec<(PathBuf, usize)> =
            lock(&other.inner).files.iter().map(|(name, (length, _))| (name.clone(), *length)).collect();
        names.iter().for_each(|(name, length)| self.keep(name, *length, Purpose::Asked));
    }

    /// Forgets all files but those that `stays` says.
    pub(crate) fn retain(&self, stays: impl Fn(&Path) -> bool) {
        let mut inner = lock(&self.inner);
        let gone: Vec<PathBuf> = inner.files.keys().filter(|name| !stays(name)).cloned().collect();
        for name in gone {
            if let Some((length, purpose)) = inner.files.remove(&name) {
                inner.give_back(length, purpose);
            }
        }
    }
}

/// A panic elsewhere while holding the lock leaves whole entries only.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_go_give_their_bytes_back() {
        let looked = Looked::default();
        let name = Path::new;
        looked.keep(name("a.idx"), 60, Purpose::Matched);
        looked.keep(name("a.store"), 90, Purpose::Shown);
        looked.keep(name("b.idx"), 500, Purpose::Asked);
        assert!(looked.has(name("a.idx"), 60) && !looked.has(name("a.idx"), 61));
        assert!(looked.fits(40, Purpose::Matched, 100) && !looked.fits(41, Purpose::Matched, 100));
        assert!(looked.fits(10, Purpose::Shown, 100) && !looked.fits(11, Purpose::Shown, 100));
        assert!(looked.fits(1000, Purpose::Asked, 100));
        looked.forget(name("a.idx"));
        assert!(looked.fits(100, Purpose::Matched, 100) && !looked.has(name("a.idx"), 60));
        looked.keep(name("c.idx"), 70, Purpose::Matched);
        looked.keep(name("c.idx"), 70, Purpose::Matched);
        assert!(looked.fits(30, Purpose::Matched, 100));
        looked.retain(|stays| stays == name("b.idx"));
        assert!(looked.fits(100, Purpose::Matched, 100) && looked.fits(100, Purpose::Shown, 100));
        assert!(looked.has(name("b.idx"), 500));
    }
}
