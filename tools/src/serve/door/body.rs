//! The body of a request, within its size and its time.

use std::sync::Arc;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use uncsm_index::limits::over;
use uncsm_index::{Error, ErrorCode};

use super::Refused;
use crate::serve::limits::{BODY_BYTES, BODY_TIME, SMALL_BODY, WAIT_TIME};

/// A body that is here whole.
pub struct Received {
    pub bytes: Bytes,
    /// Its place among the large ones, kept as long as its bytes.
    _place: Option<OwnedSemaphorePermit>,
}

/// Reads a body; `places` are those of large ones.
///
/// # Errors
/// 413 for one that is too large, 408 for one that is too slow, 503 where too many are large.
pub async fn receive(headers: &HeaderMap, body: Body, places: &Arc<Semaphore>) -> Result<Received, Refused> {
    let length = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    let too_large = |got: String| {
        let error = over("the body of the request is too large", BODY_BYTES, got, "bytes");
        (StatusCode::PAYLOAD_TOO_LARGE, error.hint("save the picture smaller"))
    };
    if let Some(length) = length.filter(|length| *length > BODY_BYTES) {
        return Err(too_large(length.to_string()));
    }
    // One that does not say how large it is may be large.
    let is_small = length.is_some_and(|length| length <= SMALL_BODY);
    let place = match is_small {
        true => None,
        false => match timeout(WAIT_TIME, places.clone().acquire_owned()).await {
            Ok(Ok(place)) => Some(place),
            Ok(Err(_)) | Err(_) => {
                let error = Error::new(ErrorCode::Interrupted, "too many large requests wait");
                return Err((StatusCode::SERVICE_UNAVAILABLE, error));
            }
        },
    };
    let most = if is_small { SMALL_BODY } else { BODY_BYTES };
    match timeout(BODY_TIME, to_bytes(body, most)).await {
        Ok(Ok(bytes)) => Ok(Received { bytes, _place: place }),
        Ok(Err(error)) if is_over(&error) => Err(too_large("more".into())),
        Ok(Err(error)) => {
            let error = Error::new(ErrorCode::Io, format!("the body of the request ended early: {error}"));
            Err((StatusCode::BAD_REQUEST, error))
        }
        Err(_) => {
            let error = Error::new(ErrorCode::Interrupted, "the body of the request is too slow")
                .expected(format!("within {} seconds", BODY_TIME.as_secs()));
            Err((StatusCode::REQUEST_TIMEOUT, error))
        }
    }
}

/// Whether reading stopped at the limit.
fn is_over(error: &axum::Error) -> bool {
    let mut cause: Option<&dyn std::error::Error> = Some(error);
    while let Some(error) = cause {
        if error.to_string().contains("length limit exceeded") {
            return true;
        }
        cause = error.source();
    }
    false
}
