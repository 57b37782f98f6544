//! Ctrl-C and SIGTERM: the first asks the work to end in order, the second ends it at once.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use uncsm_index::{Error, ErrorCode, Result};

static STOP: AtomicBool = AtomicBool::new(false);

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
