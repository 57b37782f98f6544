//! One boundary that catches panics over damaged files: libraries that read them check most, but not all.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Boundaries that are open now, on any thread: workers have no mark of their own.
static OPEN: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Closes a boundary, also on the way of a panic.
struct Boundary {
    before: bool,
}

impl Boundary {
    fn open() -> Self {
        OPEN.fetch_add(1, Ordering::Relaxed);
        Self { before: INSIDE.replace(true) }
    }
}

impl Drop for Boundary {
    fn drop(&mut self) {
        INSIDE.set(self.before);
        OPEN.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs `work`, which reads what may be damaged in any way; `Err` is what a panic of it said, in one line.
///
/// What `work` has changed before a panic is to be dropped, or to hold whole entries only.
pub(crate) fn catch<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    let boundary = Boundary::open();
    let done = catch_unwind(AssertUnwindSafe(work));
    drop(boundary);
    done.map_err(|panic| said(panic.as_ref()))
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    let line = text.unwrap_or_default().lines().next().unwrap_or_default().trim();
    if line.is_empty() { "it cannot be read".into() } else { line.chars().take(200).collect() }
}

/// Whether a panic on this thread, now, becomes an error: of a damaged file, for the most part.
///
/// For the panic hook of a program that prints its errors itself; a hook that knows nothing of this prints a message more.
pub fn catches_panics() -> bool {
    INSIDE.get() || (OPEN.load(Ordering::Relaxed) > 0 && is_worker())
}

/// Whether this thread works for others, who get its panic as their own or as an error: rayon's have no name.
fn is_worker() -> bool {
    match std::thread::current().name() {
        None => true,
        Some(name) => ["segment_updater", "merge_thread", "thrd-tantivy", "tantivy", "docstore-compressor"]
            .iter()
            .any(|start| name.starts_with(start)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_what_it_said_and_the_boundary_closes() {
        assert!(!INSIDE.get());
        assert_eq!(catch(|| INSIDE.get()), Ok(true));
        let numbers = [1, 2];
        let at = numbers.len() + 3;
        let said = catch(|| numbers[at]).unwrap_err();
        assert!(said.contains("out of bounds"), "{said}");
        assert_eq!(catch(|| -> u8 { std::panic::panic_any(7) }), Err("it cannot be read".into()));
        assert!(!INSIDE.get());
        let nested = catch(|| {
            let _ = catch(|| panic!("inner"));
            INSIDE.get()
        });
        assert_eq!(nested, Ok(true));
    }
}
