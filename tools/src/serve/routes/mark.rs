//! `POST /api/mark`: what was done with a hit.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};
use uncsm_index::{Error, ErrorCode};

use super::aside::aside;
use super::request::object;
use crate::serve::answer::{self, Answer};
use crate::serve::app::App;
use crate::serve::door::body::receive;

pub async fn run(State(app): State<Arc<App>>, headers: HeaderMap, body: Body) -> Answer {
    let received = match receive(&headers, body, &app.bodies).await {
        Ok(received) => received,
        Err((status, error)) => return answer::refuse(status, &error),
    };
    aside(move || {
        let recorder = app.record.as_ref().ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, "clicks are not recorded")
                .hint("start the server with --record FILE")
        })?;
        let mark = object(&received.bytes)?;
        let text = |key: &str| mark.get(key).and_then(Value::as_str);
        let (Some(query), Some(id), Some(kind), 3) =
            (mark.get("query").and_then(Value::as_u64), text("id"), text("kind"), mark.len())
        else {
            return Err(Error::new(ErrorCode::BadArgument, "a mark does not read")
                .expected(r#"{"query": 7, "id": "..", "kind": "click"}"#));
        };
        let why = recorder.mark(query, id, kind)?;
        Ok(answer::json(StatusCode::OK, json!({ "recorded": why.is_none(), "why": why }).to_string()))
    })
    .await
}
