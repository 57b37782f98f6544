//! `uncsm-index build`: a new index, made beside its place and moved there when it is whole.

use std::path::{Path, PathBuf};
use std::time::Instant;

use uncsm_index::corpus::{Keys, Reader, unit_of};
use uncsm_index::encode::Encoders;
use uncsm_index::index::{
    BuildOptions, BuildReport, Checkpoint, CommitPolicy, Commits, ExistingOut, Identity, Index, OnBad,
    PartialDir, duplicate_ids, embed_encoders, set_aside,
};
use uncsm_index::model::Bundle;
use uncsm_index::schema::{BadLines, FieldSchema, SchemaOverrides, infer_with};
use uncsm_index::{Error, ErrorCode, Result};

use super::append;
use super::documents::{self, Report};
use crate::args::{BuildArgs, Global};
use crate::output::Output;
use crate::source::{self, Source};
use crate::{Outcome, identity, interrupt};

/// Bytes for a writer that adds nothing.
const SMALL: usize = 15 << 20;

pub fn run(args: &BuildArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let bundle = Bundle::load(&args.bundle)?;
    if args.append && (args.out.exists() || set_aside(&args.out).is_some()) {
        return append::run(args, &bundle, global, output);
    }
    // All that can be refused is, before anything of an unfinished build is touched.
    let (memory, policy) = (memory(args)?, policy(args)?);
    let given = args.schema.as_deref().map(SchemaOverrides::open).transpose()?.unwrap_or_default();
    source::cache(&args.source)?;
    let source = Source::open(&args.source)?;
    let paths = source::encoder_paths(&args.source.encoder, args.source.limits)?;
    let encoders = documents::encoders(&bundle, &source, &args.source, &paths)?;
    let identity = identity::of(args, &bundle)?;
    let existing = if args.force { ExistingOut::Replace } else { ExistingOut::Refuse };
    let (partial, checkpoint) = match args.resume {
        true => PartialDir::resume(&args.out, existing)?,
        false => (PartialDir::prepare(&args.out, existing)?, None),
    };
    let (partial, index, checkpoint) = match checkpoint {
        Some(checkpoint) => resumed(partial, checkpoint, &identity)?,
        None => (partial, None, None),
    };
    let opened = match index {
        Some(index) => Ok(index),
        None => {
            fields(args, &source, &given).and_then(|fields| Index::create(partial.path(), &fields, &bundle))
        }
    };
    let built = opened.and_then(|index| {
        if args.embed_encoders {
            // First, since it is the part that may lack something.
            embed_encoders(partial.path(), &bundle, &paths)?;
        }
        let commits = Commits { policy, identity: &identity };
        fill(args, global, (index, memory), (&source, &encoders), (commits, checkpoint.as_ref()))
    });
    let built = match built {
        Ok(built) => built,
        Err(error) => return Err(failed(partial, args, error)),
    };
    partial.publish()?;
    forget_checkpoint(&args.out);
    let report = Report { built, seconds: started.elapsed().as_secs_f64() };
    output.print(&report, || report.text(&args.out))?;
    Ok(Outcome::Done)
}

/// The unfinished index and its last commit; an empty folder where it does not open.
fn resumed(
    partial: PartialDir,
    checkpoint: Checkpoint,
    identity: &Identity,
) -> Result<(PartialDir, Option<Index>, Option<Checkpoint>)> {
    checkpoint.identity.check(identity).map_err(|e| e.file(partial.path()))?;
    match Index::open(partial.path()) {
        Ok(index) => Ok((partial, Some(index), Some(checkpoint))),
        Err(error) if !matches!(error.code(), ErrorCode::Damaged | ErrorCode::NotFound) => Err(error),
        Err(error) => {
            tracing::warn!("what an unfinished build left does not open; the build starts anew: {error}");
            Ok((partial.cleared()?, None, None))
        }
    }
}

/// Keeps what may be gone on with, and says so.
fn failed(partial: PartialDir, args: &BuildArgs, error: Error) -> Error {
    let kept = partial.failed(&error, on_bad(args));
    match error.code() {
        ErrorCode::Interrupted if kept => {
            error.file(&args.out).hint("the same command with --resume goes on from there")
        }
        ErrorCode::Interrupted => error.file(&args.out).hint("nothing is kept: build it again"),
        _ if kept => {
            let hint = error.facts().hint.clone().map(|hint| hint.text("; ")).unwrap_or_default();
            error
                .hint(hint.text("what is committed stays: the same command with --resume goes on from there"))
        }
        _ => error,
    }
}

