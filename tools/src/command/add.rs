//! `uncsm-index add`: documents into an index that is there, replacing those of equal id, in one commit.

use std::time::Instant;

use uncsm_index::Result;
use uncsm_index::index::{BuildOptions, Existing, Index, OnBad};

use super::documents::{self, Report};
use crate::Outcome;
use crate::args::{AddArgs, Global};
use crate::output::Output;
use crate::source::{self, Source};

/// Bytes for documents that are not yet in a segment.
const MEMORY: usize = 128 << 20;

pub fn run(args: &AddArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let index = Index::open(&args.index)?;
    let source = Source::open(&args.source)?;
    let paths = source::encoder_paths(&args.source.encoder, args.source.limits)?;
    let encoders = documents::encoders(index.bundle(), &source, &args.source, &index.encoder_paths(paths))?;
    let mut writer = index.writer(MEMORY)?;
    let on_bad = if args.strict { OnBad::Stop } else { OnBad::Warn };
    let options = BuildOptions { on_bad, existing: Existing::Replace, ..BuildOptions::default() };
    let from = (&args.source, args.corpus.as_deref());
    let mut built = documents::fill((&index, &mut writer), (&source, &encoders), from, options, global)?;
    let committing = Instant::now();
    writer.commit().map_err(|error| documents::in_index(error, &args.index))?;
    built.stages.commit += committing.elapsed();
    let damaged = writer.finish().map_err(|error| documents::in_index(error, &args.index))?;
    built.damaged(&args.index, &damaged);
    let report = Report { built, seconds: started.elapsed().as_secs_f64() };
    output.print(&report, || report.text(&args.index))?;
    Ok(Outcome::Done)
}
