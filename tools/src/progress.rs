//! Progress bars and log lines on stderr, off where stderr is no terminal or with `--quiet`.

use std::io::IsTerminal;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::args::Global;

/// A bar over `total` units, or a counter where the total is not known.
pub fn bar(global: &Global, total: Option<u64>, unit: &str) -> ProgressBar {
    let target =
        if global.shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(total, target);
    let template = match total {
        Some(_) => format!("{{msg:24}} {{bar:30}} {{pos}}/{{len}} {unit} {{per_sec}} left {{eta}}"),
        None => format!("{{msg:24}} {{spinner}} {{pos}} {unit} {{per_sec}}"),
    };
    // The template is a constant of this file, so it parses.
    bar.with_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// Sends log lines to stderr: warnings by default, `RUST_LOG` decides otherwise; errors only with `--quiet`.
pub fn log_to_stderr(global: &Global) {
    let default = if global.quiet || !std::io::stderr().is_terminal() { "error" } else { "warn" };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(default));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}
