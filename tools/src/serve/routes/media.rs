//! `GET /media/ID/ORDINAL`: a picture of a document, as it is.

use std::convert::Infallible;
use std::fs::Metadata;
use std::io::Read;
use std::path::Path as FilePath;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use axum::http::{HeaderValue, StatusCode, Uri};
use hyper::body::{Frame, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use uncsm_index::limits::open_file;
use uncsm_index::{Error, ErrorCode, Result};

use super::aside::aside;
use super::pictures::names;
use super::place;
use super::sniff::raster;
use crate::serve::answer::{self, Answer};
use crate::serve::app::App;
use crate::serve::limits::{MEDIA_BYTES, WAIT_TIME};
use crate::serve::roots::hidden;

/// With the id in the path.
pub async fn run(
    state: State<Arc<App>>,
    place: std::result::Result<Path<(String, usize)>, PathRejection>,
    uri: Uri,
) -> Answer {
    find(state, Some(place), uri).await
}

/// With the id behind the path.
pub async fn behind(state: State<Arc<App>>, uri: Uri) -> Answer {
    find(state, None, uri).await
}

async fn find(
    State(app): State<Arc<App>>,
    place: Option<std::result::Result<Path<(String, usize)>, PathRejection>>,
    uri: Uri,
) -> Answer {
    let (id, ordinal, index) = match place::picture(place, &uri) {
        Ok(place) => place,
        Err(error) => return answer::error(&error),
    };
    // The largest that may come; what is left over is given back.
    let most = (MEDIA_BYTES >> 20) as u32;
    let Ok(Ok(room)) = timeout(WAIT_TIME, app.sending.clone().acquire_many_owned(most)).await else {
        let error = Error::new(ErrorCode::Interrupted, "too many pictures are on their way");
        return answer::refuse(StatusCode::SERVICE_UNAVAILABLE, &error);
    };
    aside(move || picture(&app, &id, ordinal, index, room)).await
}

fn picture(
    app: &App,
    id: &str,
    ordinal: usize,
    index: Option<usize>,
    mut room: OwnedSemaphorePermit,
) -> Result<Answer> {
    app.look();
    let document = app.engine.document(id, index)?;
    let at = document.index.unwrap_or(0);
    let none = || Error::new(ErrorCode::NotFound, "the document has no picture file of this number");
    let source = app.indexes.get(at).ok_or_else(none)?;
    let name = names(source, &document).get(ordinal).copied().ok_or_else(none)?;
    let path = app.roots.resolve((at, source), document.origin.as_ref(), name)?;
    let (kind, bytes) = read(&path).ok_or_else(hidden)?;
    // Kept until the last byte is gone, rounded up.
    let needed = (bytes.len() >> 20) + 1;
    let rest = room.num_permits().saturating_sub(needed);
    drop(room.split(rest));
    app.metrics.media(bytes.len());
    let mut answer = answer::bytes(StatusCode::OK, kind, Body::new(Held::new(bytes, room)));
    let headers = answer.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, max-age=60"));
    Ok(answer)
}

/// The first bytes of a file, which say what it is.
const HEAD: u64 = 32;

/// The type and the bytes of a picture; nothing of a file that is none, is too large or does not read. Such a file is read no
/// further than its head.
fn read(path: &FilePath) -> Option<(&'static str, Vec<u8>)> {
    let before = std::fs::symlink_metadata(path).ok()?;
    if !before.is_file() {
        return None;
    }
    let file = open_file(path, "the picture").ok()?;
    let opened = file.metadata().ok()?;
    // The name may have come to mean another file since, and a folder on the way to it a link.
    let is_same = opened.is_file() && same(&before, &opened) && path.canonicalize().ok()? == path;
    if !is_same || opened.len() > MEDIA_BYTES {
        return None;
    }
    let mut bytes = Vec::new();
    (&file).take(HEAD).read_to_end(&mut bytes).ok()?;
    let kind = raster(&bytes)?;
    // It may grow while it is read.
    file.take(MEDIA_BYTES + 1 - bytes.len() as u64).read_to_end(&mut bytes).ok()?;
    (bytes.len() as u64 <= MEDIA_BYTES).then_some((kind, bytes))
}

/// Whether two looks saw one file.
#[cfg(unix)]
fn same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Whether two looks may have seen one file: the system tells no number of it.
#[cfg(not(unix))]
fn same(a: &Metadata, b: &Metadata) -> bool {
    a.file_type() == b.file_type()
}

/// Bytes that are handed on at a time, so that what waits for a slow reader is here.
const PIECE: usize = 64 << 10;

/// Bytes that hold their room until they are sent.
pub struct Held {
    bytes: Option<Bytes>,
    _room: OwnedSemaphorePermit,
}

impl Held {
    pub fn new(bytes: Vec<u8>, room: OwnedSemaphorePermit) -> Self {
        Self { bytes: Some(bytes.into()), _room: room }
    }
}

impl HttpBody for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<std::result::Result<Frame<Bytes>, Infallible>>> {
        let Some(mut bytes) = self.bytes.take() else { return Poll::Ready(None) };
        let piece = bytes.split_to(PIECE.min(bytes.len()));
        self.bytes = (!bytes.is_empty()).then_some(bytes);
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn only_a_picture_of_a_size_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().canonicalize().unwrap();
        let at = |name: &str| folder.join(name);
        let png = b"\x89PNG\r\n\x1a\n";
        for length in [8, HEAD as usize, HEAD as usize + 1, 9000] {
            let mut bytes = png.to_vec();
            bytes.resize(length, 7);
            fs::write(at("a.png"), &bytes).unwrap();
            assert_eq!(read(&at("a.png")), Some(("image/png", bytes)));
        }
        // Holes, which take no room on the disk.
        let large = |length: u64| {
            fs::write(at("large.png"), png).unwrap();
            fs::File::options().write(true).open(at("large.png")).unwrap().set_len(length).unwrap();
            read(&at("large.png")).map(|(_, bytes)| bytes.len() as u64)
        };
        assert_eq!((large(MEDIA_BYTES), large(MEDIA_BYTES + 1)), (Some(MEDIA_BYTES), None));
        fs::write(at("page.png"), "<html>").unwrap();
        fs::write(at("empty.png"), "").unwrap();
        for name in ["page.png", "empty.png", "nothing.png", "."] {
            assert_eq!(read(&at(name)), None, "{name}");
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(at("a.png"), at("link.png")).unwrap();
            std::os::unix::fs::symlink(&folder, at("way")).unwrap();
            assert!(std::process::Command::new("mkfifo").arg(at("pipe.png")).status().unwrap().success());
            for name in ["link.png", "way/a.png", "pipe.png"] {
                assert_eq!(read(&at(name)), None, "{name}");
            }
        }
    }
}
