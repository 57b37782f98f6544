//! `uncsm-index fuse`: a learned fusion of the legs, from clicks or relevance.

use std::time::Instant;

use serde_json::json;
use uncsm_index::corpus::JudgedReader;
use uncsm_index::model::{Bundle, FusionFeatures, FusionLayer, Target};
use uncsm_index::search::{Engine, RequestSpec, Similarity, TargetName};
use uncsm_index::train::{FusionQuery, FusionRow};
use uncsm_index::{Error, ErrorCode, Result};

use crate::args::FuseArgs;
use crate::command::opened;
use crate::command::query::batch::of_object;
use crate::output::Output;
use crate::{Outcome, source};

pub fn run(args: &FuseArgs, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    if args.out.symlink_metadata().is_ok() {
        return Err(Error::new(ErrorCode::Exists, "the output exists already")
            .file(&args.out)
            .hint("choose another --out, or remove it"));
    }
    let old = Bundle::load(&args.bundle)?;
    let target = match args.target {
        None => old.default_target(),
        Some(TargetName::Class) => Target::Class,
        Some(TargetName::Pair) => Target::Pair,
        Some(_) => {
            return Err(Error::new(ErrorCode::BadArgument, "a fusion is learned for one target")
                .expected("class or pair")
                .got("both"));
        }
    };
    let paths = || source::encoder_paths(&args.encoder, args.limits);
    let (_, engine) = opened::open(&args.index, Some(&args.bundle), paths)?;
    let base = RequestSpec::default();
    let (mut queries, mut lines, mut missed) = (Vec::new(), 0u64, 0u64);
    for judged in JudgedReader::open(&args.clicks)? {
        let judged = judged?;
        lines += 1;
        let (query, unseen) =
            rows(&judged, &base, &engine, target).map_err(|e| e.file(&args.clicks).line(judged.line))?;
        missed += unseen;
        queries.push(query);
    }
    let layer = FusionLayer::fit(target, &queries)?;
    let new = old.with_fusion(layer)?;
    new.save(&args.out)?;
    let weights: serde_json::Map<_, _> = FusionFeatures::NAMES
        .iter()
        .zip(layer.weights())
        .map(|(name, weight)| ((*name).to_owned(), json!(weight)))
        .collect();
    let report = json!({
        "fingerprint": { "space": new.space(), "model": new.model() },
        "target": target.as_str(),
        "lines": lines,
        "used": layer.lines(),
        "positives": layer.positives(),
        "negatives": layer.negatives(),
        "missed": missed,
        "weights": weights,
        "bias": layer.bias(),
        "seconds": started.elapsed().as_secs_f64(),
    });
    output.print(&report, || {
        let weights: Vec<String> = FusionFeatures::NAMES
            .iter()
            .zip(layer.weights())
            .map(|(name, weight)| format!("{name} {weight:.4}"))
            .collect();
        format!(
            "{}: model {}\nfrom {} of {lines} lines, {} relevant and {} other documents; {missed} relevant ones were in \
             no leg\n{}, bias {:.4}\n",
            args.out.display(),
            new.model(),
            layer.lines(),
            layer.positives(),
            layer.negatives(),
            weights.join(", "),
            layer.bias(),
        )
    })?;
    Ok(Outcome::Done)
}

/// The retrieved and judged documents of one line, and how many relevant ones no leg found.
fn rows(
    judged: &uncsm_index::corpus::Judged,
    base: &RequestSpec,
    engine: &Engine,
    target: Target,
) -> Result<(FusionQuery, u64)> {
    let request =
        of_object(judged.query.clone(), base)?.request(engine)?.similarity(Similarity::Metric(target));
    let found = request.fusion_features()?;
    let relevant = judged.grades.iter().filter(|(_, grade)| **grade > 0.0);
    let unseen =
        relevant.filter(|(id, _)| !found.iter().any(|(other, _)| other.as_deref() == Some(id))).count();
    let rows = found
        .iter()
        .filter_map(|(id, features)| {
            let label = judged.grade(id.as_deref()?)?;
            Some(FusionRow { features: *features, label, weight: 1.0 })
        })
        .collect();
    Ok((FusionQuery { rows }, unseen as u64))
}
