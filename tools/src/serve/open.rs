//! The user's browser.

use std::process::{Command, Stdio};

use uncsm_index::{Error, Result};

/// Opens `url` in the user's browser.
///
/// # Errors
/// [`uncsm_index::ErrorCode::Io`] or [`uncsm_index::ErrorCode::NotFound`] where no program opens addresses.
pub fn open_browser(url: &str) -> Result<()> {
    let program = match std::env::consts::OS {
        "macos" => "open",
        "windows" => "explorer",
        _ => "xdg-open",
    };
    let silent = || Stdio::null();
    let started = Command::new(program).arg(url).stdin(silent()).stdout(silent()).stderr(silent()).spawn();
    let child = started.map_err(|e| Error::io(program, e).hint(format!("open {url} by hand")))?;
    // Taken from the system when it ends, whenever that is.
    std::thread::spawn(move || child.wait_with_output());
    Ok(())
}
