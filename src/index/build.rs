//! The pipeline of a build: read -> encode -> pathways -> index, joined by bounded channels, so that memory does not grow
//! with the corpus and the order of documents is that of the source.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use crossbeam::channel::{Receiver, Sender, bounded};
use serde::Serialize;
use tantivy::TantivyDocument;

use super::lookup::Snapshot;
use super::project::{self, Projected};
use super::store::Index;
use super::value::MediaValue;
use super::writer::Writer;
use crate::corpus::unit_of;
use crate::encode::{Encoders, Incoming, Place};
use crate::error::{Error, ErrorCode, Result};
use crate::media::content_hash;

/// Documents that travel together.
const BATCH: usize = 256;
/// Batches that wait between two stages.
const QUEUE: usize = 4;

/// What to do with a document or item that does not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnBad {
    /// Count it, list it, and go on.
    #[default]
    Warn,
    /// Stop with its error.
    Stop,
}

/// What becomes of a document whose id is in the index already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Existing {
    /// The index is new: ids are checked at the end, by [`super::duplicate_ids`].
    #[default]
    None,
    /// It is replaced; vectors of items of equal content stay.
    Replace,
}

/// How a source gets into an index.
#[derive(Default, Clone, Copy)]
pub struct BuildOptions<'a> {
    /// Encoders by media type; none are needed for features.
    pub encoders: Option<&'a Encoders>,
    /// What to do with what does not read.
    pub on_bad: OnBad,
    /// What to do with documents that are there.
    pub existing: Existing,
}

/// A document or item that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The corpus or features file.
    pub file: PathBuf,
    /// 1-based line, or 0-based row of a features file.
    pub line: u64,
    /// Why.
    pub reason: String,
}

/// What a build did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct BuildReport {
    /// Documents added.
    pub documents: u64,
    /// Items added, by media type.
    pub items: BTreeMap<String, u64>,
    /// Documents and items left out.
    pub skipped: Vec<Skipped>,
    /// All warnings: what was left out, documents without items, keys without a field.
    pub warnings: u64,
    /// Documents that have no item: keywords find them, pictures and sentences do not.
    pub without_items: u64,
    /// Nested values, which went into `_extra`.
    pub nested: u64,
    /// Values of keys that the schema does not have, which went into `_extra`.
    pub unknown: u64,
}

impl BuildReport {
    /// Counts segments that merges found damaged, and lists them; `dir` is the index.
    pub fn damaged(&mut self, dir: &std::path::Path, segments: &[(String, String)]) {
        for (segment, reason) in segments {
            let file = dir.join(format!("{segment}.{}", super::FIELD_TYPE));
            let reason = format!("damaged, and left out of merges: {reason}");
            self.warnings += 1;
            self.skipped.push(Skipped { file, line: 0, reason });
        }
    }

    fn skip(&mut self, error: Error, place: Option<&Place>, on_bad: OnBad) -> Result<()> {
        if on_bad == OnBad::Stop {
            let located = error.facts().file.is_some();
            return Err(match place {
                Some(place) if !located => error.file(&place.file).line(place.line),
                _ => error,
            });
        }
        let facts = error.facts();
        let file = place.map(|p| p.file.clone()).or_else(|| facts.file.clone()).unwrap_or_default();
        let line = place.map(|p| p.line).or(facts.line).unwrap_or_default();
        let mut reason = facts.message.clone();
        if let (Some(expected), Some(got)) = (&facts.expected, &facts.got) {
            reason = format!("{reason} (expected {expected}, got {got})");
        }
        // Which of the document's pictures it is: `file` and `line` are the place in the corpus.
        if let (Some(place), Some(item)) = (place, &facts.file)
            && *item != place.file
        {
            reason = format!("{}: {reason}", item.display());
        }
        tracing::warn!("{}:{line}: {reason}", file.display());
        self.warnings += 1;
        self.skipped.push(Skipped { file, line, reason });
        Ok(())
    }
}

/// Puts all documents of `source` into `index` through `writer`, without committing. `progress` hears the number of
/// documents so far.
///
/// # Errors
/// A broken source; the first bad document or item with [`OnBad::Stop`]; [`ErrorCode::Empty`] where no document reads;
/// [`ErrorCode::DuplicateId`] with [`Existing::Replace`], where an id stands twice in the source; those of the writer.
/// Nothing is committed then.
pub fn build(
    index: &Index,
    writer: &Writer,
    source: impl Iterator<Item = Incoming> + Send,
    options: BuildOptions<'_>,
    progress: &mut dyn FnMut(u64),
) -> Result<BuildReport> {
    let none = Encoders::new();
    let encoders = options.encoders.unwrap_or(&none);
    let snapshot = match (options.existing, index.id_field()) {
        (Existing::Replace, Some(id)) => {
            Some(Snapshot { searcher: index.reader()?.searcher(), cache: index.cache(), id })
        }
        _ => None,
    };
    let (to_encode, from_source) = bounded::<Vec<Incoming>>(QUEUE);
    let (to_pathways, from_encode) = bounded(QUEUE);
    let (to_index, from_pathways) = bounded(QUEUE);
    let (bundle, snapshot) = (index.bundle(), snapshot.as_ref());
    let report = std::thread::scope(|scope| {
        scope.spawn(move || read(source, &to_encode));
        scope.spawn(move || project::encode(encoders, bundle, snapshot, &from_source, &to_pathways));
        scope.spawn(move || project::pathways(bundle, snapshot, &from_encode, &to_index));
        // Leaving drops the receiver, at which the other stages end.
        Filling::new(index, writer, options).run(from_pathways, progress)
    })?;
    if report.documents == 0 {
        let skipped = format!("{} documents, all of them bad", report.skipped.len());
        return Err(Error::new(ErrorCode::Empty, "the source has no document that reads").got(skipped));
    }
    Ok(report)
}

