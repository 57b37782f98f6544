//! `uncsm-index build`: a new index, made beside its place and moved there when it is whole.

use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use serde::Serialize;
use uncsm_index::corpus::{BadLines, FeaturesFile, FieldSchema, JsonlReader, SchemaOverrides, infer};
use uncsm_index::encode::{Encoder, FeatureRows, FeatureSource};
use uncsm_index::index::{
    self, BuildOptions, BuildReport, ExistingOut, Index, OnBad, PartialDir, duplicate_ids,
};
use uncsm_index::model::Bundle;
use uncsm_index::{Error, ErrorCode, Result};

use crate::Outcome;
use crate::args::{BuildArgs, Global};
use crate::output::Output;
use crate::{progress, source};

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    built: BuildReport,
    seconds: f64,
}

pub fn run(args: &BuildArgs, global: &Global, output: &Output) -> Result<Outcome> {
    let started = Instant::now();
    let existing = if args.force { ExistingOut::Replace } else { ExistingOut::Refuse };
    let partial = PartialDir::prepare(&args.out, existing)?;
    let bundle = Bundle::load(&args.bundle)?;
    let file = source::features_file(&args.source)?;
    let rows = source::feature_rows(&args.source, &file)?;
    check(&bundle, &rows)?;
    let fields = fields(args)?;
    let built = match fill(args, global, &bundle, &fields, &file, rows, partial.path()) {
        Ok(built) => built,
        Err(error) => {
            partial.discard()?;
            return Err(error);
        }
    };
    partial.publish()?;
    let report = Report { built, seconds: started.elapsed().as_secs_f64() };
    output.print(&report, || text(args, &report))?;
    Ok(Outcome::Done)
}

fn check(bundle: &Bundle, rows: &[FeatureRows<'_>]) -> Result<()> {
    for rows in rows {
        let media = &bundle.media()[bundle.media_index(rows.encoder.media())?];
        if media.features != rows.tensor.cols() {
            let message =
                format!("tensor `{}` does not fit the pathway of `{}`", rows.tensor.name(), media.name);
            return Err(Error::new(ErrorCode::BadDimension, message)
                .expected(format!("{} features, as {} gives them", media.features, media.encoder))
                .got(rows.tensor.cols()));
        }
        if media.encoder != rows.encoder.name() {
            return Err(Error::new(ErrorCode::SpaceMismatch, "the features were made by another encoder")
                .expected(&media.encoder)
                .got(rows.encoder.name())
                .hint("name the encoder of a tensor with --encoder MEDIA=NAME, as in training"));
        }
    }
    Ok(())
}

fn fields(args: &BuildArgs) -> Result<FieldSchema> {
    let given = args.schema.as_deref().map(SchemaOverrides::open).transpose()?.unwrap_or_default();
    if let Some(complete) = given.complete()? {
        return Ok(complete);
    }
    match &args.corpus {
        None => given.apply(FieldSchema::default()),
        // Bad lines are counted when their documents are due.
        Some(corpus) => Ok(infer(JsonlReader::open(corpus)?, corpus, &given, BadLines::Skip)?.schema),
    }
}

fn fill(
    args: &BuildArgs,
    global: &Global,
    bundle: &Bundle,
    fields: &FieldSchema,
    file: &FeaturesFile,
    rows: Vec<FeatureRows<'_>>,
    dir: &Path,
) -> Result<BuildReport> {
    let mut index = Index::create(dir, fields, bundle)?;
    let memory = args.memory.checked_mul(1 << 20).filter(|&bytes| bytes >= 15 << 20).ok_or_else(|| {
        Error::new(ErrorCode::BadArgument, "--memory is out of range")
            .expected("at least 15")
            .got(args.memory)
    })?;
    let mut writer = index.writer(memory)?;
    let documents = FeatureSource::new(file.path(), rows, args.corpus.as_deref())?;
    let bar = progress::bar(global, Some(documents.len() as u64), "documents");
    bar.set_message("indexing");
    let on_bad = if args.strict { OnBad::Stop } else { OnBad::Warn };
    let options = BuildOptions { on_bad, ..BuildOptions::default() };
    let report = index::build(&index, &writer, documents, options, &mut |n| bar.set_position(n))?;
    bar.set_message("writing segments");
    writer.commit()?;
    writer.finish()?;
    bar.finish_and_clear();
    refuse_duplicates(&index, args.corpus.as_deref())?;
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
        let has_id = |line: u64, given: Option<&str>| {
            given.map_or_else(|| line.to_string() == id, |given| given == id)
        };
        let lines: Vec<u64> = JsonlReader::open(corpus)?
            .filter_map(std::result::Result::ok)
            .filter(|document| has_id(document.line, document.id.as_deref()))
            .map(|document| document.line)
            .take(2)
            .collect();
        error = error.file(corpus);
        if let [first, second] = lines.as_slice() {
            error = error.line(*second).got(format!("lines {first} and {second}"));
        }
    }
    Err(error.expected("one document per id").hint("make the ids unique"))
}

fn text(args: &BuildArgs, report: &Report) -> String {
    let built = &report.built;
    let items: Vec<String> = built.items.iter().map(|(media, n)| format!("{n} {media}")).collect();
    let mut out = format!(
        "{}: {} documents, items: {}, {} warnings, {:.1} s\n",
        args.out.display(),
        built.documents,
        items.join(", "),
        built.warnings,
        report.seconds
    );
    for skipped in &built.skipped {
        let _ = writeln!(out, "left out: {}:{}: {}", skipped.file.display(), skipped.line, skipped.reason);
    }
    if built.without_items > 0 {
        let _ = writeln!(out, "{} documents have no item: only keywords find them", built.without_items);
    }
    if built.nested + built.unknown > 0 {
        let (nested, unknown) = (built.nested, built.unknown);
        let _ = writeln!(out, "in `_extra`: {nested} nested values, {unknown} values without a field");
    }
    out
}
