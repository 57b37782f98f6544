//! `POST /api/mark`: clicks as `fuse` takes them, and marks as `train --pairs` does.
//!
//! A click says that its document answers the query better than those above it that were passed over (Joachims, 2002): the line has
//! these as `shown`, so that no later click has to change it.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use serde_json::{Map, Value, json};
use uncsm_index::search::{Image, RequestSpec, Response};
use uncsm_index::{Error, ErrorCode, Result};

use super::answer::{self, Answer};
use super::app::{App, lock};
use super::body::receive;
use super::request::object;
use super::routes::aside;

/// Queries whose hits may still be clicked.
const REMEMBERED: usize = 256;
/// Bytes of the pictures of a query that is written down.
const PICTURES: usize = 128 << 10;
/// What `fuse` must not be told twice: what is shown, and how legs were joined.
const LEFT_OUT: [&str; 15] = [
    "k",
    "offset",
    "window",
    "fusion",
    "normalise",
    "rrf_k",
    "facet",
    "facets_over",
    "aggregations",
    "snippet",
    "fields",
    "sort",
    "collapse",
    "explain",
    "time_budget",
];

/// The files, and the last queries.
pub struct Recorder {
    clicks: Mutex<File>,
    pairs: Mutex<File>,
    paths: [PathBuf; 2],
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    next: u64,
    queries: VecDeque<Remembered>,
}

struct Remembered {
    number: u64,
    /// The keys of the line; what stands in the way of one otherwise.
    line: std::result::Result<Map<String, Value>, &'static str>,
    /// The document that was asked with, where that was all.
    like: Option<String>,
    /// By rank: the id, what it was compared with, and which of its items was.
    shown: Vec<(String, Option<(String, String)>)>,
    clicked: Vec<String>,
}

impl Recorder {
    /// Appends to `path`, and to the file of pairs beside it.
    ///
    /// # Errors
    /// Those of opening them.
    pub fn open(path: &Path) -> Result<Self> {
        let open = |path: &Path| {
            OpenOptions::new().create(true).append(true).open(path).map_err(|e| Error::io(path, e))
        };
        let pairs = path.with_extension("pairs.jsonl");
        if pairs == path {
            return Err(
                Error::new(ErrorCode::BadArgument, "the record has the name of its file of pairs").file(path)
            );
        }
        let files = (Mutex::new(open(path)?), Mutex::new(open(&pairs)?));
        Ok(Self { clicks: files.0, pairs: files.1, paths: [path.into(), pairs], last: Mutex::default() })
    }

    /// Keeps a query for clicks on its hits; gives its number.
    pub fn remember(&self, spec: &RequestSpec, response: &Response) -> u64 {
        let mut last = lock(&self.last);
        let number = last.next;
        last.next += 1;
        let shown = response.hits.iter().filter_map(|hit| {
            let item = hit.items.first().map(|item| (item.part_media.clone(), item.media.clone()));
            Some((hit.id.clone()?, item))
        });
        let alone = spec.text.is_empty() && spec.image.is_empty() && spec.features.is_empty();
        let like = spec.like.clone().filter(|_| alone);
        let shown = shown.collect();
        last.queries.truncate(REMEMBERED - 1);
        last.queries.push_front(Remembered { number, line: line(spec), like, shown, clicked: Vec::new() });
        number
    }

    /// Writes down what was done with a hit; says why where it is of no use.
    fn mark(&self, query: u64, id: &str, kind: &str) -> Result<Option<&'static str>> {
        let bad = |what: &str| Error::new(ErrorCode::BadArgument, what);
        let mut last = lock(&self.last);
        let found = last.queries.iter_mut().find(|remembered| remembered.number == query);
        let query = found.ok_or_else(|| bad("the query of this mark is not remembered"))?;
        let rank = query.shown.iter().position(|(shown, _)| shown == id);
        let rank = rank.ok_or_else(|| bad("the query of this mark has no such hit"))?;
        match kind {
            "click" => {
                let line = match &query.line {
                    Ok(line) => line,
                    Err(why) => return Ok(Some(why)),
                };
                if query.clicked.iter().any(|clicked| clicked == id) {
                    return Ok(Some("it was clicked before"));
                }
                let passed = query.shown[..=rank].iter().map(|(id, _)| id);
                let passed: Vec<&String> = passed.filter(|id| !query.clicked.contains(id)).collect();
                let mut line = line.clone();
                line.insert("clicked".into(), json!([id]));
                line.insert("shown".into(), json!(passed));
                self.write(0, &Value::Object(line))?;
                query.clicked.push(id.to_owned());
            }
            "like" | "unlike" => {
                let (Some(anchor), Some((own, other))) = (&query.like, &query.shown[rank].1) else {
                    return Ok(Some("two documents make a pair, and the query was none"));
                };
                let similar = f32::from(u8::from(kind == "like"));
                let side = |id: &str, media: &str| json!({ "id": id, "media": media });
                self.write(1, &json!({ "a": side(anchor, own), "b": side(id, other), "similar": similar }))?;
            }
            _ => return Err(bad("a mark is of no such kind").expected("click, like or unlike")),
        }
        Ok(None)
    }

    fn write(&self, at: usize, line: &Value) -> Result<()> {
        let mut file = lock(if at == 0 { &self.clicks } else { &self.pairs });
        // In one piece, so that lines of several writers stay whole.
        file.write_all(format!("{line}\n").as_bytes()).map_err(|e| Error::io(&self.paths[at], e))
    }
}

/// The line of a query without its documents, where `fuse` can learn from it.
fn line(spec: &RequestSpec) -> std::result::Result<Map<String, Value>, &'static str> {
    let media =
        [!spec.text.is_empty(), !spec.image.is_empty(), !spec.features.is_empty(), spec.like.is_some()];
    if spec.words.is_none() && spec.keywords.is_none() || media.iter().all(|has| !has) {
        return Err("a fusion is learned from words together with a sentence, a picture or a document");
    }
    let length = |image: &Image| match image {
        Image::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    if spec.image.iter().chain(&spec.not_image).map(length).sum::<usize>() > PICTURES {
        return Err("the picture of the query is too large to be written down");
    }
    match serde_json::to_value(spec) {
        Ok(Value::Object(mut line)) => {
            line.retain(|key, _| !LEFT_OUT.contains(&key.as_str()));
            Ok(line)
        }
        _ => Err("the query cannot be written down"),
    }
}

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
