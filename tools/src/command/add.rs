//! `uncsm-index add`: documents into an index that is there, replacing those of equal id, in one commit.

use std::path::Path;
use std::time::Instant;

use uncsm_index::Result;
use uncsm_index::index::{Existing, Index, OnBad};

use super::documents::{self, Report};
use crate::Outcome;
use crate::args::{AddArgs, Global, SourceArgs};
use crate::output::Output;
use crate::source::{self, Source};

/// Bytes for documents that are not yet in a segment.
const MEMORY: usize = 128 << 20;

pub fn run(args: &AddArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let on_bad = if args.strict { OnBad::Stop } else { OnBad::Warn };
    add(&args.index, &args.source, args.corpus.as_deref(), on_bad, (global, output))
}

/// Adds the source to the index at `dir` and reports.
pub fn add(
    dir: &Path,
    args: &SourceArgs,
    fields_of_rows: Option<&Path>,
    on_bad: OnBad,
    (global, output): (&Global, &Output),
) -> Result<Outcome> {
    let started = Instant::now();
    let index = Index::open(dir)?;
    let source = Source::open(args)?;
    let paths = index.encoder_paths(source::encoder_paths(&args.encoder)?);
    let encoders = documents::encoders(index.bundle(), &source, args, &paths)?;
    let mut writer = index.writer(MEMORY)?;
    let how = (on_bad, Existing::Replace);
    let mut built =
        documents::fill((&index, &writer), (&source, &encoders), args, fields_of_rows, how, global)?;
    writer.commit()?;
    built.damaged(dir, &writer.finish()?);
    let report = Report { built, seconds: started.elapsed().as_secs_f64() };
    output.print(&report, || report.text(dir))?;
    Ok(Outcome::Done)
}
