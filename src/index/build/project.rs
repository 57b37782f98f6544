//! The two middle stages of a build: items to features, features to the shared space.

use crossbeam::channel::{Receiver, Sender};

use super::options::BuildOptions;
use super::report::Clock;
use crate::encode::{EncodedItem, Encoders, Incoming, SourceDocument, encode_batch};
use crate::error::{Error, ErrorCode, Result};
use crate::index::dir::lookup::{Snapshot, StoredRow};
use crate::media::ItemOrigin;
use crate::model::{Bundle, Unrounded};

/// A document whose items are encoded.
pub(crate) struct Encoded {
    source: SourceDocument,
    items: Vec<EncodedItem>,
    bad: Vec<Error>,
}

/// A document whose items are in the shared space.
pub(crate) struct Projected {
    pub(crate) source: SourceDocument,
    pub(crate) items: Vec<SharedItem>,
    pub(crate) bad: Vec<Error>,
}

/// An item in the shared space; its value is checked and narrowed when the index takes it.
pub(crate) struct SharedItem {
    pub(crate) media: usize,
    pub(crate) origin: ItemOrigin,
    pub(crate) vector: Vec<f32>,
    pub(crate) half: Vec<f32>,
    pub(crate) hubs: Vec<f32>,
}

/// Documents that are encoded between two looks at whether the build is to stop.
const PART: usize = 64;
/// Items that are encoded together, unless one document alone has more.
const PART_ITEMS: usize = 2048;

/// The stage that reads and encodes items; those whose content `snapshot` has already stay without features.
pub(crate) struct Encoding<'a> {
    pub(crate) encoders: &'a Encoders,
    pub(crate) bundle: &'a Bundle,
    pub(crate) snapshot: Option<&'a Snapshot>,
    pub(crate) options: BuildOptions<'a>,
    pub(crate) clock: &'a Clock,
}

impl Encoding<'_> {
    pub(crate) fn run(&self, input: &Receiver<Vec<Incoming>>, out: &Sender<Vec<Result<Encoded, Incoming>>>) {
        for batch in input {
            let encoded = self.clock.time(|| self.batch(batch));
            if self.options.is_stopped() || out.send(encoded).is_err() {
                return;
            }
        }
    }

    fn batch(&self, batch: Vec<Incoming>) -> Vec<Result<Encoded, Incoming>> {
        let mut documents = Vec::with_capacity(batch.len());
        for incoming in batch {
            documents.push(match incoming {
                Incoming::Document(source) => Ok(*source),
                other => Err(other),
            });
        }
        // What does not read here is encoded again, and what does not read then is an error of its own.
        let has = |id: &str, media: &str, hash: &[u8; 16]| {
            let position = self.bundle.media().iter().position(|config| config.name == media);
            matches!((self.snapshot, position), (Some(snapshot), Some(media))
                if snapshot.has(id, media, hash).is_ok_and(|found| found))
        };
        let sound: Vec<&SourceDocument> = documents.iter().flatten().collect();
        let mut encoded = Vec::with_capacity(sound.len());
        for part in parts(&sound) {
            if self.options.is_stopped() {
                return vec![];
            }
            encoded.extend(encode_batch(self.encoders, part, Some(&has), self.options.cache));
        }
        let mut encoded = encoded.into_iter();
        let encoded = documents.into_iter().map(|document| {
            let mut source = document?;
            let (items, bad) = encoded.next().unwrap_or_default();
            let bad = bad.into_iter().map(|item| item.error).collect();
            // Texts and media have done their duty, and need not wait in the queues.
            source.items = vec![];
            source.document.items.clear();
            Ok(Encoded { source, items, bad })
        });
        encoded.collect()
    }
}

/// Cuts documents into parts that are encoded together: at most [`PART`], and [`PART_ITEMS`] items unless one has more.
fn parts<'a, 'b>(mut documents: &'a [&'b SourceDocument]) -> Vec<&'a [&'b SourceDocument]> {
    let mut parts = Vec::new();
    while !documents.is_empty() {
        let mut items = 0;
        let fits = |document: &&&SourceDocument| {
            items += document.items.len();
            items <= PART_ITEMS
        };
        let fit = documents.iter().take(PART).take_while(fits).count();
        let (part, rest) = documents.split_at(fit.max(1));
        parts.push(part);
        documents = rest;
    }
    parts
}

