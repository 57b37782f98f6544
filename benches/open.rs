//! Milliseconds from a path to an answer: `cargo bench --profile measured --bench open -- INDEX QUERIES.safetensors [--rounds N]`.
//!
//! A tensor `MEDIA.KIND` of QUERIES holds features `[q, d_in]`. Each round is a process of its own, as an app or a command starts: it
//! opens the index, makes an engine, and asks for the ten best documents by the first row of a tensor, all tensors in turn. The files
//! are in the page cache after the first round, which is not counted. Also prints anonymous memory after the answer, and the second
//! answer's time.

#![allow(clippy::print_stdout, reason = "the figures")]

use std::path::Path;
use std::time::Instant;

use uncsm_index::corpus::FeaturesFile;
use uncsm_index::index::Index;
use uncsm_index::search::Engine;
use uncsm_index::{Error, ErrorCode, Result};

/// Set in the process of a round: the tensor that it asks with.
const ROUND: &str = "UNCSM_BENCH_OPEN";

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let [index, queries, rest @ ..] = arguments.as_slice() else {
        println!("skipped: needs INDEX QUERIES.safetensors");
        return Ok(());
    };
    let file = FeaturesFile::open(Path::new(queries))?;
    if let Ok(tensor) = std::env::var(ROUND) {
        return round(Path::new(index), &file, &tensor);
    }
    let rounds = rest.last().and_then(|count| count.parse().ok()).unwrap_or(5usize);
    for tensor in file.names() {
        let mut each: Vec<Vec<f64>> = Vec::new();
        for at in 0..=rounds {
            let figures = in_process(&arguments, tensor)?;
            if at > 0 {
                each.push(figures);
            }
        }
        for (at, what) in ["open ms", "first ms", "both ms", "second ms", "anonymous MB"].iter().enumerate() {
            let mut all: Vec<f64> = each.iter().filter_map(|figures| figures.get(at).copied()).collect();
            all.sort_by(f64::total_cmp);
            let (Some(least), Some(most)) = (all.first(), all.last()) else { continue };
            println!("{tensor:<12} {what:<14} {:>9.3}   {least:.3} to {most:.3}", all[all.len() / 2]);
        }
    }
    Ok(())
}

fn in_process(arguments: &[String], tensor: &str) -> Result<Vec<f64>> {
    let program = std::env::current_exe().map_err(|e| Error::io("this program", e))?;
    let run = std::process::Command::new(program).args(arguments).env(ROUND, tensor).output();
    let said = run.map_err(|e| Error::io("this program", e))?;
    if !said.status.success() {
        let why = String::from_utf8_lossy(&said.stderr).into_owned();
        return Err(Error::new(ErrorCode::Engine, "a round failed").got(why));
    }
    let text = String::from_utf8_lossy(&said.stdout).into_owned();
    Ok(text.split_whitespace().filter_map(|number| number.parse().ok()).collect())
}

fn round(dir: &Path, file: &FeaturesFile, tensor: &str) -> Result<()> {
    let media = tensor.split_once('.').map_or(tensor, |(media, _)| media);
    let rows = file.tensor(tensor)?;
    let mut features = Vec::new();
    rows.read(0..1, &mut features)?;
    let ms = |since: Instant| since.elapsed().as_secs_f64() * 1e3;
    let before = anonymous();
    let started = Instant::now();
    let engine = Engine::new(&Index::open(dir)?)?;
    let open = ms(started);
    let first = Instant::now();
    let found = engine.request().features(media, &features)?.run()?;
    let (first, both) = (ms(first), ms(started));
    let after = anonymous();
    let second = Instant::now();
    let again = engine.request().features(media, &features)?.run()?;
    let second = ms(second);
    if found.hits.is_empty() || found.hits.len() != again.hits.len() {
        return Err(Error::new(ErrorCode::BadValue, "the query finds nothing, or not the same again"));
    }
    println!("{open} {first} {both} {second} {}", (after - before) / 1e6);
    Ok(())
}

/// Anonymous memory of this process in bytes; 0 where the system does not tell it.
fn anonymous() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<f64>().ok());
    kib.unwrap_or(0.0) * 1024.0
}
