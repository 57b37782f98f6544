//! `uncsm-index build`: a new index, made beside its place and moved there when it is whole.

use std::path::{Path, PathBuf};
use std::time::Instant;

use uncsm_index::corpus::{BadLines, FieldSchema, Reader, SchemaOverrides, infer, unit_of};
use uncsm_index::encode::Encoders;
use uncsm_index::index::{
    BuildReport, Existing, ExistingOut, Index, OnBad, PartialDir, duplicate_ids, embed_encoders,
};
use uncsm_index::model::Bundle;
use uncsm_index::{Error, ErrorCode, Result};

use super::add;
use super::documents::{self, Report};
use crate::Outcome;
use crate::args::{BuildArgs, Global};
use crate::output::Output;
use crate::source::{self, Source};

pub fn run(args: &BuildArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let bundle = Bundle::load(&args.bundle)?;
    if args.append && args.out.exists() {
        return append(args, &bundle, global, output);
    }
    let existing = if args.force { ExistingOut::Replace } else { ExistingOut::Refuse };
    let partial = PartialDir::prepare(&args.out, existing)?;
    let source = Source::open(&args.source)?;
    let paths = source::encoder_paths(&args.source.encoder)?;
    let encoders = documents::encoders(&bundle, &source, &args.source, &paths)?;
    let fields = fields(args, &source)?;
    let mut index = Index::create(partial.path(), &fields, &bundle)?;
    if args.embed_encoders {
        // First, since it is the part that may lack something.
        embed_encoders(partial.path(), &bundle, &paths)?;
    }
    let built = fill(args, global, &mut index, (&source, &encoders))?;
    drop(index);
    partial.publish()?;
    let report = Report { built, seconds: started.elapsed().as_secs_f64() };
    output.print(&report, || report.text(&args.out))?;
    Ok(Outcome::Done)
}

fn append(args: &BuildArgs, bundle: &Bundle, global: &Global, output: &Output) -> Result<Outcome> {
    if args.schema.is_some() {
        return Err(Error::new(ErrorCode::BadArgument, "--schema does not go with --append")
            .hint("the fields of an index are set when it is built"));
    }
    let index = Index::open(&args.out)?;
    index.media().check_space(bundle.space()).map_err(|e| e.file(&args.out))?;
    if args.embed_encoders {
        let paths = index.encoder_paths(source::encoder_paths(&args.source.encoder)?);
        embed_encoders(&args.out, index.bundle(), &paths)?;
    }
    drop(index);
    let on_bad = on_bad(args);
    add::add(&args.out, &args.source, args.corpus.as_deref(), on_bad, (global, output))
}

fn on_bad(args: &BuildArgs) -> OnBad {
    if args.strict { OnBad::Stop } else { OnBad::Warn }
}

/// The file whose lines are the documents.
fn lines(args: &BuildArgs, source: &Source) -> Option<PathBuf> {
    match source {
        Source::Corpus(path) => Some(path.clone()),
        Source::Features(_) => args.corpus.clone(),
    }
}

fn fields(args: &BuildArgs, source: &Source) -> Result<FieldSchema> {
    let given = args.schema.as_deref().map(SchemaOverrides::open).transpose()?.unwrap_or_default();
    if let Some(complete) = given.complete()? {
        return Ok(complete);
    }
    match lines(args, source) {
        None => given.apply(FieldSchema::default()),
        // Bad lines are counted when their documents are due.
        Some(corpus) => Ok(infer(Reader::open(&corpus)?, &corpus, &given, BadLines::Skip)?.schema),
    }
}

fn fill(
    args: &BuildArgs,
    global: &Global,
    index: &mut Index,
    (source, encoders): (&Source, &Encoders),
) -> Result<BuildReport> {
    let memory = args.memory.checked_mul(1 << 20).filter(|&bytes| bytes >= 15 << 20).ok_or_else(|| {
        Error::new(ErrorCode::BadArgument, "--memory is out of range")
            .expected("at least 15")
            .got(args.memory)
    })?;
    let mut writer = index.writer(memory)?;
    let how = (on_bad(args), Existing::None);
    let mut report = documents::fill(
        (index, &writer),
        (source, encoders),
        &args.source,
        args.corpus.as_deref(),
        how,
        global,
    )?;
    writer.commit()?;
    report.damaged(index.dir(), &writer.finish()?);
    refuse_duplicates(index, lines(args, source).as_deref())?;
    index.mark_complete()?;
    Ok(report)
}

/// Ids are checked at the end, from their terms; the corpus is read again only to name both lines.
fn refuse_duplicates(index: &Index, corpus: Option<&Path>) -> Result<()> {
    let Some(field) = index.id_field() else { return Ok(()) };
    let duplicates = duplicate_ids(&index.reader()?.searcher(), field, 1)?;
    let Some(id) = duplicates.into_iter().next() else { return Ok(()) };
    let mut error = Error::new(ErrorCode::DuplicateId, format!("the id {id:?} stands twice"));
    if let Some(corpus) = corpus {
        let has_id =
            |line: u64, given: Option<&str>| given.map_or_else(|| line.to_string() == id, |g| g == id);
        let lines: Vec<u64> = Reader::open(corpus)?
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
