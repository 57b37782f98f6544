//! The second pass over a corpus: batches of documents are encoded, and become rows.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::options::{CorpusOptions, NewClasses};
use super::row::{Class, Row};
use crate::corpus::Split;
use crate::data::classes::{KnownClasses, class_name, group_name, is_rounded};
use crate::data::rows::DocumentRef;
use crate::encode::{BadItem, Encoders, Place, SourceDocument, encode_batch};
use crate::error::{Error, ErrorCode, Result};
use crate::media::content_hash;

/// What the pass that encodes has read so far.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) rows: Vec<Row>,
    /// Documents of a known split.
    pub(super) known: Vec<DocumentRef>,
    /// By media type of the encoders: items of the documents that count, and the error of the first that does not read.
    /// An item that says nothing is none.
    named: BTreeMap<String, (u64, Option<Error>)>,
    /// The file of the first document.
    file: Option<PathBuf>,
    /// The error of the first item that was left out.
    pub(super) first: Option<Error>,
}

/// How documents become rows.
pub(super) struct Encoding<'a> {
    pub(super) encoders: &'a Encoders,
    pub(super) options: &'a CorpusOptions<'a>,
    /// Of a trained bundle.
    pub(super) classes: Option<KnownClasses<'a>>,
    /// Whether the corpus is a folder: then the file of an item says more than its place.
    pub(super) folder: bool,
}

impl Encoding<'_> {
    /// Whether the items of a document count where it is asked whether any reads.
    fn counts(&self, split: Option<Split>) -> bool {
        let learns = self.options.trained.is_none() || self.options.new_classes == NewClasses::Refused;
        !learns || split != Some(Split::Test)
    }

    /// The error with the place of its document, and with the file of the item.
    fn placed(&self, error: Error, place: &Place) -> Error {
        match error.facts().file.clone() {
            None => error.file(&place.file).line(place.line),
            Some(file) if !self.folder && file != place.file => {
                error.within(file.display()).file(&place.file).line(place.line)
            }
            Some(_) => error,
        }
    }

    pub(super) fn encode(
        &self,
        batch: &[SourceDocument],
        skipped: &mut dyn FnMut(Error),
        reading: &mut Reading,
    ) {
        let documents: Vec<&SourceDocument> = batch.iter().collect();
        let encoded = encode_batch(self.encoders, &documents, None, self.options.cache);
        for (document, (items, bad)) in batch.iter().zip(encoded) {
            document.document.flaws.iter().cloned().for_each(&mut *skipped);
            let counts = self.counts(document.document.split);
            let encoded = |media: &String| counts && self.encoders.contains_key(media);
            for item in document.items.iter().filter(|item| encoded(&item.media)) {
                reading.named.entry(item.media.clone()).or_default().0 += 1;
            }
            for BadItem { media, error, is_empty } in bad {
                reading.first.get_or_insert_with(|| self.placed(error.clone(), &document.place));
                if let Some((count, first)) = reading.named.get_mut(&media).filter(|_| counts) {
                    match is_empty {
                        true => *count -= 1,
                        false => {
                            first.get_or_insert_with(|| self.placed(error.clone(), &document.place));
                        }
                    }
                }
                let located = error.facts().file.is_some();
                let place = &document.place;
                skipped(if located { error } else { error.file(&place.file).line(place.line) });
            }
            let mut by_media: BTreeMap<String, Vec<Vec<f32>>> = BTreeMap::new();
            for item in items {
                by_media.entry(item.media).or_default().extend(item.features);
            }
            self.add(document, &by_media, skipped, reading);
        }
    }

    /// Adds the rows of a document.
    fn add(
        &self,
        document: &SourceDocument,
        by_media: &BTreeMap<String, Vec<Vec<f32>>>,
        skipped: &mut dyn FnMut(Error),
        reading: &mut Reading,
    ) {
        let place = &document.place;
        let id = document.document.id.clone().unwrap_or_else(|| place.line.to_string());
        reading.known.push(DocumentRef { id, line: place.line });
        let fields = &document.document.fields;
        let given = self.options.group.and_then(|key| fields.get(key)).and_then(group_name);
        let first = reading.file.get_or_insert_with(|| place.file.clone());
        let group = match &given {
            Some(name) => content_hash(format!("group {name}").as_bytes()),
            None if *first == place.file => content_hash(format!("line {}", place.line).as_bytes()),
            // Equal lines of several files are not one document.
            None => content_hash(format!("line {} of {}", place.line, place.file.display()).as_bytes()),
        };
        let group = u64::from_le_bytes(std::array::from_fn(|i| group[i]));
        let label = self.options.label.and_then(|key| fields.get(key));
        if let Some(value) = label.filter(|value| is_rounded(value)) {
            let what = "a label is a number of more digits than are kept, so that its document has no class";
            skipped(
                Error::new(ErrorCode::BadValue, what)
                    .file(&place.file)
                    .line(place.line)
                    .expected("an integer of at most 64 bits, or a text")
                    .got(value)
                    .hint("write it as a string"),
            );
        }
        let class = label.and_then(|value| self.class(value));
        let count = by_media.values().map(Vec::len).max().unwrap_or(0);
        for at in 0..count {
            // The last item of a media type stands beside all further ones of another.
            let features = by_media
                .iter()
                .filter_map(|(media, items)| Some((media.clone(), items.get(at).or(items.last())?.clone())));
            reading.rows.push(Row {
                document: reading.known.len() - 1,
                split: document.document.split.unwrap_or(Split::Train),
                title: fields.get("title").and_then(Value::as_str).map(str::to_owned),
                class: class.clone(),
                group,
                grouped: given.is_some(),
                features: features.collect(),
            });
        }
    }

    fn class(&self, value: &Value) -> Option<Class> {
        let known = self.classes.as_ref().and_then(|classes| classes.number(value));
        known.map(Class::Known).or_else(|| class_name(value).map(Class::Named))
    }

    /// Refuses a corpus that names items of a media type of which none reads, with the first cause.
    pub(super) fn check_items(&self, path: &Path, reading: &mut Reading) -> Result<()> {
        let reads = |media: &str| {
            let counted = reading.rows.iter().filter(|row| self.counts(Some(row.split)));
            counted.into_iter().any(|row| row.features.contains_key(media))
        };
        let mut failed = reading.named.iter().filter(|(_, (_, first))| first.is_some());
        let lost = failed.find(|(media, _)| !reads(media)).map(|(media, _)| media.clone());
        let Some(media) = lost else { return Ok(()) };
        let Some((count, Some(error))) = reading.named.remove(&media) else { return Ok(()) };
        let error = error.within(format!("none of {count} items of `{media}` reads; the first"));
        let error = match error.facts().hint {
            Some(_) => error,
            None => error
                .hint("repair them, or leave the key out; paths are relative to the folder of the corpus"),
        };
        Err(if error.facts().file.is_some() { error } else { error.file(path) })
    }
}
