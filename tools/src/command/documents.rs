//! Documents of a source into an index: what `build` and `add` share.

use std::fmt::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Serialize;
use uncsm_index::corpus::Reader;
use uncsm_index::encode::{
    CorpusSource, Encoder, EncoderPaths, Encoders, FeatureRows, FeatureSource, Ids, Incoming, media_of,
};
use uncsm_index::index::{self, BuildOptions, BuildReport, Existing, Index, Writer};
use uncsm_index::model::Bundle;
use uncsm_index::{Error, ErrorCode, Result};

use crate::args::{Global, SourceArgs};
use crate::progress::BuildBar;
use crate::source::{self, Source};

/// What `build`, `add` and the like report.
#[derive(Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub built: BuildReport,
    pub seconds: f64,
}

impl Report {
    /// As text; `out` is the index.
    pub fn text(&self, out: &Path) -> String {
        let built = &self.built;
        let items: Vec<String> = built.items.iter().map(|(media, n)| format!("{n} {media}")).collect();
        let mut text = format!(
            "{}: {} documents, items: {}, {} warnings, {:.1} s\n",
            out.display(),
            built.documents,
            items.join(", "),
            built.warnings,
            self.seconds
        );
        let busy: Vec<String> = built
            .stages
            .named()
            .iter()
            .map(|(name, time)| format!("{name} {:.1}", time.as_secs_f64()))
            .collect();
        let _ = writeln!(text, "busy seconds: {}", busy.join(", "));
        for skipped in &built.skipped {
            let _ =
                writeln!(text, "left out: {}:{}: {}", skipped.file.display(), skipped.line, skipped.reason);
        }
        if built.unlisted > 0 {
            let _ = writeln!(text, "left out: {} more", built.unlisted);
        }
        if built.without_items > 0 {
            let _ = writeln!(text, "{} documents have no item: only keywords find them", built.without_items);
        }
        if built.long_words > 0 {
            let _ = writeln!(text, "{} words are too long for keywords to find", built.long_words);
        }
        if built.nested + built.unknown > 0 {
            let (nested, unknown) = (built.nested, built.unknown);
            let _ = writeln!(text, "in `_extra`: {nested} nested values, {unknown} values without a field");
        }
        text
    }
}

/// Names the index at `dir` in the error of a full disk that names no file: the host's own errors do not.
pub fn in_index(error: Error, dir: &Path) -> Error {
    if error.is_disk_full() && error.facts().file.is_none() { error.file(dir) } else { error }
}

/// Refuses a source whose items the bundle does not fit, and opens the encoders of those media types that the source has;
/// features need none.
pub fn encoders(
    bundle: &Bundle,
    source: &Source,
    args: &SourceArgs,
    paths: &EncoderPaths,
) -> Result<Encoders> {
    let path = match source {
        Source::Features(file) => {
            let rows = source::feature_rows(args, file)?;
            rows.iter().try_for_each(|rows| check_rows(bundle, rows, paths))?;
            return Ok(Encoders::new());
        }
        Source::Corpus(path) => path,
    };
    for named in source::encoders(args)? {
        bundle.check_encoder(&named.media, &named.encoder, paths)?;
    }
    let all: Vec<&str> = bundle.media().iter().map(|media| media.name.as_str()).collect();
    // Bad lines are counted when their documents are due.
    let keys = source::keys(&args.media_key, &args.without)?;
    let present = media_of(Reader::open_with(path, &keys)?.filter_map(std::result::Result::ok), &all);
    bundle.encoders_of(&present, paths).map_err(unknown_features)
}

/// What to do about a bundle that does not know its encoder, where a corpus is to be encoded.
pub fn unknown_features(error: Error) -> Error {
    match error.code() {
        ErrorCode::BadArgument => error.hint(
            "the bundle was trained on features from a file: give --features and --pathway, and with `build` --corpus; or train it again with --encoder",
        ),
        _ => error,
    }
}

fn check_rows(bundle: &Bundle, rows: &FeatureRows<'_>, paths: &EncoderPaths) -> Result<()> {
    let media = &bundle.media()[bundle.media_index(rows.encoder.media())?];
    if media.features != rows.tensor.cols() {
        let message = format!("tensor `{}` does not fit the pathway of `{}`", rows.tensor.name(), media.name);
        return Err(Error::new(ErrorCode::BadDimension, message)
            .expected(format!("{} features, as {} gives them", media.features, media.encoder))
            .got(rows.tensor.cols()));
    }
    bundle.check_encoder(&media.name, rows.encoder.name(), paths)
}

/// Puts the documents of `source` into `index` through `writer`, with a progress bar; `options` lack encoders and cache.
pub fn fill(
    (index, writer): (&Index, &mut Writer),
    (source, encoders): (&Source, &Encoders),
    (args, fields_of_rows): (&SourceArgs, Option<&Path>),
    options: BuildOptions<'_>,
    global: &Global,
) -> Result<BuildReport> {
    let cache = source::cache(args)?;
    let options = BuildOptions { encoders: Some(encoders), cache: cache.as_ref(), ..options };
    let ids = if options.existing == Existing::Replace { Ids::Required } else { Ids::FromLine };
    let keys = source::keys(&args.media_key, &args.without)?;
    let before = options.start.map_or(0, |start| start.report.items.values().sum());
    match source {
        Source::Features(file) => {
            let rows = source::feature_rows(args, file)?;
            let documents = FeatureSource::new(file.path(), rows, fields_of_rows, ids)?.keys(&keys)?;
            let bar = BuildBar::new(global, Some(documents.len() as u64), before);
            let report =
                index::build(index, writer, documents, options, &mut |at| bar.show(at.consumed, &at));
            bar.clear();
            report
        }
        Source::Corpus(path) => {
            let documents = CorpusSource::open_with(path, ids, &keys)?.passages(source::passages(args)?);
            let bar = BuildBar::new(global, documents.reader().len_hint(), before);
            let position = AtomicU64::new(0);
            let documents = Watched { documents, position: &position };
            let report = index::build(index, writer, documents, options, &mut |at| {
                bar.show(position.load(Ordering::Relaxed), &at);
            });
            bar.clear();
            report.map_err(|error| match error.code() {
                ErrorCode::Empty if error.facts().file.is_none() => error.file(path),
                _ => error,
            })
        }
    }
}

/// Documents of a corpus that say how far it is read, a little ahead of what is indexed.
struct Watched<'a> {
    documents: CorpusSource,
    position: &'a AtomicU64,
}

impl Iterator for Watched<'_> {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        let next = self.documents.next();
        self.position.store(self.documents.reader().position(), Ordering::Relaxed);
        next
    }
}