fn read(source: impl Iterator<Item = Incoming>, out: &Sender<Vec<Incoming>>) {
    let mut batch = Vec::with_capacity(BATCH);
    for incoming in source {
        batch.push(incoming);
        if batch.len() == BATCH && out.send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH))).is_err()
        {
            return;
        }
    }
    // The receiver is gone only when the build has failed already.
    let _ = out.send(batch);
}

/// The last stage.
struct Filling<'a> {
    index: &'a Index,
    writer: &'a Writer,
    options: BuildOptions<'a>,
    report: BuildReport,
    /// Line of each id, by its hash; only where documents are replaced.
    seen: HashMap<[u8; 16], u64>,
}

impl<'a> Filling<'a> {
    fn new(index: &'a Index, writer: &'a Writer, options: BuildOptions<'a>) -> Self {
        let items = index.bundle().media().iter().map(|media| (media.name.clone(), 0)).collect();
        let report = BuildReport { items, ..BuildReport::default() };
        Self { index, writer, options, report, seen: HashMap::new() }
    }

    fn run(
        mut self,
        input: Receiver<Vec<Result<Projected, Incoming>>>,
        progress: &mut dyn FnMut(u64),
    ) -> Result<BuildReport> {
        for batch in input {
            for document in batch {
                match document {
                    Ok(document) => self.add(document)?,
                    Err(Incoming::Broken(error)) => return Err(error),
                    Err(Incoming::Bad(error)) => self.report.skip(error, None, self.options.on_bad)?,
                    Err(Incoming::Document(_)) => {}
                }
            }
            progress(self.report.documents);
        }
        Ok(self.report)
    }

    fn add(&mut self, projected: Projected) -> Result<()> {
        let Projected { source, items, bad } = projected;
        let (place, on_bad) = (&source.place, self.options.on_bad);
        for error in bad {
            self.report.skip(error, Some(place), on_bad)?;
        }
        let mut out = TantivyDocument::new();
        match self.index.fields().fill(&source.document, &mut out) {
            Ok(filled) => {
                let report = &mut self.report;
                for (count, new) in
                    [(&mut report.nested, filled.nested), (&mut report.unknown, filled.unknown)]
                {
                    // One warning for each kind, not for each document.
                    report.warnings += u64::from(*count == 0 && new > 0);
                    *count += new as u64;
                }
            }
            Err(error) => return self.report.skip(error, Some(place), on_bad),
        }
        let mut value = MediaValue::builder(self.index.media().spec());
        for item in &items {
            match value.item(item.media, &item.origin, &item.vector, &item.half) {
                Ok(_) => {
                    let name = self.index.bundle().media()[item.media].name.clone();
                    *self.report.items.entry(name).or_default() += 1;
                }
                Err(error) => self.report.skip(error, Some(place), on_bad)?,
            }
        }
        if value.is_empty() {
            let error = Error::new(ErrorCode::NoItems, "the document has no item; only keywords find it");
            if on_bad == OnBad::Stop {
                return Err(error.file(&place.file).line(place.line));
            }
            tracing::warn!("{}:{}: {}", place.file.display(), place.line, error.facts().message);
            self.report.warnings += 1;
            self.report.without_items += 1;
        } else {
            value.finish().add_to(&mut out, self.index.media().field());
        }
        if self.options.existing == Existing::Replace {
            self.replace(source.document.id.as_deref().unwrap_or_default(), place)?;
        }
        self.writer.add(out)?;
        self.report.documents += 1;
        Ok(())
    }

    fn replace(&mut self, id: &str, place: &Place) -> Result<()> {
        if let Some(first) = self.seen.insert(content_hash(id.as_bytes()), place.line) {
            return Err(Error::new(ErrorCode::DuplicateId, format!("the id {id:?} stands twice"))
                .file(&place.file)
                .line(place.line)
                .expected("one document per id")
                .got(format!("{}s {first} and {}", unit_of(&place.file), place.line))
                .hint("make the ids unique"));
        }
        self.writer.delete_id(id)?;
        Ok(())
    }
}
