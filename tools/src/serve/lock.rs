//! Locks that are taken whatever happened to who held them.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// What a panic elsewhere leaves is whole: values are put in place at once.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
