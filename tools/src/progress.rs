//! Progress bars and log lines on stderr, off where stderr is no terminal or with `--quiet`.

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

/// Sends log lines to stderr, warnings unless `RUST_LOG` says otherwise; none with `--quiet` or without a terminal.
pub fn log_to_stderr(global: &Global) {
    if !global.shows_progress() {
        return;
    }
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).without_time().init();
}
