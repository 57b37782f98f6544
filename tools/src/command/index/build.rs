//! `uncsm-index build`: a new index, or with `--append` a source into one that is there.

use std::time::Instant;

use uncsm_index::index::{CommitPolicy, IndexBuilder, set_aside};
use uncsm_index::model::Bundle;
use uncsm_index::schema::SchemaOverrides;
use uncsm_index::{Error, ErrorCode, Result};

use super::documents::{self, Report};
use crate::args::{BuildArgs, Global};
use crate::output::Output;
use crate::{Outcome, interrupt};

pub fn run(args: &BuildArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let bundle = Bundle::load(&args.bundle)?;
    if args.append && args.schema.is_some() && (args.out.exists() || set_aside(&args.out).is_some()) {
        return Err(Error::new(ErrorCode::BadArgument, "--schema does not go with --append")
            .hint("the fields of an index are set when it is built"));
    }
    let mut builder = IndexBuilder::new(&args.out, &bundle).memory(memory(args)?).commits(policy(args)?);
    if let Some(schema) = &args.schema {
        builder = builder.schema(SchemaOverrides::open(schema)?);
    }
    if let Some(from) = args.id_from {
        builder = builder.ids_from(from);
    }
    if args.append {
        builder = builder.append();
    }
    if args.force {
        builder = builder.force();
    }
    if args.resume {
        builder = builder.resume();
    }
    if args.embed_encoders {
        builder = builder.embed_encoders();
    }
    if let Some(shard) = &args.shard {
        builder = builder.shard(shard.parse()?);
    }
    if args.no_cells {
        builder = builder.without_cells();
    }
    let source = (&args.source, args.corpus.as_deref());
    let builder = documents::of(source, args.strict, builder, global)?;
    #[expect(
        clippy::redundant_closure,
        reason = "the function itself would make the builder borrow for `'static`"
    )]
    let built = builder.interrupt(|| interrupt::listen()).run()?;
    let hint = match built.shard {
        // A part may have no document with an item where others have.
        Some(_) => None,
        None => documents::proposal(&built, &args.source, "build")?,
    };
    let report = Report { built, seconds: started.elapsed().as_secs_f64(), hint };
    output.print(&report, || report.text(&args.out))?;
    Ok(Outcome::Done)
}

/// `--memory` in bytes.
fn memory(args: &BuildArgs) -> Result<usize> {
    // In whole megabytes, what the library takes.
    if (15..=4095).contains(&args.memory) {
        return Ok(args.memory << 20);
    }
    Err(Error::new(ErrorCode::BadArgument, "--memory is out of range")
        .expected("15 to 4095")
        .got(args.memory))
}

/// `--commit-every`, else the usual.
fn policy(args: &BuildArgs) -> Result<CommitPolicy> {
    match args.commit_every {
        Some(0) => Err(Error::new(ErrorCode::BadArgument, "--commit-every is out of range")
            .expected("at least 1")
            .got(0)),
        Some(documents) => Ok(CommitPolicy { documents, ..CommitPolicy::default() }),
        None => Ok(CommitPolicy::default()),
    }
}
