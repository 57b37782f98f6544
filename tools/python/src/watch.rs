//! Long work beside the interpreter: its lock is given up, callbacks run in the thread that called, and Ctrl-C ends the work.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use uncsm_index::search::Cancel;

use crate::error::raised;

/// How soon a signal is heard.
const PULSE: Duration = Duration::from_millis(50);

/// What work tells, and is told.
pub(crate) struct Watch<E> {
    events: Sender<E>,
    stop: Arc<AtomicBool>,
    cancel: Cancel,
}

/// Unwinds work that takes no flag.
struct Stopped;

impl<E> Watch<E> {
    /// Says where the work stands.
    pub(crate) fn tell(&self, event: E) {
        // The listener stays until the work ends.
        let _ = self.events.send(event);
    }

    /// Set when the work is to end.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.stop
    }

    /// The same for queries.
    pub(crate) fn cancel(&self) -> Cancel {
        self.cancel.clone()
    }

    /// Ends the work here where it is to end: for what calls back, but takes no flag. The stack unwinds as after a panic, of
    /// which nothing is written; the end of the thread catches it.
    pub(crate) fn check(&self) {
        if self.stop.load(Ordering::SeqCst) {
            std::panic::resume_unwind(Box::new(Stopped));
        }
    }
}

/// Runs `work` on a thread of its own, without the lock of the interpreter; `hear` gets what it tells, in this thread.
///
/// # Errors
/// That of the work; `KeyboardInterrupt` or what `hear` raises, once the work has ended on it.
pub(crate) fn run<T: Send, E: Send>(
    py: Python<'_>,
    work: impl FnOnce(&Watch<E>) -> uncsm_index::Result<T> + Send,
    mut hear: impl FnMut(E) -> PyResult<()>,
) -> PyResult<T> {
    let (events, mut heard) = channel();
    let (stop, cancel) = (Arc::new(AtomicBool::new(false)), Cancel::new());
    let watch = Watch { events, stop: Arc::clone(&stop), cancel: cancel.clone() };
    let mut failed = None;
    let outcome = std::thread::scope(|scope| {
        // Its end drops the sender, which ends the loop.
        let worker = scope.spawn(move || work(&watch));
        loop {
            let (back, event) = py.detach(move || {
                let event = heard.recv_timeout(PULSE);
                (heard, event)
            });
            heard = back;
            let here = match event {
                Ok(event) if failed.is_none() => hear(event),
                Err(RecvTimeoutError::Disconnected) => break,
                Ok(_) | Err(RecvTimeoutError::Timeout) => Ok(()),
            };
            if let Err(error) = here.and_then(|()| py.check_signals()) {
                failed.get_or_insert(error);
                stop.store(true, Ordering::SeqCst);
                cancel.cancel();
            }
        }
        worker.join()
    });
    match (failed, outcome) {
        (Some(error), _) => Err(error),
        (None, Ok(result)) => result.map_err(|error| raised(py, &error)),
        (None, Err(panic)) => {
            let said = panic.downcast_ref::<String>().map(String::as_str);
            let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
            Err(PyRuntimeError::new_err(format!("the library panicked: {said}")))
        }
    }
}
