//! `uncsm-index features`: a corpus in, its features out, so that it is encoded once and trained on many times.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::json;
use uncsm_index::data::{TrainingData, write_features};
use uncsm_index::{Error, ErrorCode, Result};

use crate::Outcome;
use crate::args::{FeaturesArgs, Global};
use crate::output::Output;
use crate::source::{self, Beside};

pub fn run(args: &FeaturesArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    if args.out.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorCode::Exists, "the output exists already")
            .file(&args.out)
            .hint("choose another --out, or remove it"));
    }
    let beside = Beside { label: args.label.as_deref(), group: args.group.as_deref(), ..Beside::default() };
    let read = source::encoded(&args.source(), beside, global)?;
    let (summary, said, skipped) = (read.summary(), read.text(), read.left_out.count);
    if args.strict {
        read.left_out.into_fault().map_or(Ok(()), Err)?;
        check_whole(&read.data, args)?;
    }
    let written = write_features(&read.data, &args.out)?;
    let warnings = skipped + written.left_out as u64;
    let report = json!({
        "rows": written.rows,
        "features": written.features,
        "left_out": written.left_out,
        "data": summary,
        "warnings": warnings,
        "seconds": started.elapsed().as_secs_f64(),
    });
    output.print(&report, || {
        let widths: Vec<String> =
            written.features.iter().map(|(media, width)| format!("{media} {width}")).collect();
        let mut out = format!("{}: {} rows, {}\n", args.out.display(), written.rows, widths.join(", "));
        let _ = write!(out, "{said}");
        if written.left_out > 0 {
            let _ = writeln!(out, "{} rows lack an item of a media type and were left out", written.left_out);
        }
        out
    })?;
    Ok(Outcome::Done)
}

/// Refuses rows that lack an item: a features file has every tensor for every row.
fn check_whole(data: &TrainingData, args: &FeaturesArgs) -> Result<()> {
    let lacks = |row: &usize| data.media.iter().any(|media| !media.present[*row]);
    match (0..data.rows()).filter(lacks).count() {
        0 => Ok(()),
        count => Err(Error::new(ErrorCode::NoItems, "rows lack an item of a media type")
            .file(args.source.first().map_or(Path::new(""), PathBuf::as_path))
            .expected("an item of every media type in every row")
            .got(format!("{count} of {} rows without one", data.rows()))
            .hint("leave --strict out to write the others, or train on the corpus itself")),
    }
}
