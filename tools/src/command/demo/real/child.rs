//! A program that the demo starts: what it says on stderr is passed on, and it never outlives the demo.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::sync::atomic::Ordering;
use std::thread::{JoinHandle, sleep, spawn};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;
use uncsm_index::{Error, ErrorCode, Result};

use crate::args::Global;
use crate::{interrupt, output, progress};

const POLL: Duration = Duration::from_millis(50);
/// How long a program that was asked to end may take to remove what it has begun: thousands of unpacked files.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a program ended.
pub struct Ended {
    pub status: ExitStatus,
    /// The last line that it wrote to stderr; may be empty.
    pub last: String,
}

/// Runs `command` to its end; `name` is what a bar calls it.
///
/// # Errors
/// [`ErrorCode::NotFound`] where the program is not there; [`ErrorCode::Interrupted`] after Ctrl-C; those of starting it.
pub fn run(command: &mut Command, name: &str, global: &Global) -> Result<Ended> {
    let stop = interrupt::listen_once()?;
    let bar = progress::bar(global, None, "lines");
    bar.set_message(name.to_owned());
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut running = Running::start(command, &bar, passes_on(global))?;
    let status = loop {
        if stop.load(Ordering::SeqCst) {
            break None;
        }
        match running.child.try_wait().map_err(|e| Error::io(command.get_program(), e))? {
            Some(status) => break Some(status),
            None => sleep(POLL),
        }
    };
    let last = running.end();
    bar.finish_and_clear();
    // Looked at again, since Ctrl-C may have come between the program's end and here.
    match status.filter(|_| !stop.load(Ordering::SeqCst)) {
        Some(status) => Ok(Ended { status, last }),
        None => Err(Error::new(ErrorCode::Interrupted, format!("{name} was stopped"))
            .hint("run the same command again: what is there already stays")),
    }
}

/// Under `--json` stderr belongs to the error, which has the last line.
fn passes_on(global: &Global) -> bool {
    !global.json && !global.quiet
}

/// How a program is told to end.
#[derive(Clone, Copy)]
enum Signal {
    /// As Ctrl-C would: both scripts remove what they have begun.
    Interrupt,
    End,
    Kill,
}

/// A program, ended by whatever path this is left on.
struct Running {
    child: Child,
    reader: Option<JoinHandle<String>>,
}

impl Running {
    fn start(command: &mut Command, bar: &ProgressBar, passes_on: bool) -> Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        // A group of its own: a Ctrl-C of the terminal comes here alone, and all that it starts can be ended together.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(command, 0);
        interrupt::watch(true);
        let started = command.spawn();
        let mut running = match started {
            Ok(child) => Self { child, reader: None },
            Err(error) => {
                interrupt::watch(false);
                return Err(Error::io(command.get_program(), error));
            }
        };
        let bar = bar.clone();
        running.reader =
            running.child.stderr.take().map(|stderr| spawn(move || read(stderr, &bar, passes_on)));
        Ok(running)
    }

    /// Ends what still runs; gives the last line.
    fn end(mut self) -> String {
        self.stop();
        self.reader.take().and_then(|reader| reader.join().ok()).unwrap_or_default()
    }

    /// Asks the whole group to end, and ends it by force where it does not, or where Ctrl-C comes again.
    fn stop(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        if self.alive() {
            self.signal(Signal::Interrupt);
        }
        while self.leads() && Instant::now() < deadline && !interrupt::insists() {
            sleep(POLL);
        }
        // What a shell put into the background hears no Ctrl-C, and has nobody left to end it.
        if self.alive() {
            self.signal(Signal::End);
        }
        while self.alive() && Instant::now() < deadline && !interrupt::insists() {
            sleep(POLL);
        }
        if self.alive() {
            self.signal(Signal::Kill);
            // Nothing withstands this but a process that the system holds; then there is nothing to wait for.
            let _ = self.child.wait();
        }
    }

    /// Whether the program itself runs.
    fn leads(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    #[cfg(unix)]
    fn alive(&mut self) -> bool {
        // Waited for first: one that has ended is in its group until then.
        self.leads() || nix::sys::signal::killpg(self.group(), None).is_ok()
    }

    #[cfg(unix)]
    fn signal(&mut self, signal: Signal) {
        let signal = match signal {
            Signal::Interrupt => nix::sys::signal::SIGINT,
            Signal::End => nix::sys::signal::SIGTERM,
            Signal::Kill => nix::sys::signal::SIGKILL,
        };
        // One that has ended meanwhile is no error.
        let _ = nix::sys::signal::killpg(self.group(), signal);
    }

    #[cfg(unix)]
    fn group(&self) -> nix::unistd::Pid {
        nix::unistd::Pid::from_raw(self.child.id().cast_signed())
    }

    #[cfg(not(unix))]
    fn alive(&mut self) -> bool {
        self.leads()
    }

    #[cfg(not(unix))]
    fn signal(&mut self, _signal: Signal) {
        let _ = self.child.kill();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
        interrupt::watch(false);
    }
}

/// Passes lines on as they come; gives the last that says something.
fn read(stderr: ChildStderr, bar: &ProgressBar, passes_on: bool) -> String {
    let mut last = String::new();
    for line in BufReader::new(stderr).split(b'\n').map_while(std::result::Result::ok) {
        let line = output::plain(String::from_utf8_lossy(&line).trim_end());
        if passes_on {
            // Without a reader of stderr it is lost.
            bar.suspend(|| drop(writeln!(std::io::stderr(), "{line}")));
        }
        bar.inc(1);
        if !line.trim().is_empty() {
            last = line;
        }
    }
    last
}
