//! Encoding the items of a batch of documents: files are read and decoded on all cores, each media type in one call.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::cache::{FeatureCache, Features};
use super::source::{Content, RawItem, SourceDocument};
use super::{Encoder, Item};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::limits::{Opened, open_regular};
use crate::media::{ItemOrigin, content_hash};

/// Bytes of the largest media file that is read, unless an encoder says otherwise.
const MAX_FILE: u64 = crate::limits::PICTURE_BYTES;

/// The encoders of a bundle by media type.
pub type Encoders = BTreeMap<String, Arc<dyn Encoder>>;

/// An item after encoding.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EncodedItem {
    /// Name of the media type.
    pub(crate) media: String,
    /// Where it stands, and the hash of what it was made from.
    pub(crate) origin: ItemOrigin,
    /// Features `[d_in]`; `None` where the caller has the shared vector of equal content already.
    pub(crate) features: Option<Vec<f32>>,
}

/// An item that has no features.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct BadItem {
    /// Name of the media type.
    pub(crate) media: String,
    /// Why.
    pub(crate) error: Error,
    /// Whether it says nothing, and so is no item, rather than one that does not read.
    pub(crate) is_empty: bool,
}

/// What has become of the items of one document: those with features, in order, and the others.
type EncodedItems = (Vec<EncodedItem>, Vec<BadItem>);

/// Whether the caller has the vector of an item already: document id, media type, content hash.
type Reuse<'a> = &'a (dyn Fn(&str, &str, &[u8; 16]) -> bool + Sync);

/// Bytes of media files that are in memory together, unless one item alone has more.
const FILE_BYTES: u64 = 64 << 20;

/// An item whose bytes are there.
struct Loaded<'a> {
    hash: [u8; 16],
    payload: Payload<'a>,
}

