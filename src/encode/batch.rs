//! Encoding the items of a batch of documents: files are read and decoded on all cores, each media type in one call.

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;

use super::source::{Content, SourceDocument};
use super::{Encoder, Item};
use crate::error::{Error, ErrorCode, Result};
use crate::media::{ItemOrigin, content_hash};

/// Bytes of the largest media file that is read, unless an encoder says otherwise.
pub const MAX_FILE: u64 = 64 << 20;

/// The encoders of a bundle by media type.
pub type Encoders = BTreeMap<String, Box<dyn Encoder>>;

/// An item after encoding.
#[derive(Debug, Clone, PartialEq)]
pub struct EncodedItem {
    /// Name of the media type.
    pub media: String,
    /// Where it stands, and the hash of what it was made from.
    pub origin: ItemOrigin,
    /// Features `[d_in]`; `None` where the caller has the shared vector of equal content already.
    pub features: Option<Vec<f32>>,
}

/// Whether the caller has the vector of an item already: document id, media type, content hash.
pub type Reuse<'a> = &'a (dyn Fn(&str, &str, &[u8; 16]) -> bool + Sync);

/// An item whose bytes are there.
struct Loaded<'a> {
    document: usize,
    media: &'a str,
    ordinal: u32,
    span: Option<(u32, u32)>,
    hash: [u8; 16],
    payload: Payload<'a>,
}

enum Payload<'a> {
    /// The caller has the vector already, so the bytes need not stay.
    Reused,
    Features(&'a [f32]),
    Text(&'a str),
    Bytes(Vec<u8>),
    Shared(&'a [u8]),
}

/// Encodes the items of `documents`: for each document its items in order, and the errors of those that failed.
///
/// A file is read and hashed before it is decoded, so that `reuse` can spare both decoding and encoding.
pub fn encode_batch(
    encoders: &Encoders,
    documents: &[&SourceDocument],
    reuse: Option<Reuse<'_>>,
) -> Vec<(Vec<EncodedItem>, Vec<Error>)> {
    let mut out: Vec<(Vec<EncodedItem>, Vec<Error>)> = documents.iter().map(|_| (vec![], vec![])).collect();
    let items: Vec<_> = documents
        .iter()
        .enumerate()
        .flat_map(|(at, document)| document.items.iter().map(move |item| (at, item)))
        .collect();
    let loaded: Vec<Result<Loaded<'_>, (usize, Error)>> = items
        .par_iter()
        .map(|&(document, item)| {
            let (hash, payload) =
                load(&item.content, max_bytes(encoders, &item.media)).map_err(|error| (document, error))?;
            let id = documents[document].document.id.as_deref();
            let reused = matches!((reuse, id), (Some(reuse), Some(id)) if reuse(id, &item.media, &hash));
            let payload = if reused { Payload::Reused } else { payload };
            Ok(Loaded { document, media: &item.media, ordinal: item.ordinal, span: item.span, hash, payload })
        })
        .collect();
    let mut results: Vec<Option<Result<Option<Vec<f32>>>>> = loaded.iter().map(|_| None).collect();
    for (media, encoder) in encoders {
        let mut asked = Vec::new();
        let mut raw = Vec::new();
        for (at, item) in loaded.iter().enumerate() {
            let Ok(item) = item else { continue };
            if item.media != media {
                continue;
            }
            match &item.payload {
                Payload::Reused | Payload::Features(_) => continue,
                Payload::Text(text) => raw.push(Item::Text(text)),
                Payload::Bytes(bytes) => raw.push(Item::Bytes(bytes)),
                Payload::Shared(bytes) => raw.push(Item::Bytes(bytes)),
            }
            asked.push(at);
        }
        for (at, result) in asked.into_iter().zip(encoder.encode(&raw)) {
            results[at] = Some(result.map(Some));
        }
    }
    for (item, result) in loaded.into_iter().zip(results) {
        let item = match item {
            Ok(item) => item,
            Err((document, error)) => {
                out[document].1.push(error);
                continue;
            }
        };
        let features = match (result, &item.payload) {
            (Some(result), _) => result,
            (None, Payload::Reused) => Ok(None),
            (None, Payload::Features(features)) => Ok(Some(features.to_vec())),
            (None, _) => Err(Error::new(ErrorCode::UnknownMedia, "no encoder for the media type of an item")
                .expected(encoders.keys().cloned().collect::<Vec<_>>().join(" or "))
                .got(item.media)),
        };
        let origin = ItemOrigin { ordinal: item.ordinal, span: item.span, hash: item.hash };
        match features {
            Ok(features) => {
                out[item.document].0.push(EncodedItem { media: item.media.into(), origin, features })
            }
            Err(error) => {
                out[item.document].1.push(named(error, documents[item.document], item.media, item.ordinal))
            }
        }
    }
    out
}

/// Says which item failed: the file of a picture, or the position of a text.
fn named(error: Error, document: &SourceDocument, media: &str, ordinal: u32) -> Error {
    let source = document.items.iter().find(|item| item.media == media && item.ordinal == ordinal);
    match source.map(|item| &item.content) {
        Some(Content::File(path)) => error.file(path),
        _ => error,
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
            Ok((content_hash(&bytes), Payload::Features(features)))
        }
        Content::Text(text) => Ok((content_hash(text.as_bytes()), Payload::Text(text))),
        Content::File(path) => {
            let bytes = read_media_file(path, max_bytes)?;
            Ok((content_hash(&bytes), Payload::Bytes(bytes)))
        }
        Content::Bytes(bytes) if bytes.len() as u64 > MAX_FILE => {
            Err(Error::new(ErrorCode::TooLarge, "the bytes of a picture are too many")
                .expected(format!("at most {MAX_FILE} bytes"))
                .got(format!("{} bytes", bytes.len())))
        }
        Content::Bytes(bytes) => Ok((content_hash(bytes), Payload::Shared(bytes))),
    }
}

/// Reads a media file whole.
///
/// # Errors
/// [`ErrorCode::NotFound`], [`ErrorCode::Io`]; [`ErrorCode::BadValue`] for what is no file, such as a directory or a pipe,
/// which might never end; [`ErrorCode::TooLarge`] above `max_bytes`.
pub fn read_media_file(path: &Path, max_bytes: u64) -> Result<Vec<u8>> {
    let about = std::fs::metadata(path).map_err(|e| Error::io(path, e))?;
    if !about.is_file() {
        let got = if about.is_dir() { "a directory" } else { "a device or pipe" };
        return Err(Error::new(ErrorCode::BadValue, "not a media file")
            .file(path)
            .expected("a file")
            .got(got));
    }
    if about.len() > max_bytes {
        return Err(Error::new(ErrorCode::TooLarge, "the file is too large")
            .file(path)
            .expected(format!("at most {max_bytes} bytes"))
            .got(format!("{} bytes", about.len()))
            .hint("save it smaller, or raise the limit (--max-bytes)"));
    }
    std::fs::read(path).map_err(|e| Error::io(path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
