//! The pipeline of a build: read -> pathways -> index, joined by bounded channels, so that memory does not grow with
//! the corpus and the order of documents is that of the source.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crossbeam::channel::{Receiver, Sender, bounded};
use serde::Serialize;
use tantivy::TantivyDocument;

use super::store::Index;
use super::value::MediaValue;
use super::writer::Writer;
use crate::encode::{Incoming, Place, RawItem, SourceDocument};
use crate::error::{Error, ErrorCode, Result};
use crate::media::ItemOrigin;
use crate::model::Bundle;

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
        tracing::warn!("{}:{line}: {reason}", file.display());
        self.warnings += 1;
        self.skipped.push(Skipped { file, line, reason });
        Ok(())
    }
}

/// A document whose items are in the shared space.
struct Projected {
    source: SourceDocument,
    items: Vec<SharedItem>,
    bad: Vec<Error>,
}

struct SharedItem {
    media: usize,
    origin: ItemOrigin,
    vector: Vec<f32>,
    half: Vec<f32>,
}

/// Puts all documents of `source` into `index` through `writer`, without committing. `progress` hears the number of
/// documents so far.
///
/// # Errors
/// A broken source; the first bad document or item with [`OnBad::Stop`]; [`ErrorCode::Empty`] where no document reads;
/// those of the writer.
pub fn build(
    index: &Index,
    writer: &Writer,
    source: impl Iterator<Item = Incoming> + Send,
    on_bad: OnBad,
    progress: &mut dyn FnMut(u64),
) -> Result<BuildReport> {
    let (to_pathways, from_source) = bounded::<Vec<Incoming>>(QUEUE);
    let (to_index, from_pathways) = bounded::<Vec<Result<Projected, Incoming>>>(QUEUE);
    let bundle = index.bundle();
    let report = std::thread::scope(|scope| {
        scope.spawn(move || read(source, &to_pathways));
        scope.spawn(move || pathways(bundle, &from_source, &to_index));
        // Leaving drops the receiver, at which the other stages end.
        fill(index, writer, from_pathways, on_bad, progress)
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

fn pathways(
    bundle: &Bundle,
    input: &Receiver<Vec<Incoming>>,
    out: &Sender<Vec<Result<Projected, Incoming>>>,
) {
    for batch in input {
        let mut projected: Vec<Result<Projected, Incoming>> = batch
            .into_iter()
            .map(|incoming| match incoming {
                Incoming::Document(source) => Ok(Projected { source: *source, items: vec![], bad: vec![] }),
                other => Err(other),
            })
            .collect();
        project(bundle, &mut projected);
        if out.send(projected).is_err() {
            return;
        }
    }
}

/// Maps all sound items of a batch at once, media type by media type.
fn project(bundle: &Bundle, batch: &mut [Result<Projected, Incoming>]) {
    for (media, config) in bundle.media().iter().enumerate() {
        let mut features = Vec::new();
        let mut owners = Vec::new();
        for (at, document) in batch.iter_mut().enumerate() {
            let Ok(document) = document else { continue };
            for item in document.source.items.iter().filter(|item| item.media == config.name) {
                match check(item, config.features) {
                    Ok(()) => {
                        features.extend_from_slice(&item.features);
                        owners.push((at, item.origin));
                    }
                    Err(error) => document.bad.push(error),
                }
            }
        }
        let shared = match bundle.project(media, &features) {
            Ok(shared) => bundle.store(media, &shared),
            // Every row was checked, so this says that something else is wrong, once for the batch.
            Err(error) => {
                if let Some(Ok(document)) = owners.first().and_then(|(at, _)| batch.get_mut(*at)) {
                    document.bad.push(error);
                }
                continue;
            }
        };
        let (dim, half) = (bundle.dim(), bundle.metric().half());
        for (row, (at, origin)) in owners.into_iter().enumerate() {
            let vector = shared.vectors[row * dim..(row + 1) * dim].iter().map(|v| v.to_f32()).collect();
            let half = shared.halves[row * half..(row + 1) * half].iter().map(|v| v.to_f32()).collect();
            if let Ok(document) = &mut batch[at] {
                document.items.push(SharedItem { media, origin, vector, half });
            }
        }
    }
    for document in batch.iter_mut().flatten() {
        let known = |item: &&RawItem| bundle.media().iter().any(|media| media.name == item.media);
        if let Some(unknown) = document.source.items.iter().find(|item| !known(item)) {
            let names: Vec<&str> = bundle.media().iter().map(|media| media.name.as_str()).collect();
            document.bad.push(
                Error::new(ErrorCode::UnknownMedia, "an item of a media type that the bundle does not have")
                    .expected(names.join(" or "))
                    .got(&unknown.media),
            );
        }
    }
}

fn check(item: &RawItem, width: usize) -> Result<()> {
    if item.features.len() != width {
        let message = format!("features of media type `{}` have the wrong length", item.media);
        return Err(Error::new(ErrorCode::BadDimension, message).expected(width).got(item.features.len()));
    }
    if let Some(at) = item.features.iter().position(|v| !v.is_finite()) {
        let message = format!("features of media type `{}` are not finite", item.media);
        let got = format!("{} at element {at}", item.features[at]);
        return Err(Error::new(ErrorCode::NotFinite, message).expected("finite numbers").got(got));
    }
    Ok(())
}

fn fill(
    index: &Index,
    writer: &Writer,
    input: Receiver<Vec<Result<Projected, Incoming>>>,
    on_bad: OnBad,
    progress: &mut dyn FnMut(u64),
) -> Result<BuildReport> {
    let items = index.bundle().media().iter().map(|media| (media.name.clone(), 0)).collect();
    let mut report = BuildReport { items, ..BuildReport::default() };
    for batch in input {
        for document in batch {
            match document {
                Ok(document) => add(index, writer, document, on_bad, &mut report)?,
                Err(Incoming::Broken(error)) => return Err(error),
                Err(Incoming::Bad(error)) => report.skip(error, None, on_bad)?,
                Err(Incoming::Document(_)) => {}
            }
        }
        progress(report.documents);
    }
    Ok(report)
}

fn add(
    index: &Index,
    writer: &Writer,
    projected: Projected,
    on_bad: OnBad,
    report: &mut BuildReport,
) -> Result<()> {
    let Projected { source, items, bad } = projected;
    let place = &source.place;
    for error in bad {
        report.skip(error, Some(place), on_bad)?;
    }
    let mut out = TantivyDocument::new();
    match index.fields().fill(&source.document, &mut out) {
        Ok(filled) => {
            for (count, new) in [(&mut report.nested, filled.nested), (&mut report.unknown, filled.unknown)] {
                // One warning for each kind, not for each document.
                report.warnings += u64::from(*count == 0 && new > 0);
                *count += new as u64;
            }
        }
        Err(error) => return report.skip(error, Some(place), on_bad),
    }
    let mut value = MediaValue::builder(index.media().spec());
    for item in &items {
        match value.item(item.media, &item.origin, &item.vector, &item.half) {
            Ok(_) => *report.items.entry(index.bundle().media()[item.media].name.clone()).or_default() += 1,
            Err(error) => report.skip(error, Some(place), on_bad)?,
        }
    }
    if value.is_empty() {
        let error = Error::new(ErrorCode::NoItems, "the document has no item; only keywords find it");
        if on_bad == OnBad::Stop {
            return Err(error.file(&place.file).line(place.line));
        }
        tracing::warn!("{}:{}: {}", place.file.display(), place.line, error.facts().message);
        report.warnings += 1;
        report.without_items += 1;
    } else {
        value.finish().add_to(&mut out, index.media().field());
    }
    writer.add(out)?;
    report.documents += 1;
    Ok(())
}
