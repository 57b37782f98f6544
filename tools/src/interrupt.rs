//! Ctrl-C and SIGTERM: the first asks the work to end in order, the second ends it at once.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
#[cfg(feature = "train")]
use std::sync::{Mutex, PoisonError};

use uncsm_index::{Error, ErrorCode, Result};

static STOP: AtomicBool = AtomicBool::new(false);

/// Whether a program runs that this one started, and has to end first.
#[cfg(feature = "train")]
static CHILD: AtomicBool = AtomicBool::new(false);

/// Whether Ctrl-C came while that program was ending already.
#[cfg(feature = "train")]
static AGAIN: AtomicBool = AtomicBool::new(false);

/// Customary for an end by Ctrl-C.
const INTERRUPTED: i32 = 130;

/// From now on a first Ctrl-C sets the flag that this gives. Before that, it ends the process as ever.
///
/// # Errors
/// [`ErrorCode::Io`] where the system has no handlers left.
pub fn listen() -> Result<&'static AtomicBool> {
    let handler = || {
        if STOP.swap(true, Ordering::SeqCst) {
            std::process::exit(INTERRUPTED);
        }
        // Under `--json` stderr belongs to the error that follows, and it is the terminal's user who may press again.
        if std::io::IsTerminal::is_terminal(&std::io::stderr()) {
            let _ = writeln!(std::io::stderr(), "committing what is there; once more ends at once");
        }
    };
    ctrlc::set_handler(handler)
        .map_err(|e| Error::new(ErrorCode::Io, format!("no handler for Ctrl-C: {e}")).source(e))?;
    Ok(&STOP)
}

/// While [`watch`] says that a program runs, Ctrl-C only sets the flag that this gives: whoever started the
/// program ends it, at once where [`insists`] says so. At all other times it ends the process. Asked again, it gives the same flag.
///
/// # Errors
/// [`ErrorCode::Io`] where the system has no handlers left.
#[cfg(feature = "train")]
pub fn listen_once() -> Result<&'static AtomicBool> {
    static HEARS: Mutex<bool> = Mutex::new(false);
    let mut hears = HEARS.lock().unwrap_or_else(PoisonError::into_inner);
    if !*hears {
        let handler = || {
            if STOP.swap(true, Ordering::SeqCst) {
                AGAIN.store(true, Ordering::SeqCst);
            }
            if !CHILD.load(Ordering::SeqCst) {
                std::process::exit(INTERRUPTED);
            }
        };
        ctrlc::set_handler(handler)
            .map_err(|e| Error::new(ErrorCode::Io, format!("no handler for Ctrl-C: {e}")).source(e))?;
        *hears = true;
    }
    Ok(&STOP)
}

/// Whether Ctrl-C came more than once.
#[cfg(feature = "train")]
pub fn insists() -> bool {
    AGAIN.load(Ordering::SeqCst)
}

/// Says whether a program runs.
#[cfg(feature = "train")]
pub fn watch(runs: bool) {
    CHILD.store(runs, Ordering::SeqCst);
}