enum Payload<'a> {
    /// The caller has the vector already, so the bytes need not stay.
    Reused,
    /// The features are known, from the source or from an earlier run.
    Known(Cow<'a, [f32]>),
    Text(&'a str),
    Bytes(Cow<'a, [u8]>),
}

/// An item and the document that it belongs to.
type Owned<'a> = (usize, &'a RawItem);

/// Encodes the items of `documents`: for each document its items in order, and the errors of those that failed.
///
/// A file is read and hashed before it is decoded, so that `reuse` can spare both decoding and encoding, and `cache`, the
/// features of earlier runs, too. An item without information, which [`Encoder::is_empty`] says of a text and zeros of any
/// features, is an error of [`ErrorCode::NoItems`] that says so ([`BadItem::is_empty`]). Cost: at most 64 MiB of media files are
/// in memory at a time, or one larger file.
pub(crate) fn encode_batch(
    encoders: &Encoders,
    documents: &[&SourceDocument],
    reuse: Option<Reuse<'_>>,
    cache: Option<&FeatureCache>,
) -> Vec<EncodedItems> {
    let mut out: Vec<EncodedItems> = documents.iter().map(|_| (vec![], vec![])).collect();
    let items: Vec<Owned<'_>> = documents
        .iter()
        .enumerate()
        .flat_map(|(at, document)| document.items.iter().map(move |item| (at, item)))
        .collect();
    let known: BTreeMap<&str, Arc<Features>> = match cache {
        Some(cache) => {
            encoders.iter().map(|(media, encoder)| (media.as_str(), cache.of(encoder.as_ref()))).collect()
        }
        None => BTreeMap::new(),
    };
    for part in by_bytes(&items, FILE_BYTES) {
        encode_part(encoders, &known, documents, reuse, part, &mut out);
    }
    out
}

fn encode_part(
    encoders: &Encoders,
    known: &BTreeMap<&str, Arc<Features>>,
    documents: &[&SourceDocument],
    reuse: Option<Reuse<'_>>,
    items: &[Owned<'_>],
    out: &mut [EncodedItems],
) {
    // With whether the item says nothing.
    let failed = |error: Error| (error, false);
    let empty = |error: Error| (error, true);
    let loaded: Vec<std::result::Result<Loaded<'_>, (Error, bool)>> = items
        .par_iter()
        .map(|&(document, item)| {
            if let Content::Text(text) = &item.content
                && is_empty(encoders, &item.media, text)
            {
                return Err(empty(empty_text(text)));
            }
            check_width(encoders, item).map_err(failed)?;
            let (hash, payload) = load(&item.content, max_bytes(encoders, &item.media)).map_err(failed)?;
            let id = documents[document].document.id.as_deref();
            let reused = matches!((reuse, id), (Some(reuse), Some(id)) if reuse(id, &item.media, &hash));
            let raw = matches!(payload, Payload::Text(_) | Payload::Bytes(_));
            let found = || known.get(item.media.as_str()).filter(|_| raw)?.get(&hash);
            let payload = match reused {
                true => Payload::Reused,
                false => found().map_or(payload, |features| Payload::Known(features.into())),
            };
            Ok(Loaded { hash, payload })
        })
        .collect();
    let mut results: Vec<Option<Result<Vec<f32>>>> = loaded.iter().map(|_| None).collect();
    for (media, encoder) in encoders {
        let mut asked = Vec::new();
        let mut raw = Vec::new();
        for (at, (item, (_, source))) in loaded.iter().zip(items).enumerate() {
            let Ok(item) = item else { continue };
            if source.media != *media {
                continue;
            }
            match &item.payload {
                Payload::Reused | Payload::Known(_) => continue,
                Payload::Text(text) => raw.push(Item::Text(text)),
                Payload::Bytes(bytes) => raw.push(Item::Bytes(bytes)),
            }
            asked.push((at, item.hash));
        }
        if raw.is_empty() {
            continue;
        }
        let encoded = encoder.encode(&raw);
        if let Some(known) = known.get(media.as_str()) {
            let rows = asked.iter().zip(&encoded);
            known.put(rows.filter_map(|((_, hash), row)| Some((*hash, row.as_deref().ok()?))));
        }
        for ((at, _), result) in asked.into_iter().zip(encoded) {
            results[at] = Some(result);
        }
    }
    for ((&(document, source), item), result) in items.iter().zip(loaded).zip(results) {
        let item = match item {
            Ok(item) => item,
            Err((error, is_empty)) => {
                out[document].1.push(BadItem { media: source.media.clone(), error, is_empty });
                continue;
            }
        };
        let features = match (result, item.payload) {
            (Some(result), _) => result.map(Some),
            (None, Payload::Reused) => Ok(None),
            (None, Payload::Known(features)) => Ok(Some(features.into_owned())),
            (None, _) => Err(Error::new(ErrorCode::UnknownMedia, "no encoder for the media type of an item")
                .expected(encoders.keys().cloned().collect::<Vec<_>>().join(" or "))
                .got(&source.media)),
        };
        let origin = ItemOrigin { ordinal: source.ordinal, span: source.span, hash: item.hash };
        let features = features.map_err(failed).and_then(|features| match features {
            Some(row) => check_informed(&row).map(|()| Some(row)).map_err(empty),
            None => Ok(None),
        });
        match features {
            Ok(features) => {
                out[document].0.push(EncodedItem { media: source.media.clone(), origin, features })
            }
            Err((error, is_empty)) => {
                let error = match &source.content {
                    Content::File(path) => error.file(path),
                    _ => error,
                };
                out[document].1.push(BadItem { media: source.media.clone(), error, is_empty });
            }
        }
    }
}

/// Whether `text` says nothing to the encoder of `media`; a blank one says nothing to any.
fn is_empty(encoders: &Encoders, media: &str, text: &str) -> bool {
    let blank = text.trim().is_empty();
    blank || encoders.get(media).is_some_and(|encoder| encoder.is_empty(&Item::Text(text)))
}

/// The error of a text that an encoder reads nothing of.
pub(crate) fn empty_text(text: &str) -> Error {
    let head: String = text.chars().take(40).collect();
    let dots = if head.len() < text.len() { ".." } else { "" };
    Error::new(ErrorCode::NoItems, "a text has no word that its encoder reads, so that it is no item")
        .expected("a letter or digit")
        .got(format!("{head:?}{dots}"))
        .hint("give it words, or leave it out")
}

/// Refuses features without information: as good as no item.
///
/// # Errors
/// [`ErrorCode::NoItems`] where all are zero.
pub(crate) fn check_informed(features: &[f32]) -> Result<()> {
    if features.iter().any(|x| *x != 0.0) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::NoItems, "all features of an item are zero, so that it is no item")
        .expected("a feature that is not 0")
        .hint("leave the item out, or encode it again"))
}

/// Cuts `items` where their media files together would pass `limit` bytes; each part has at least one item.
fn by_bytes<'a, 'b>(mut items: &'a [Owned<'b>], limit: u64) -> Vec<&'a [Owned<'b>]> {
    let bytes = |(_, item): &Owned<'_>| match &item.content {
        Content::File(path) => std::fs::metadata(path).map_or(0, |about| about.len()),
        _ => 0,
    };
    let mut parts = Vec::new();
    while !items.is_empty() {
        let (mut end, mut sum) = (0, 0);
        while end < items.len() {
            sum += bytes(&items[end]);
            if end > 0 && sum > limit {
                break;
            }
            end += 1;
        }
        let (part, rest) = items.split_at(end);
        parts.push(part);
        items = rest;
    }
    parts
}

