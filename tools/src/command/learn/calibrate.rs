//! `uncsm-index calibrate`: the probabilities of a bundle fitted again, on other rows or for another rate of matches.

use std::fmt::Write;
use std::time::Instant;

use serde::Serialize;
use serde_json::json;
use uncsm_index::model::{Bundle, Calibration, Target};
use uncsm_index::train::calibrate;
use uncsm_index::{Error, ErrorCode, Result};

use super::rows;
use crate::Outcome;
use crate::args::{CalibrateArgs, Global};
use crate::output::Output;
use crate::source::Beside;

/// The calibration of one target, queries of one media type over items of another.
#[derive(Serialize)]
struct Entry<'a> {
    target: &'static str,
    query: &'a str,
    item: &'a str,
    slope: Option<f32>,
    offset: Option<f32>,
    prior: Option<f32>,
    natural: Option<f32>,
    positives: Option<u64>,
}

pub fn run(args: &CalibrateArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    if args.out.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorCode::Exists, "the output exists already")
            .file(&args.out)
            .hint("choose another --out, or remove it"));
    }
    let old = Bundle::load(&args.bundle)?;
    if let Some(prior) = args.prior {
        // Refused before anything is encoded.
        old.with_prior(prior)?;
    }
    let beside =
        Beside { label: args.label.as_deref(), test_mask: args.test_mask.as_deref(), ..Beside::default() };
    let read = rows::of_trained(&old, &args.source, beside, global)?;
    let new = calibrate(&old, &read.data, args.prior).map_err(|error| read.cause_of(error))?;
    let warnings = read.left_out.count;
    new.save(&args.out)?;
    let entries = entries(&new);
    let report = json!({
        "fingerprint": { "space": new.space(), "model": new.model() },
        "calibration": entries,
        "data": read.summary(),
        "warnings": warnings,
        "seconds": started.elapsed().as_secs_f64(),
    });
    output.print(&report, || {
        let mut out: String = entries.iter().map(entry_text).collect();
        let _ = writeln!(out, "{}: model {}", args.out.display(), new.model());
        if warnings > 0 {
            let _ = write!(out, "{}", read.left_out.text());
        }
        out
    })?;
    Ok(Outcome::Done)
}

/// All targets and ordered pairs of media types, those without a fit too.
fn entries(bundle: &Bundle) -> Vec<Entry<'_>> {
    let (media, metric) = (bundle.media(), bundle.metric());
    let of = |target: Target, query: usize, item: usize| {
        let fit: Option<Calibration> = metric.calibration(target, query, item);
        Entry {
            target: target.as_str(),
            query: &media[query].name,
            item: &media[item].name,
            slope: fit.map(|fit| fit.slope),
            offset: fit.map(|fit| fit.offset),
            prior: fit.map(|fit| fit.prior),
            natural: fit.map(|fit| fit.natural),
            positives: fit.map(|fit| fit.positives),
        }
    };
    let all = 0..media.len();
    let pairs = all.clone().flat_map(|query| all.clone().map(move |item| (query, item)));
    let pairs: Vec<(usize, usize)> = pairs.collect();
    let targets = metric.targets().iter();
    targets
        .flat_map(|&target| pairs.iter().map(move |&(q, i)| (target, q, i)))
        .map(|(t, q, i)| of(t, q, i))
        .collect()
}

fn entry_text(entry: &Entry<'_>) -> String {
    let name = format!("{} {} to {}", entry.target, entry.query, entry.item);
    match (entry.slope, entry.offset, entry.prior, entry.positives) {
        (Some(slope), Some(offset), Some(prior), Some(positives)) => {
            format!("{name}: slope {slope:.4} offset {offset:.4} prior {prior} from {positives} matches\n")
        }
        _ => format!("{name}: no matches to calibrate on\n"),
    }
}
