//! `uncsm-index train`: features in, a bundle out.

use std::fmt::Write;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use serde_json::json;
use uncsm_index::corpus::{Pairs, Split};
use uncsm_index::data::NewClasses;
use uncsm_index::limits::{self, SETTINGS_BYTES};
use uncsm_index::model::Bundle;
use uncsm_index::train::{Progress, StageReport, TrainConfig, Trainer};
use uncsm_index::{Error, ErrorCode, Result};

use super::rows;
use crate::args::{Global, TrainArgs};
use crate::output::Output;
use crate::source::{self, Beside};
use crate::{Outcome, progress};

pub fn run(args: &TrainArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    if args.out.exists() {
        return Err(Error::new(ErrorCode::Exists, "the output exists already")
            .file(&args.out)
            .hint("choose another --out, or remove it"));
    }
    // What is wrong with the settings is said before anything is encoded; how many rows there are is known later.
    config(args, global, 0)?;
    let beside = Beside {
        label: args.label.as_deref(),
        test_mask: args.test_mask.as_deref(),
        group: args.group.as_deref(),
        new_classes: NewClasses::Refused,
    };
    // What is wrong with these is said before anything is encoded.
    let pairs = args.pairs.as_deref().map(Pairs::read).transpose()?;
    let start = args.from.as_deref().map(Bundle::load).transpose()?;
    if let (true, Some(start)) = (args.no_landmarks, &start) {
        refuse_landmarks(start, args.from.as_deref())?;
    }
    let mut read = match &start {
        None => source::training_data(&args.source, beside, None, global)?,
        Some(bundle) => rows::of_trained(bundle, &args.source, beside, global)?,
    };
    let graded = pairs.map(|pairs| read.data.grade(&pairs)).transpose()?;
    let train_rows = read.data.split.iter().filter(|split| **split == Split::Train).count();
    let config = config(args, global, train_rows)?;
    let (summary, said) = (read.summary(), read.text());
    if global.shows_progress() {
        // A log line that is no warning; without a reader of stderr it is lost.
        let _ = write!(std::io::stderr(), "learning from {said}");
    }
    let bar = progress::bar(global, Some(0), "epochs");
    if config.kernel.member && start.is_none() {
        // They are fitted before the first epoch is reported, which takes seconds.
        bar.set_message("kernel members");
        bar.tick();
    }
    let progress = |at: &Progress| {
        bar.set_length(at.epochs as u64);
        bar.set_position(at.epoch as u64);
        let part = if at.run < at.runs { format!("{}/{}", at.run + 1, at.runs) } else { "all".to_owned() };
        let score = at.score.map(|s| format!(" {s:.3}")).unwrap_or_default();
        bar.set_message(format!("{part} {}{score}", at.stage));
    };
    let mut trainer = Trainer::new(&read.data).config(config).progress(progress);
    if let Some(bundle) = &start {
        trainer = trainer.from(bundle);
    }
    let trained = trainer.run().map_err(|error| read.cause_of(error))?;
    let warnings = read.left_out.count;
    bar.finish_and_clear();
    trained.bundle.save(&args.out)?;
    let mut report = json!({
        "data": summary,
        "stages": trained.stages,
        "fingerprint": { "space": trained.bundle.space(), "model": trained.bundle.model() },
        "warnings": warnings,
        "seconds": started.elapsed().as_secs_f64(),
    });
    let left_out = trained.deep.filter(|deep| !deep.kept);
    if let Some(deep) = left_out {
        report["deep_members"] = json!({ "tried": deep.tried, "splits": deep.splits, "kept": deep.kept });
    }
    if let Some(count) = graded {
        report["pairs"] = json!({ "used": count.used, "left_out": count.left_out });
    }
    output.print(&report, || {
        let mut out = said;
        out.extend(trained.stages.iter().map(stage_text));
        if let Some(deep) = left_out {
            let _ = writeln!(
                out,
                "deep members: tried on {} of {} validation splits, of one for a part of their epochs; left out since they add \
                 too little to kernel members; what is reported last is what these do",
                deep.tried, deep.splits
            );
        }
        let _ = writeln!(out, "{}: space {}", args.out.display(), trained.bundle.space());
        if warnings > 0 {
            let _ = writeln!(out, "{warnings} documents, items or parts of them were left out");
        }
        if let Some(count) = graded {
            let _ = writeln!(
                out,
                "{} graded pairs learned from, {} left out since they name a test or validation row",
                count.used, count.left_out
            );
        }
        out
    })?;
    Ok(Outcome::Done)
}

/// The settings for `rows` train rows, as far as the arguments do not say otherwise.
fn config(args: &TrainArgs, global: &Global, rows: usize) -> Result<TrainConfig> {
    let mut config = match &args.config {
        None => TrainConfig::for_rows(rows),
        Some(path) => {
            let text = limits::read_text(path, SETTINGS_BYTES, "the file of settings")?;
            TrainConfig::from_toml_for(&text, rows).map_err(|e| e.file(path))?
        }
    };
    if let Some(seed) = global.seed {
        config.seed = seed;
    }
    if let Some(dim) = args.dim {
        config.model.dim = dim;
    }
    if args.no_landmarks {
        (config.kernel.member, config.kernel.hub) = (false, false);
    }
    config.check()?;
    Ok(config)
}

/// A bundle that learns further keeps its pathways and anchors, so what it has of train rows would stay.
fn refuse_landmarks(start: &Bundle, path: Option<&Path>) -> Result<()> {
    let media = start.media().iter().enumerate();
    let held: Vec<String> = media
        .map(|(m, media)| (start.members(m).landmarks, start.metric().hub_anchors(m), &media.name))
        .filter(|(landmarks, anchors, _)| landmarks + anchors > 0)
        .map(|(landmarks, anchors, name)| format!("{landmarks} landmarks and {anchors} anchors of `{name}`"))
        .collect();
    if held.is_empty() {
        return Ok(());
    }
    let what =
        "the bundle to start from has features of train rows, which stay in what learns further from it";
    let error = Error::new(ErrorCode::BadArgument, what)
        .expected("a bundle without landmarks and anchors")
        .got(held.join(", "))
        .hint("leave --no-landmarks out, or train anew without --from");
    Err(match path {
        Some(path) => error.file(path),
        None => error,
    })
}

fn stage_text(stage: &StageReport) -> String {
    let mut out = format!("{} ({} epochs, {:.1} s)\n", stage.name, stage.epochs, stage.seconds);
    // Measures are numbers and maps with string keys, which always serialise.
    let validation = serde_json::to_value(&stage.validation).unwrap_or_default();
    super::eval::measures_text(&validation, &mut out);
    out
}