/// Maps items to the shared space.
pub(crate) fn pathways(
    bundle: &Bundle,
    snapshot: Option<&Snapshot>,
    clock: &Clock,
    input: &Receiver<Vec<Result<Encoded, Incoming>>>,
    out: &Sender<Vec<Result<Projected, Incoming>>>,
) {
    for batch in input {
        let mut encoded = Vec::with_capacity(batch.len());
        let mut projected = Vec::with_capacity(batch.len());
        for document in batch {
            let (items, document) = match document {
                Ok(Encoded { source, items, bad }) => (items, Ok(Projected { source, items: vec![], bad })),
                Err(other) => (vec![], Err(other)),
            };
            encoded.push(items);
            projected.push(document);
        }
        clock.time(|| project(bundle, snapshot, &encoded, &mut projected));
        if out.send(projected).is_err() {
            return;
        }
    }
}

/// Maps all sound items of a batch at once, media type by media type; `encoded[i]` are the items of `batch[i]`.
fn project(
    bundle: &Bundle,
    snapshot: Option<&Snapshot>,
    encoded: &[Vec<EncodedItem>],
    batch: &mut [Result<Projected, Incoming>],
) {
    for (media, config) in bundle.media().iter().enumerate() {
        let mut features = Vec::new();
        let mut owners = Vec::new();
        for (at, (items, document)) in encoded.iter().zip(batch.iter_mut()).enumerate() {
            let Ok(document) = document else { continue };
            for item in items.iter().filter(|item| item.media == config.name) {
                match &item.features {
                    None => document.reuse(snapshot, media, item),
                    Some(row) => match check(&item.media, row, config.features) {
                        Ok(()) => {
                            features.extend_from_slice(row);
                            owners.push((at, item.origin));
                        }
                        Err(error) => document.bad.push(error),
                    },
                }
            }
        }
        let Unrounded { vectors, halves, hubs } = bundle.rows(media, &features);
        let (dim, half, columns) = (bundle.dim(), bundle.metric().half(), bundle.metric().hub_columns());
        for (row, (at, origin)) in owners.into_iter().enumerate() {
            let vector = vectors[row * dim..(row + 1) * dim].to_vec();
            let half = halves[row * half..(row + 1) * half].to_vec();
            let hubs = hubs[row * columns..(row + 1) * columns].to_vec();
            if let Ok(document) = &mut batch[at] {
                document.items.push(SharedItem { media, origin, vector, half, hubs });
            }
        }
    }
    for (items, document) in encoded.iter().zip(batch.iter_mut()) {
        let Ok(document) = document else { continue };
        document.items.sort_by_key(|item| (item.media, item.origin.ordinal));
        let known = |item: &&EncodedItem| bundle.media().iter().any(|media| media.name == item.media);
        if let Some(unknown) = items.iter().find(|item| !known(item)) {
            let names: Vec<&str> = bundle.media().iter().map(|media| media.name.as_str()).collect();
            document.bad.push(
                Error::new(ErrorCode::UnknownMedia, "an item of a media type that the bundle does not have")
                    .expected(names.join(" or "))
                    .got(&unknown.media),
            );
        }
    }
}

impl Projected {
    /// Takes the stored row of an item whose content has not changed.
    fn reuse(&mut self, snapshot: Option<&Snapshot>, media: usize, item: &EncodedItem) {
        let id = self.source.document.id.as_deref().unwrap_or_default();
        match snapshot.map(|snapshot| snapshot.row(id, media, &item.origin.hash)).transpose() {
            Ok(Some(Some(StoredRow { vector, half, hubs }))) => {
                self.items.push(SharedItem { media, origin: item.origin, vector, half, hubs });
            }
            Ok(_) => {
                self.bad.push(Error::new(ErrorCode::Damaged, "a stored vector is gone that was there before"))
            }
            Err(error) => self.bad.push(error),
        }
    }
}

/// The one check of features: whatever made them, what goes through a pathway is a whole row of finite numbers.
fn check(media: &str, features: &[f32], width: usize) -> Result<()> {
    if features.len() != width {
        let message = format!("features of media type `{media}` have the wrong length");
        return Err(Error::new(ErrorCode::BadDimension, message).expected(width).got(features.len()));
    }
    if let Some(at) = features.iter().position(|v| !v.is_finite()) {
        let message = format!("features of media type `{media}` are not finite");
        let got = format!("{} at element {at}", features[at]);
        return Err(Error::new(ErrorCode::NotFinite, message).expected("finite numbers").got(got));
    }
    Ok(())
}
