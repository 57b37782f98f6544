//! `uncsm-index merge`: one index of several.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use uncsm_index::Result;
use uncsm_index::index::{IndexMerger, MergeReport, OnDuplicate};
use uncsm_index::model::Bundle;

use crate::Outcome;
use crate::args::Global;
use crate::merge_args::{LastOnly, MergeArgs};
use crate::output::Output;
use crate::progress;

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    merged: MergeReport,
    seconds: f64,
}

pub fn run(args: &MergeArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let bundle = args.bundle.as_deref().map(Bundle::load).transpose()?;
    let mut merger = args.index.iter().fold(IndexMerger::new(&args.out), |merger, index| merger.index(index));
    if let Some(bundle) = &bundle {
        merger = merger.bundle(bundle);
    }
    if let Some(LastOnly::Last) = args.on_duplicate {
        merger = merger.on_duplicate(OnDuplicate::Last);
    }
    if args.force {
        merger = merger.force();
    }
    if args.no_cells {
        merger = merger.without_cells();
    }
    let bar = progress::bar(global, None, "indexes");
    bar.set_message("merging");
    bar.set_position(args.index.len() as u64);
    let merged = merger.run();
    bar.finish_and_clear();
    let report = Report { merged: merged?, seconds: started.elapsed().as_secs_f64() };
    output.print(&report, || text(&args.out, &report))?;
    Ok(Outcome::Done)
}

fn text(out: &Path, report: &Report) -> String {
    let Report { merged, seconds } = report;
    let items: Vec<String> = merged.items.iter().map(|(media, n)| format!("{n} {media}")).collect();
    let mut text = format!(
        "{}: {} documents, items: {}, {} segments of {} bytes, {seconds:.1} s\n",
        out.display(),
        merged.documents,
        items.join(", "),
        merged.segments,
        merged.bytes
    );
    let stages = merged.stages;
    let times = [stages.check, stages.bring, stages.merge, stages.cells].map(|time| time.as_secs_f64());
    let [check, bring, merge, cells] = times;
    let _ = writeln!(text, "seconds: check {check:.1}, move {bring:.1}, merge {merge:.1}, cells {cells:.1}");
    if merged.replaced > 0 {
        let _ = writeln!(text, "{} documents gave way to one of the same id", merged.replaced);
    }
    for missing in &merged.missing {
        let mut shards: Vec<String> = missing.shards.iter().map(u32::to_string).collect();
        if missing.unlisted > 0 {
            shards.push(format!("and {} more", missing.unlisted));
        }
        let _ = writeln!(
            text,
            "missing of {}: {} of {} parts: {}",
            missing.source,
            missing.shards.len() as u64 + missing.unlisted,
            missing.of,
            shards.join(", ")
        );
    }
    text
}
