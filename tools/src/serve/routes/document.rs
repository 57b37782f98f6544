//! `GET /api/document/ID`: what is stored of a document, and where its pictures are.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use serde::Serialize;
use uncsm_index::search::StoredDocument;
use uncsm_index::{Error, ErrorCode};

use super::aside::aside;
use super::pictures::names;
use super::place;
use crate::serve::answer::{self, Answer};
use crate::serve::app::App;

#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    document: StoredDocument,
    media: Vec<Medium>,
}

/// A picture that may be asked for.
#[derive(Serialize)]
struct Medium {
    media: &'static str,
    ordinal: usize,
    url: String,
}

/// With the id in the path.
pub async fn run(
    state: State<Arc<App>>,
    id: std::result::Result<Path<String>, PathRejection>,
    uri: Uri,
) -> Answer {
    find(state, Some(id), uri).await
}

/// With the id behind the path.
pub async fn behind(state: State<Arc<App>>, uri: Uri) -> Answer {
    find(state, None, uri).await
}

async fn find(
    State(app): State<Arc<App>>,
    id: Option<std::result::Result<Path<String>, PathRejection>>,
    uri: Uri,
) -> Answer {
    let (id, index) = match place::document(id, &uri) {
        Ok(place) => place,
        Err(error) => return answer::error(&error),
    };
    aside(move || {
        app.look();
        let document = app.engine.document(&id, index)?;
        let media = media(&app, &document);
        let text = serde_json::to_string(&Report { document, media })
            .map_err(|e| Error::new(ErrorCode::BadValue, format!("result: {e}")).source(e))?;
        Ok(answer::json(StatusCode::OK, text))
    })
    .await
}

fn media(app: &App, document: &StoredDocument) -> Vec<Medium> {
    let Some(index) = app.indexes.get(document.index.unwrap_or(0)) else { return Vec::new() };
    let url = |ordinal: usize| place::address(&document.id, ordinal, document.index);
    let count = names(index, document).len();
    (0..count).map(|ordinal| Medium { media: "image", ordinal, url: url(ordinal) }).collect()
}