/// The finished index need not say how it came into being, and where from. Left undone, nothing is wrong with it.
fn forget_checkpoint(out: &Path) {
    let forget = || -> Result<()> {
        let mut writer = Index::open(out)?.writer(SMALL)?;
        writer.commit()?;
        writer.finish().map(drop)
    };
    if let Err(error) = forget() {
        tracing::warn!("{}: the last commit still holds a checkpoint: {error}", out.display());
    }
}

pub fn on_bad(args: &BuildArgs) -> OnBad {
    if args.strict { OnBad::Stop } else { OnBad::Warn }
}

/// `--memory` in bytes.
pub fn memory(args: &BuildArgs) -> Result<usize> {
    args.memory.checked_mul(1 << 20).filter(|&bytes| bytes >= 15 << 20).ok_or_else(|| {
        Error::new(ErrorCode::BadArgument, "--memory is out of range")
            .expected("at least 15")
            .got(args.memory)
    })
}

/// `--commit-every`, else the usual.
pub fn policy(args: &BuildArgs) -> Result<CommitPolicy> {
    match args.commit_every {
        Some(0) => Err(Error::new(ErrorCode::BadArgument, "--commit-every is out of range")
            .expected("at least 1")
            .got(0)),
        Some(documents) => Ok(CommitPolicy { documents, ..CommitPolicy::default() }),
        None => Ok(CommitPolicy::default()),
    }
}

/// The file whose lines are the documents.
fn lines(args: &BuildArgs, source: &Source) -> Option<PathBuf> {
    match source {
        Source::Corpus(path) => Some(path.clone()),
        Source::Features(_) => args.corpus.clone(),
    }
}

/// The keys of the corpus that hold items, and those that are passed over.
fn keys(args: &BuildArgs) -> Result<Keys> {
    source::keys(&args.source.media_key, &args.source.without)
}

fn fields(args: &BuildArgs, source: &Source, given: &SchemaOverrides) -> Result<FieldSchema> {
    if let Some(complete) = given.complete()? {
        return Ok(complete);
    }
    match lines(args, source) {
        None => given.apply(FieldSchema::default()),
        // Bad lines are counted when their documents are due.
        Some(corpus) => {
            let keys = keys(args)?;
            let documents = Reader::open_with(&corpus, &keys)?;
            Ok(infer_with(documents, (&corpus, &keys), given, BadLines::Skip)?.schema)
        }
    }
}

fn fill(
    args: &BuildArgs,
    global: &Global,
    (mut index, memory): (Index, usize),
    from: (&Source, &Encoders),
    (commits, start): (Commits<'_>, Option<&Checkpoint>),
) -> Result<BuildReport> {
    let mut writer = index.writer(memory)?;
    let options = BuildOptions {
        on_bad: on_bad(args),
        commits: Some(commits),
        stop: Some(interrupt::listen()?),
        start,
        ..BuildOptions::default()
    };
    let corpus = args.corpus.as_deref();
    let mut report = documents::fill((&index, &mut writer), from, (&args.source, corpus), options, global)?;
    let damaged = writer.finish().map_err(|error| documents::in_index(error, index.dir()))?;
    report.damaged(index.dir(), &damaged);
    refuse_duplicates(&index, lines(args, from.0).as_deref(), &keys(args)?)?;
    index.mark_complete()?;
    Ok(report)
}

/// Ids are checked at the end, from their terms; the corpus is read again only to name both lines.
fn refuse_duplicates(index: &Index, corpus: Option<&Path>, keys: &Keys) -> Result<()> {
    let Some(field) = index.id_field() else { return Ok(()) };
    let duplicates = duplicate_ids(&index.reader()?.searcher(), field, 1)?;
    let Some(id) = duplicates.into_iter().next() else { return Ok(()) };
    let mut error = Error::new(ErrorCode::DuplicateId, format!("the id {id:?} stands twice"));
    if let Some(corpus) = corpus {
        let has_id =
            |line: u64, given: Option<&str>| given.map_or_else(|| line.to_string() == id, |g| g == id);
        let lines: Vec<u64> = Reader::open_with(corpus, keys)?
            .filter_map(std::result::Result::ok)
            .filter(|document| has_id(document.line, document.id.as_deref()))
            .map(|document| document.line)
            .take(2)
            .collect();
        error = error.file(corpus);
        if let [first, second] = lines.as_slice() {
            error = error.line(*second).got(format!("{}s {first} and {second}", unit_of(corpus)));
        }
    }
    Err(error.expected("one document per id").hint("make the ids unique"))
}
