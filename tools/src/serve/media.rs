//! `GET /media/ID/ORDINAL`: a picture of a document, as it is.

use std::convert::Infallible;
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
use uncsm_index::limits::over;
use uncsm_index::{Error, ErrorCode, Result};

use super::answer::{self, Answer};
use super::app::App;
use super::aside::aside;
use super::limits::{MEDIA_BYTES, WAIT_TIME};
use super::pictures::names;
use super::place::{index_of, not_utf8};
use super::sniff::raster;

pub async fn run(
    State(app): State<Arc<App>>,
    place: std::result::Result<Path<(String, usize)>, PathRejection>,
    uri: Uri,
) -> Answer {
    let place = place.map_err(|_| not_utf8()).and_then(|Path(place)| Ok((place, index_of(&uri)?)));
    let ((id, ordinal), index) = match place {
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
    let bytes = read(&path)?;
    let kind = raster(&bytes).ok_or_else(|| {
        Error::new(ErrorCode::NotFound, "the file is no picture that is shown")
            .expected("PNG, JPEG, GIF, WebP, BMP or TIFF")
    })?;
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

/// A regular file of a picture's size, whole.
fn read(path: &FilePath) -> Result<Vec<u8>> {
    let gone =
        |e: std::io::Error| Error::new(ErrorCode::NotFound, "the picture file does not read").source(e);
    // Before it is opened: a pipe would wait for a writer.
    let about = std::fs::symlink_metadata(path).map_err(gone)?;
    if !about.is_file() {
        return Err(Error::new(ErrorCode::NotFound, "the picture is no file"));
    }
    let file = std::fs::File::open(path).map_err(gone)?;
    let mut bytes = Vec::new();
    file.take(MEDIA_BYTES + 1).read_to_end(&mut bytes).map_err(gone)?;
    match bytes.len() as u64 > MEDIA_BYTES {
        true => Err(over("the picture is too large to be shown", MEDIA_BYTES, "more", "bytes")),
        false => Ok(bytes),
    }
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