/// Refuses features of another length than the encoder of their media type makes, where it is here.
fn check_width(encoders: &Encoders, item: &RawItem) -> Result<()> {
    match (&item.content, encoders.get(&item.media)) {
        (Content::Features(row), Some(encoder)) if row.len() != encoder.features() => {
            let what =
                format!("features of the media type `{}` have another length than the first", item.media);
            Err(Error::new(ErrorCode::BadDimension, what).expected(encoder.features()).got(row.len()))
        }
        _ => Ok(()),
    }
}

/// What the encoder of `media` reads at most.
fn max_bytes(encoders: &Encoders, media: &str) -> u64 {
    encoders.get(media).map_or(MAX_FILE, |encoder| encoder.max_bytes())
}

fn load(content: &Content, max_bytes: u64) -> Result<([u8; 16], Payload<'_>)> {
    match content {
        Content::Features(features) => {
            let bytes: Vec<u8> = features.iter().flat_map(|v| v.to_le_bytes()).collect();
            Ok((content_hash(&bytes), Payload::Known(features.into())))
        }
        Content::Text(text) => Ok((content_hash(text.as_bytes()), Payload::Text(text))),
        Content::File(path) => {
            let bytes = read_media_file(path, max_bytes)?;
            Ok((content_hash(&bytes), Payload::Bytes(bytes.into())))
        }
        Content::Bytes(bytes) if bytes.len() as u64 > max_bytes => {
            Err(Error::new(ErrorCode::TooLarge, "the bytes of a picture are too many")
                .expected(format!("at most {max_bytes} bytes"))
                .got(format!("{} bytes", bytes.len()))
                .hint(
                    Hint::new("save it smaller, or raise the limit (").setting(Setting::MaxBytes).text(")"),
                ))
        }
        Content::Bytes(bytes) => Ok((content_hash(bytes), Payload::Bytes(Cow::Borrowed(bytes)))),
    }
}

