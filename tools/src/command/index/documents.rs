//! Documents of a source into an index: what `build` and `add` share.

use std::fmt::Write;
use std::path::Path;

use serde::Serialize;
use uncsm_index::Result;
use uncsm_index::corpus::{Keys, Reader};
use uncsm_index::encode::Registry;
use uncsm_index::index::{BuildReport, IndexBuilder, OnBad};

use crate::args::{Global, SourceArgs};
use crate::progress::BuildBar;
use crate::{output, source};

/// What `build`, `add` and the like report.
#[derive(Serialize)]
pub struct Report {
    #[serde(flatten)]
    pub built: BuildReport,
    pub seconds: f64,
    /// What to do about a source of which no document has an item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

/// The keys that may hold the items of a source, where no document had any.
pub fn proposal(built: &BuildReport, args: &SourceArgs, verb: &str) -> Result<Option<String>> {
    if built.without_items < built.documents || !args.features.is_empty() {
        return Ok(None);
    }
    let keys = source::keys(&args.items.keys)?;
    let first = Reader::open_all(&args.source, &keys)?.find_map(|read| read.ok());
    let map = first.and_then(|document| Keys::propose(document.fields.keys().map(String::as_str)));
    Ok(map.map(|map| format!("no document has a text or a picture: {verb} it again with --map {map}")))
}

impl Report {
    /// As text; `out` is the index.
    pub fn text(&self, out: &Path) -> String {
        let built = &self.built;
        if let Some(done) = built.shard.filter(|done| done.already) {
            let (shard, documents) = (done.shard, built.documents);
            return format!(
                "{}: complete already: shard {} of {}, {documents} documents\n",
                out.display(),
                shard.index(),
                shard.of()
            );
        }
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
        if let Some(hint) = &self.hint {
            let _ = writeln!(text, "{hint}");
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

/// `builder` with what all commands say that index a source: what `args` name, with the corpus that gives `fields` to rows
/// of features, and a progress bar.
pub fn of<'a>(
    (args, fields): (&SourceArgs, Option<&Path>),
    strict: bool,
    builder: IndexBuilder<'a>,
    global: &'a Global,
) -> Result<IndexBuilder<'a>> {
    let paths = Registry::from_env().with_limits(args.items.limits.into());
    let mut bar = None;
    let builder = builder
        .source(source::to_index(args, fields)?)
        .encoder_paths(paths)
        .words(output::flag)
        .progress(move |at| bar.get_or_insert_with(|| BuildBar::new(global, &at)).show(&at));
    Ok(if strict { builder.on_bad(OnBad::Stop) } else { builder })
}
