//! `POST /api/query`: the answer of `query --json`.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;
use uncsm_index::limits::over;
use uncsm_index::search::{Cancel, RequestSpec, Response};
use uncsm_index::{Error, ErrorCode, Result};

use super::media::Held;
use super::request;
use crate::serve::answer::{self, Answer};
use crate::serve::app::App;
use crate::serve::door::Refused;
use crate::serve::door::body::{Received, receive};
use crate::serve::limits::{ANSWER_BYTES, COUNTING, INTERVALS, WAIT_TIME, WORK_TIME};
use crate::serve::lock::lock;
use crate::serve::metrics::Asked;

#[derive(Serialize)]
struct Report {
    /// What a click on one of the hits names, where clicks are recorded.
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<u64>,
    #[serde(flatten)]
    response: Response,
    took_ms: f64,
    /// Whether all that was to be indexed is.
    complete: bool,
}

/// What a query came to.
struct Done {
    text: Vec<u8>,
    hits: usize,
}

/// A text of so many bytes at most.
struct Bounded(Vec<u8>);

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > ANSWER_BYTES {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub async fn run(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let started = Instant::now();
    let received = match receive(&headers, body, &app.bodies).await {
        Ok(received) => received,
        Err((status, error)) => {
            app.metrics.answered(&Asked::default(), started.elapsed(), Err(&error));
            return answer::refuse(status, &error);
        }
    };
    let (asked, outcome) = wait(app.clone(), received).await;
    let took = started.elapsed();
    match outcome {
        Ok((done, room)) => {
            app.metrics.answered(&asked, took, Ok(done.hits));
            answer::json(StatusCode::OK, Body::new(Held::new(done.text, room)))
        }
        Err((status, error)) => {
            app.metrics.answered(&asked, took, Err(&error));
            answer::refuse(status, &error)
        }
    }
}

/// Runs the query on a thread of its own, when its turn comes; one that nobody waits for any more is cancelled.
async fn wait(
    app: Arc<App>,
    received: Received,
) -> (Asked, std::result::Result<(Done, OwnedSemaphorePermit), Refused>) {
    let busy = |what: &str| {
        let error = Error::new(ErrorCode::Interrupted, what).hint("ask again in a moment");
        (Asked::default(), Err((StatusCode::SERVICE_UNAVAILABLE, error)))
    };
    let Ok(Ok(turn)) = timeout(WAIT_TIME, app.running.clone().acquire_owned()).await else {
        return busy("too many queries wait");
    };
    let cancel = Cancel::new();
    let guard = cancel.clone().on_drop();
    let answering = app.answering.clone();
    let work = tokio::task::spawn_blocking(move || {
        let mut asked = Asked::default();
        let outcome = answer(&app, &received.bytes, &cancel, &mut asked);
        // Kept until the work is done, whoever waits for it, and until there is room for its answer.
        (asked, outcome, turn)
    });
    let done = timeout(WORK_TIME, work).await;
    drop(guard);
    match done {
        Ok(Ok((asked, outcome, _turn))) => {
            let done = match outcome {
                Ok(done) => done,
                Err(error) => return (asked, Err(status(error))),
            };
            let size = (done.text.len() >> 20) as u32 + 1;
            match timeout(WAIT_TIME, answering.acquire_many_owned(size)).await {
                Ok(Ok(room)) => (asked, Ok((done, room))),
                _ => busy("too many answers are on their way"),
            }
        }
        Ok(Err(_)) => {
            let error = Error::new(ErrorCode::Engine, "the query failed in a way that should not be");
            (Asked::default(), Err((StatusCode::INTERNAL_SERVER_ERROR, error)))
        }
        Err(_) => busy("the query took too long"),
    }
}

fn status(error: Error) -> Refused {
    (answer::error(&error).status(), error)
}

fn answer(app: &App, body: &[u8], cancel: &Cancel, asked: &mut Asked) -> Result<Done> {
    let started = Instant::now();
    let spec = request::query(request::object(body)?)?;
    *asked = Asked::of(&spec);
    app.look();
    let request = encoded(app, &spec)?.max_intervals(INTERVALS).max_counting(COUNTING);
    let response = request.cancel(cancel.clone()).run()?;
    let hits = response.hits.len();
    let query = app.record.as_ref().map(|record| record.remember(&spec, &response));
    let took_ms = started.elapsed().as_secs_f64() * 1000.0;
    let report = Report { query, response, took_ms, complete: app.is_complete() };
    Ok(Done { text: written(&report)?, hits })
}

fn written(report: &impl Serialize) -> Result<Vec<u8>> {
    let mut text = Bounded(Vec::new());
    match serde_json::to_writer(&mut text, report) {
        Ok(()) => Ok(text.0),
        Err(e) if e.is_io() => Err(over("the answer is too large", ANSWER_BYTES, "more", "bytes")
            .hint("ask for fewer hits, fields, facets or aggregations")),
        Err(e) => Err(Error::new(ErrorCode::BadValue, format!("result: {e}")).source(e)),
    }
}

/// The request of a query, its items encoded: pictures of one query at a time, since a small file may unpack to much.
fn encoded(app: &App, spec: &RequestSpec) -> Result<uncsm_index::search::Request> {
    let pictures = !spec.image.is_empty() || !spec.not_image.is_empty();
    let _alone = pictures.then(|| lock(&app.decoding));
    spec.request(&app.engine)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_an_end() {
        assert_eq!(written(&"a").unwrap(), br#""a""#);
        assert_eq!(written(&"a".repeat(ANSWER_BYTES - 2)).unwrap().len(), ANSWER_BYTES);
        let error = written(&"a".repeat(ANSWER_BYTES)).unwrap_err();
        assert_eq!((error.code(), status(error).0), (ErrorCode::TooLarge, StatusCode::PAYLOAD_TOO_LARGE));
    }
}