/// Reads a media file whole.
///
/// # Errors
/// [`ErrorCode::NotFound`], [`ErrorCode::Io`]; [`ErrorCode::BadValue`] for what is no file, such as a directory or a pipe,
/// which might never end; [`ErrorCode::TooLarge`] above `max_bytes`.
pub(crate) fn read_media_file(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let io = |error| Error::io(path, error);
    let (file, about) = match open_regular(path).map_err(io)? {
        Opened::File(file, about) => (file, about),
        Opened::Other(got) => {
            let error = Error::new(ErrorCode::BadValue, "not a media file");
            return Err(error.file(path).expected("a file").got(got));
        }
    };
    let large = |length: u64| {
        Error::new(ErrorCode::TooLarge, "the file is too large")
            .file(path)
            .expected(format!("at most {max_bytes} bytes"))
            .got(format!("{length} bytes"))
            .hint(Hint::new("save it smaller, or raise the limit (").setting(Setting::MaxBytes).text(")"))
    };
    if about.len() > max_bytes {
        return Err(large(about.len()));
    }
    let mut bytes = Vec::new();
    let length = usize::try_from(about.len()).unwrap_or(usize::MAX);
    bytes.try_reserve_exact(length).map_err(|_| io(std::io::ErrorKind::OutOfMemory.into()))?;
    // It may grow while it is read.
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(io)?;
    if bytes.len() as u64 > max_bytes { Err(large(bytes.len() as u64)) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_cut_into_parts_by_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let item = |(at, bytes): (usize, u64)| {
            let path = dir.path().join(at.to_string());
            std::fs::File::create(&path).unwrap().set_len(bytes).unwrap();
            RawItem { media: "image".into(), ordinal: 0, span: None, content: Content::File(path) }
        };
        let mut items: Vec<RawItem> = [4, 5, 1, 11, 3, 10, 10, 0].into_iter().enumerate().map(item).collect();
        items.push(RawItem {
            media: "text".into(),
            ordinal: 0,
            span: None,
            content: Content::Text("x".repeat(99)),
        });
        let owned: Vec<Owned<'_>> = items.iter().map(|item| (0, item)).collect();
        let lengths: Vec<usize> = by_bytes(&owned, 10).into_iter().map(<[_]>::len).collect();
        assert_eq!(lengths, [3, 1, 1, 1, 3]);
        assert_eq!(by_bytes(&[], 10).len(), 0);
    }

    /// Refuses every text, with the code of an item that says nothing; one of vowels alone says nothing.
    struct Refuses;

    impl Encoder for Refuses {
        fn name(&self) -> &str {
            "refuses"
        }

        fn fingerprint(&self) -> crate::media::Fingerprint {
            crate::media::Fingerprint([1; 32])
        }

        fn features(&self) -> usize {
            1
        }

        fn is_empty(&self, item: &Item<'_>) -> bool {
            matches!(item, Item::Text(text) if text.chars().all(|c| "aeiou".contains(c)))
        }

        fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
            items.iter().map(|_| Err(Error::new(ErrorCode::NoItems, "of the encoder's own"))).collect()
        }
    }

    #[test]
    fn whether_an_item_says_nothing_is_not_told_by_the_code_of_its_error() {
        let item = |media: &str, content| RawItem { media: media.into(), ordinal: 0, span: None, content };
        let document = SourceDocument {
            place: crate::encode::Place { file: "corpus.jsonl".into(), line: 1, from: 0 },
            document: Default::default(),
            items: vec![
                item("text", Content::Text("aei".into())),
                item("text", Content::Text("b".into())),
                item("sound", Content::Features(vec![0.0])),
                item("text", Content::File("missing".into())),
            ],
            origin: None,
        };
        let encoders = Encoders::from([("text".to_owned(), Arc::new(Refuses) as Arc<dyn Encoder>)]);
        let out = encode_batch(&encoders, &[&document], None, None);
        let (items, bad) = &out[0];
        assert!(items.is_empty());
        let told: Vec<_> = bad.iter().map(|bad| (bad.error.code(), bad.is_empty)).collect();
        let (none, missing) = (ErrorCode::NoItems, ErrorCode::NotFound);
        assert_eq!(told, [(none, true), (none, false), (none, true), (missing, false)]);
    }

    #[test]
    fn only_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(read_media_file(dir.path(), MAX_FILE).unwrap_err().code(), ErrorCode::BadValue);
        let missing = dir.path().join("missing.png");
        assert_eq!(read_media_file(&missing, MAX_FILE).unwrap_err().code(), ErrorCode::NotFound);
        let large = dir.path().join("large.png");
        // Sparse: no block is written.
        std::fs::File::create(&large).unwrap().set_len(MAX_FILE + 1).unwrap();
        assert_eq!(read_media_file(&large, MAX_FILE).unwrap_err().code(), ErrorCode::TooLarge);
        assert_eq!(read_media_file(&large, MAX_FILE + 1).unwrap().len() as u64, MAX_FILE + 1);
        // A device without an end has a length of 0.
        #[cfg(unix)]
        assert_eq!(
            read_media_file(Path::new("/dev/zero"), MAX_FILE).unwrap_err().code(),
            ErrorCode::BadValue
        );
    }

    /// Nobody writes into the pipe: who opens it in the usual way waits for ever.
    #[cfg(unix)]
    #[test]
    fn a_file_that_becomes_a_pipe_meanwhile_is_not_waited_for() {
        use std::sync::atomic::{AtomicBool, Ordering};

        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::write(at("a.png"), "picture").unwrap();
        assert!(std::process::Command::new("mkfifo").arg(at("pipe")).status().unwrap().success());
        std::os::unix::fs::symlink(at("a.png"), at("door.png")).unwrap();
        let (ended, door) = (Arc::new(AtomicBool::new(false)), at("door.png"));
        let (over, (told, heard)) = (ended.clone(), std::sync::mpsc::channel());
        let reader = std::thread::spawn(move || {
            let read = |_| read_media_file(&door, MAX_FILE).map_err(|error| error.code());
            let all: Vec<_> = (0..20_000).map(read).collect();
            over.store(true, Ordering::SeqCst);
            told.send(all).unwrap();
        });
        let started = std::time::Instant::now();
        let names = ["pipe", "a.png"].into_iter().cycle();
        for name in names.take_while(|_| !ended.load(Ordering::SeqCst)) {
            std::os::unix::fs::symlink(at(name), at("next")).unwrap();
            std::fs::rename(at("next"), at("door.png")).unwrap();
            assert!(started.elapsed().as_secs() < 120, "a reader waits for a writer");
        }
        for read in heard.recv().unwrap() {
            assert!(read == Ok(b"picture".to_vec()) || read == Err(ErrorCode::BadValue), "{read:?}");
        }
        reader.join().unwrap();
    }
}
