//! When a query stops before its end: a time budget, or a caller who no longer waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorCode, Result};

/// Says to a running query, from any thread, that nobody waits for it any more. Clones speak for each other.
///
/// # Example
/// ```
/// use uncsm_index::search::Cancel;
///
/// let cancel = Cancel::new();
/// let guard = cancel.clone().on_drop();
/// // A task that owns the guard and is dropped by its runtime cancels the query that holds `cancel`.
/// drop(guard);
/// assert!(cancel.is_cancelled());
/// ```
#[derive(Debug, Clone, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    /// Not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends the queries that hold a clone, with [`ErrorCode::Interrupted`].
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether it was cancelled.
    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Cancels when the guard goes out of scope: for futures, which are dropped when nobody waits.
    #[must_use]
    pub fn on_drop(self) -> CancelOnDrop {
        CancelOnDrop(self)
    }
}

/// See [`Cancel::on_drop`].
#[derive(Debug)]
pub struct CancelOnDrop(Cancel);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// What a collector asks between two batches of documents.
#[derive(Debug, Clone, Default)]
pub(super) struct Budget {
    time: Option<Duration>,
    deadline: Option<Instant>,
    cancel: Option<Cancel>,
}

impl Budget {
    /// Starts now.
    pub(super) fn new(time: Option<Duration>, cancel: Option<Cancel>) -> Self {
        let mut budget = Self { time, deadline: None, cancel };
        budget.restart();
        budget
    }

    /// Counts from now on.
    pub(super) fn restart(&mut self) {
        // A time beyond the clock is none.
        self.deadline = self.time.and_then(|time| Instant::now().checked_add(time));
    }

    /// Whether to stop here.
    pub(super) fn is_spent(&self) -> bool {
        self.cancel.as_ref().is_some_and(Cancel::is_cancelled)
            || self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// # Errors
    /// [`ErrorCode::Interrupted`] after a cancellation.
    pub(super) fn check_cancelled(&self) -> Result<()> {
        match &self.cancel {
            Some(cancel) if cancel.is_cancelled() => {
                Err(Error::new(ErrorCode::Interrupted, "the query was cancelled"))
            }
            _ => Ok(()),
        }
    }
}
