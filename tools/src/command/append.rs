//! `uncsm-index build --append`: a source into an index that is there, visible piece by piece.

use std::time::Instant;

use uncsm_index::index::{BuildOptions, Commits, Existing, Index, embed_encoders};
use uncsm_index::model::Bundle;
use uncsm_index::{Error, ErrorCode, Result};

use super::build::{memory, on_bad, policy};
use super::documents::{self, Report};
use crate::args::{BuildArgs, Global};
use crate::output::Output;
use crate::source::{self, Source};
use crate::{Outcome, identity, interrupt};

/// Adds the source; run again after an interruption, it takes over what is there already.
pub fn run(args: &BuildArgs, bundle: &Bundle, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    if args.schema.is_some() {
        return Err(Error::new(ErrorCode::BadArgument, "--schema does not go with --append")
            .hint("the fields of an index are set when it is built"));
    }
    let (memory, policy) = (memory(args)?, policy(args)?);
    let mut index = Index::open(&args.out)?;
    index.media().check_space(bundle.space()).map_err(|e| e.file(&args.out))?;
    let source = Source::open(&args.source)?;
    let paths = index.encoder_paths(source::encoder_paths(&args.source.encoder, args.source.limits)?);
    let encoders = documents::encoders(index.bundle(), &source, &args.source, &paths)?;
    if args.embed_encoders {
        embed_encoders(&args.out, index.bundle(), &paths)?;
    }
    let identity = identity::of(args, bundle)?;
    let mut writer = index.writer(memory)?;
    let options = BuildOptions {
        on_bad: on_bad(args),
        existing: Existing::Replace,
        commits: Some(Commits { policy, identity: &identity }),
        stop: Some(interrupt::listen()?),
        ..BuildOptions::default()
    };
    let corpus = args.corpus.as_deref();
    let built =
        documents::fill((&index, &mut writer), (&source, &encoders), (&args.source, corpus), options, global);
    let mut built = built.map_err(|error| match error.code() {
        ErrorCode::Interrupted => error.file(&args.out).hint("run it again to index all of the source"),
        _ => error,
    })?;
    let damaged = writer.finish().map_err(|error| documents::in_index(error, &args.out))?;
    built.damaged(&args.out, &damaged);
    if !index.complete_source(identity.source())? {
        let pending: Vec<&str> = index.manifest().pending.iter().map(String::as_str).collect();
        built.warnings += 1;
        tracing::warn!("{}: still incomplete, for {}", args.out.display(), pending.join(" and "));
    }
    let report = Report { built, seconds: started.elapsed().as_secs_f64() };
    output.print(&report, || report.text(&args.out))?;
    Ok(Outcome::Done)
}
