//! `uncsm-index query`: keywords, filter, features and `--like`, in one query.

use std::fmt::Write;
use std::io::Write as _;
use std::ops::Range;
use std::time::Instant;

use serde::Serialize;
use uncsm_index::index::Index;
use uncsm_index::model::Target;
use uncsm_index::search::{Engine, Fusion, Hit, Request, Response, Similarity, Wanted};
use uncsm_index::{Error, ErrorCode, Result};

use crate::Outcome;
use crate::args::{FusionArg, Global, QueryArgs, SimilarityArg, TargetArg};
use crate::output::Output;
use crate::source;

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    response: Response,
    took_ms: f64,
    /// Whether all that was to be indexed is.
    complete: bool,
}

pub fn run(args: &QueryArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let index = Index::open(&args.index)?;
    let paths = source::encoder_paths(&args.encoder, args.limits)?;
    for media in args.encoder.iter().filter_map(|arg| arg.split_once('=')) {
        index.bundle().media_index(media.0)?;
    }
    let engine = Engine::new(&index)?.with_encoders(paths);
    let complete = index.manifest().complete;
    if !complete && !global.json && !global.quiet {
        // A matter of the answer, so it is no log line; without a reader of stderr it is lost.
        let said = "the index is incomplete: its build has not come to an end";
        let _ = writeln!(std::io::stderr(), "warning: {}: {said}", args.index.display());
    }
    let started = Instant::now();
    let response = request(args, &index, &engine)?.run()?;
    let report = Report { response, took_ms: started.elapsed().as_secs_f64() * 1000.0, complete };
    output.print(&report, || text(&report))?;
    Ok(if report.response.hits.is_empty() { Outcome::Nothing } else { Outcome::Done })
}

fn request<'a>(args: &QueryArgs, index: &Index, engine: &'a Engine<'a>) -> Result<Request<'a>> {
    let mut request = engine.request().k(args.k).offset(args.offset).window(args.window);
    if let Some(path) = &args.features {
        for (media, row) in
            source::query_rows(path, &args.pathway, args.rows.as_deref().map(rows).transpose()?)?
        {
            request = request.features(&media, &row)?;
        }
    }
    for text in &args.text {
        request = request.text(text)?;
    }
    for picture in &args.image {
        request = request.file("image", picture)?;
    }
    if let Some(id) = &args.like {
        request = request.like(id)?;
    }
    if let Some(keywords) = &args.keywords {
        request = request.keywords(keywords);
    }
    if let Some(filter) = &args.filter {
        request = request.filter(filter);
    }
    request = match args.media.as_deref() {
        None => request,
        Some("any") => request.media(Wanted::Any),
        Some(name) => request.media(Wanted::Named(name.into())),
    };
    let target = match args.target {
        None => index.bundle().default_target(),
        Some(TargetArg::Class) => Target::Class,
        Some(TargetArg::Pair) => Target::Pair,
    };
    if !index.bundle().metric().targets().contains(&target) {
        return Err(Error::new(
            ErrorCode::BadArgument,
            format!("the bundle has no target `{}`", target.as_str()),
        )
        .hint("train it with --label for the target `class`"));
    }
    let similarity = match args.similarity {
        SimilarityArg::Metric => Similarity::Metric(target),
        SimilarityArg::Cosine => Similarity::Cosine,
        SimilarityArg::Posterior => Similarity::Posterior,
    };
    if let Some(minimum) = args.min_probability {
        request = request.min_probability(minimum);
    }
    let fusion = match args.fusion {
        FusionArg::Rrf => Fusion::Rrf,
        FusionArg::Metric => Fusion::Metric,
    };
    let (keyword, media) = weights(&args.weight, similarity)?;
    Ok(request.similarity(similarity).fusion(fusion).weights(keyword, media))
}

fn rows(text: &str) -> Result<Range<usize>> {
    let bad = || {
        Error::new(ErrorCode::BadArgument, "--rows does not parse")
            .expected("A..B with A below B, both counted from 0")
            .got(format!("{text:?}"))
    };
    let (start, end) = text.split_once("..").ok_or_else(bad)?;
    let range = start.trim().parse().map_err(|_| bad())?..end.trim().parse().map_err(|_| bad())?;
    if range.is_empty() { Err(bad()) } else { Ok(range) }
}

/// Weights of keyword and media leg.
fn weights(args: &[String], similarity: Similarity) -> Result<(f32, f32)> {
    let mut weights = (1.0, 1.0);
    for arg in args {
        let bad = || {
            Error::new(ErrorCode::BadArgument, "--weight does not parse")
                .expected(format!("keyword=W or {}=W", similarity.leg()))
                .got(format!("{arg:?}"))
        };
        let (leg, weight) = arg.split_once('=').ok_or_else(bad)?;
        let weight: f32 = weight.parse().map_err(|_| bad())?;
        match leg {
            "keyword" => weights.0 = weight,
            leg if leg == similarity.leg() => weights.1 = weight,
            _ => return Err(bad()),
        }
    }
    Ok(weights)
}

fn text(report: &Report) -> String {
    let mut out = String::new();
    for hit in &report.response.hits {
        hit_text(hit, &mut out);
    }
    let response = &report.response;
    let _ = writeln!(
        out,
        "{} hits of {} candidates, {} scored, {:.1} ms",
        response.hits.len(),
        response.candidates,
        response.scored,
        report.took_ms
    );
    out
}

fn hit_text(hit: &Hit, out: &mut String) {
    let id = hit.id.as_deref().unwrap_or("-");
    let probability = hit.probability.map(|p| format!("  p {p:.3}")).unwrap_or_default();
    let _ = write!(out, "{:>3}  {id}  score {:.4}{probability} ", hit.rank, hit.score);
    for (name, leg) in &hit.legs {
        let score = leg.score.map_or("-".into(), |score| format!("{score:.3}"));
        let rank = leg.rank.map_or("-".into(), |rank| format!("#{rank}"));
        let _ = write!(out, " {name} {score} {rank}");
    }
    for item in &hit.items {
        let _ = write!(out, "  {} -> {}[{}]", item.part_media, item.media, item.index);
    }
    let _ = writeln!(out);
    for (name, value) in hit.fields.iter().filter(|(name, _)| SHOWN.contains(&name.as_str())) {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let short: String = text.chars().take(100).collect();
        let _ = writeln!(out, "       {name}: {}", short.replace('\n', " "));
    }
}

/// Fields that the short text shows; `--json` has all.
const SHOWN: [&str; 4] = ["category", "image", "text", "title"];
