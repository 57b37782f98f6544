//! `uncsm-index query`: keywords, filter, media parts and `--like`, in one query; or many, by `--batch`.

pub mod batch;
mod text;

use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use serde_json::json;
use uncsm_index::search::{Engine, Request, RequestSpec, Response};
use uncsm_index::{Error, Result};

use super::opened;
use crate::Outcome;
use crate::args::{Global, QueryArgs};
use crate::output::{Output, error_json, plain, sentence};
use crate::source;

/// Lines that share a pass over the stored rows.
const PASS: usize = 64;

#[derive(Serialize)]
struct Report {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u64>,
    #[serde(flatten)]
    response: Response,
    took_ms: f64,
    /// Whether all that was to be indexed is.
    complete: bool,
}

pub fn run(args: &QueryArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let paths = || source::encoder_paths(&args.encoder, args.limits);
    let (indexes, engine) = opened::open(&args.index, args.bundle.as_deref(), paths)?;
    for media in args.encoder.iter().filter_map(|arg| arg.split_once('=')) {
        engine.bundle().media_index(media.0)?;
    }
    let incomplete: Vec<&Path> =
        indexes.iter().filter(|index| !index.manifest().complete).map(|index| index.dir()).collect();
    if !global.json && !global.quiet {
        for dir in &incomplete {
            // A matter of the answer, so it is no log line; without a reader of stderr it is lost.
            let said = "the index is incomplete: its build has not come to an end";
            let _ = writeln!(std::io::stderr(), "warning: {}: {said}", dir.display());
        }
    }
    let complete = incomplete.is_empty();
    let spec = args.spec()?;
    if let Some(file) = &args.batch {
        return batch(&spec, file, &engine, complete, (global, output));
    }
    let started = Instant::now();
    let response = engine.run(&spec)?;
    warn(&response, global);
    let report = Report { line: None, response, took_ms: millis(started), complete };
    output.print(&report, || text::response(&report.response, report.took_ms))?;
    Ok(if found(&report.response, spec.k) { Outcome::Done } else { Outcome::Nothing })
}

/// Says on stderr what a user may wonder about; in JSON it stands in the answer.
fn warn(response: &Response, global: &Global) {
    if !global.json && !global.quiet {
        let unknown = response.did_you_mean.iter().map(|unknown| {
            let instead: Vec<String> = unknown.instead.iter().map(|word| format!("`{word}`")).collect();
            format!("no document has the word `{}`; did you mean {}?", unknown.word, instead.join(" or "))
        });
        for warning in response.warnings.iter().cloned().chain(unknown) {
            let _ = writeln!(std::io::stderr(), "warning: {}", plain(&warning));
        }
    }
}

/// Whether there is a hit, or where none was asked for a match.
fn found(response: &Response, k: Option<usize>) -> bool {
    if k == Some(0) { response.matched > 0 } else { !response.hits.is_empty() }
}

fn millis(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1000.0
}

/// The number of hits that a line asks for, and its query.
type Asked = Result<(Option<usize>, Request)>;

/// Answers line by line; a bad line is answered with its error, and the rest runs.
fn batch(
    base: &RequestSpec,
    file: &Path,
    engine: &Engine,
    complete: bool,
    (global, output): (&Global, &Output),
) -> Result<Outcome> {
    let (mut any, mut bad) = (false, false);
    let mut lines = batch::lines(file)?.peekable();
    while lines.peek().is_some() {
        let started = Instant::now();
        let ask = |text: String| {
            let spec = batch::of_line(&text, base)?;
            Ok((spec.k, spec.request(engine)?))
        };
        let pass: Vec<(u64, Asked)> =
            lines.by_ref().take(PASS).map(|(number, text)| (number, text.and_then(ask))).collect();
        let asked = |(_, asked): &(u64, Asked)| asked.as_ref().ok().map(|(_, request)| request.clone());
        let requests = pass.iter().filter_map(asked).collect();
        let mut answers = engine.batch(requests).into_iter();
        // Of a query its share of the pass.
        let took_ms = millis(started) / pass.len().max(1) as f64;
        for (number, request) in pass {
            let answer = match request {
                Err(error) => Err(error),
                Ok((k, _)) => answers
                    .next()
                    .unwrap_or_else(|| {
                        Err(Error::new(uncsm_index::ErrorCode::Engine, "a query of the batch has no answer"))
                    })
                    .map(|response| (k, response)),
            };
            match answer {
                Ok((k, response)) => {
                    any |= found(&response, k);
                    warn(&response, global);
                    let report = Report { line: Some(number), response, took_ms, complete };
                    output.print(&report, || {
                        format!("line {number}:\n{}", text::response(&report.response, took_ms))
                    })?;
                }
                Err(error) => {
                    bad = true;
                    let mut value = json!({ "line": number });
                    value["error"] = error_json(&error)["error"].clone();
                    output.print(&value, || format!("line {number}: error: {}\n", sentence(&error)))?;
                }
            }
        }
    }
    Ok(match (bad, any) {
        (true, _) => Outcome::BadLines,
        (false, true) => Outcome::Done,
        (false, false) => Outcome::Nothing,
    })
}
