//! `GET /api/status`: what is searched, and how it goes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};
use uncsm_index::{Error, ErrorCode};

use super::aside::aside;
use crate::serve::answer::{self, Answer};
use crate::serve::app::App;

pub async fn run(State(app): State<Arc<App>>) -> Answer {
    aside(move || {
        app.look();
        let mut status = json!({ "version": env!("CARGO_PKG_VERSION"), "complete": app.is_complete(), "records": app.record.is_some() });
        let about = serde_json::to_value(&*app.about()?)
            .map_err(|e| Error::new(ErrorCode::BadValue, format!("status: {e}")).source(e))?;
        status["index"] = about;
        if let (Value::Object(status), Value::Object(metrics)) = (&mut status, app.metrics.to_json()) {
            status.extend(metrics);
        }
        Ok(answer::json(StatusCode::OK, status.to_string()))
    })
    .await
}
