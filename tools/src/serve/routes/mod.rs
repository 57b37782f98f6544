//! Who answers what.

mod aside;
mod base64;
mod document;
mod mark;
mod media;
mod page;
mod pictures;
mod place;
mod query;
mod request;
mod sniff;
mod status;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::{Next, from_fn_with_state};
use axum::routing::{get, post};
use uncsm_index::{Error, ErrorCode};

use super::answer::{self, Answer, seal};
use super::app::App;

pub fn router(app: Arc<App>) -> Router {
    let only_get = |method: Method| async move { answer::wrong_method("GET, HEAD", &method) };
    let only_post = |method: Method| async move { answer::wrong_method("POST", &method) };
    let mut router = Router::new()
        .route("/api/query", post(query::run).fallback(only_post))
        .route("/api/mark", post(mark::run).fallback(only_post))
        .route("/api/status", get(status::run).fallback(only_get))
        .route("/api/document/{id}", get(document::run).fallback(only_get))
        .route("/api/document", get(document::behind).fallback(only_get))
        .route("/media", get(media::behind).fallback(only_get))
        .route("/media/{id}/{ordinal}", get(media::run).fallback(only_get));
    for path in page::paths() {
        let file = move || async move { page::file(path).unwrap_or_else(nothing) };
        router = router.route(path, get(file).fallback(only_get));
    }
    router
        .fallback(|_: Uri| async { nothing() })
        .with_state(app.clone())
        .layer(from_fn_with_state(app, guard))
}

fn nothing() -> Answer {
    let error = Error::new(ErrorCode::NotFound, "the server has nothing at this path");
    answer::refuse(StatusCode::NOT_FOUND, &error)
}

/// Every request comes through here, whatever its path.
async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Answer {
    app.metrics.came();
    let (parts, body) = request.into_parts();
    if app.door.visit(&parts) {
        return seal(welcome(&app));
    }
    if let Err((status, error)) = app.door.check(&parts) {
        app.metrics.refuse();
        return seal(answer::refuse(status, &error));
    }
    seal(next.run(Request::from_parts(parts, body)).await)
}

/// Who has the token in the address keeps a cookie in its place, and goes on without it.
fn welcome(app: &App) -> Answer {
    let mut answer = answer::bytes(StatusCode::SEE_OTHER, "text/plain", "");
    let headers = answer.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_static("/"));
    if let Some(cookie) = app.door.cookie().and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        headers.insert(SET_COOKIE, cookie);
    }
    answer
}
