//! Progress bars and log lines on stderr, off where stderr is no terminal or with `--quiet`.

use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use uncsm_index::index::BuildProgress;

use crate::args::Global;

/// A bar over `total` units, or a counter where the total is not known.
pub fn bar(global: &Global, total: Option<u64>, unit: &str) -> ProgressBar {
    let template = match total {
        Some(_) => format!("{{msg:24}} {{bar:30}} {{pos}}/{{len}} {unit} {{per_sec}} left {{eta}}"),
        None => format!("{{msg:24}} {{spinner}} {{pos}} {unit} {{per_sec}}"),
    };
    styled(global, total, &template)
}

fn styled(global: &Global, total: Option<u64>, template: &str) -> ProgressBar {
    let target =
        if global.shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
    let bar = ProgressBar::with_draw_target(total, target);
    // The templates are constants of this file, so they parse.
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}

/// The bar of a build: how far the source is read, and what has come of it.
pub struct BuildBar {
    bar: ProgressBar,
    started: Instant,
    /// Items that an earlier run added.
    before: u64,
}

impl BuildBar {
    /// A bar over the source; the items that `begins` counts are there already.
    pub fn new(global: &Global, begins: &BuildProgress) -> Self {
        let template = match begins.length {
            Some(_) => "indexing {bar:15} {percent:>3} % left {eta}  {msg}",
            None => "indexing {spinner} {elapsed}  {msg}",
        };
        let bar = styled(global, begins.length, template);
        Self { bar, started: Instant::now(), before: begins.items }
    }

    /// Shows `at`.
    pub fn show(&self, at: &BuildProgress) {
        let seconds = self.started.elapsed().as_secs_f64().max(0.001);
        let rate = at.items.saturating_sub(self.before) as f64 / seconds;
        let warnings = match at.warnings {
            0 => String::new(),
            1 => ", 1 warning".to_owned(),
            n => format!(", {n} warnings"),
        };
        self.bar.set_position(at.position);
        self.bar
            .set_message(format!("{} documents, {} items ({rate:.0}/s){warnings}", at.documents, at.items));
    }
}

/// Takes the bar away.
impl Drop for BuildBar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
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
