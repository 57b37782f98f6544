//! `POST /api/query`: the answer of `query --json`.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde::Serialize;
use tokio::time::timeout;
use uncsm_index::search::{Cancel, RequestSpec, Response};
use uncsm_index::{Error, ErrorCode, Result};

use super::answer::{self, Answer};
use super::app::App;
use super::body::{Received, receive};
use super::door::Refused;
use super::limits::{WAIT_TIME, WORK_TIME};
use super::lock::lock;
use super::metrics::Asked;
use super::request;

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
    text: String,
    hits: usize,
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
        Ok(done) => {
            app.metrics.answered(&asked, took, Ok(done.hits));
            answer::json(StatusCode::OK, done.text)
        }
        Err((status, error)) => {
            app.metrics.answered(&asked, took, Err(&error));
            answer::refuse(status, &error)
        }
    }
}

/// Runs the query on a thread of its own, when its turn comes; one that nobody waits for any more is cancelled.
async fn wait(app: Arc<App>, received: Received) -> (Asked, std::result::Result<Done, Refused>) {
    let busy = |what: &str| {
        let error = Error::new(ErrorCode::Interrupted, what).hint("ask again in a moment");
        (Asked::default(), Err((StatusCode::SERVICE_UNAVAILABLE, error)))
    };
    let Ok(Ok(turn)) = timeout(WAIT_TIME, app.running.clone().acquire_owned()).await else {
        return busy("too many queries wait");
    };
    let cancel = Cancel::new();
    let guard = cancel.clone().on_drop();
    let work = tokio::task::spawn_blocking(move || {
        // Kept until the work is done, whoever waits for it.
        let _turn = turn;
        let mut asked = Asked::default();
        let outcome = answer(&app, &received.bytes, &cancel, &mut asked);
        (asked, outcome)
    });
    let done = timeout(WORK_TIME, work).await;
    drop(guard);
    match done {
        Ok(Ok((asked, outcome))) => (asked, outcome.map_err(status)),
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
    let response = encoded(app, &spec)?.cancel(cancel.clone()).run()?;
    let hits = response.hits.len();
    let query = app.record.as_ref().map(|record| record.remember(&spec, &response));
    let took_ms = started.elapsed().as_secs_f64() * 1000.0;
    let report = Report { query, response, took_ms, complete: app.is_complete() };
    let text = serde_json::to_string(&report)
        .map_err(|e| Error::new(ErrorCode::BadValue, format!("result: {e}")).source(e))?;
    Ok(Done { text, hits })
}

/// The request of a query, its items encoded: pictures of one query at a time, since a small file may unpack to much.
fn encoded(app: &App, spec: &RequestSpec) -> Result<uncsm_index::search::Request> {
    let pictures = !spec.image.is_empty() || !spec.not_image.is_empty();
    let _alone = pictures.then(|| lock(&app.decoding));
    spec.request(&app.engine)
}
