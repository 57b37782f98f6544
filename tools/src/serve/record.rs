//! Clicks as `fuse` takes them, and marks as `train --pairs` does.
//!
//! The line of a query has as `shown` what was likely seen: what stands above its last click, and about as much below. A further click
//! on the same answer takes the place of its line, as long as that is the last one.

use std::collections::VecDeque;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::{Map, Value, json};
use uncsm_index::search::{Image, RequestSpec, Response};
use uncsm_index::{Error, ErrorCode, Result};

use super::lock::lock;

/// Queries whose hits may still be clicked.
const REMEMBERED: usize = 256;
/// Bytes of the line of a query that is written down.
const LINE: usize = 128 << 10;
const TOO_LARGE: &str = "the query is too large to be written down";
/// Hits below the last click that were likely seen, beside as many as stand above it.
const BELOW: usize = 3;
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
    /// The object of the line as a text of its own size; what stands in the way of one otherwise.
    line: std::result::Result<Box<str>, &'static str>,
    /// The document that was asked with, where that was all.
    like: Option<String>,
    /// By rank: the id, what it was compared with, and which of its items was.
    shown: Vec<(String, Option<(String, String)>)>,
    clicked: Vec<String>,
    /// The bytes of its line.
    written: Option<(u64, u64)>,
}

impl Recorder {
    /// Appends to `path`, and to the file of pairs beside it. The former is locked as long as this lives: its last line may be
    /// replaced, which would take those of another writer with it.
    ///
    /// # Errors
    /// [`ErrorCode::Locked`] where another has it; those of opening them.
    pub fn open(path: &Path) -> Result<Self> {
        let open = |path: &Path| {
            // Windows locks no file that is open for appending alone.
            let io = |e| Error::io(path, e);
            let file = OpenOptions::new().create(true).read(true).append(true).open(path).map_err(io)?;
            // A pipe that nobody reads would take a while, and then nothing more.
            match file.metadata().map_err(io)?.is_file() {
                true => Ok(file),
                false => Err(Error::new(ErrorCode::BadValue, "the record is no file")
                    .file(path)
                    .expected("a file")
                    .got("a device or pipe")),
            }
        };
        let pairs = path.with_extension("pairs.jsonl");
        if pairs == path {
            return Err(
                Error::new(ErrorCode::BadArgument, "the record has the name of its file of pairs").file(path)
            );
        }
        let clicks = open(path)?;
        clicks.try_lock().map_err(|e| match e {
            TryLockError::WouldBlock => {
                Error::new(ErrorCode::Locked, "another server records clicks in this file")
                    .file(path)
                    .hint("end that one, or choose another file with --record")
            }
            TryLockError::Error(e) => Error::io(path, e),
        })?;
        let files = (Mutex::new(clicks), Mutex::new(open(&pairs)?));
        Ok(Self { clicks: files.0, pairs: files.1, paths: [path.into(), pairs], last: Mutex::default() })
    }

    /// Keeps a query for clicks on its hits; gives its number.
    pub fn remember(&self, spec: &RequestSpec, response: &Response) -> u64 {
        let shown = response.hits.iter().filter_map(|hit| {
            let item = hit.items.first().map(|item| (item.part_media.clone(), item.media.clone()));
            Some((hit.id.clone()?, item))
        });
        let alone = spec.text.is_empty() && spec.image.is_empty() && spec.features.is_empty();
        let like = spec.like.clone().filter(|_| alone);
        let (line, shown) = (line(spec), shown.collect());
        let mut last = lock(&self.last);
        let number = last.next;
        last.next += 1;
        last.queries.truncate(REMEMBERED - 1);
        last.queries.push_front(Remembered { number, line, like, shown, clicked: Vec::new(), written: None });
        number
    }

    /// Writes down what was done with a hit; says why where it is of no use.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for what was not shown; those of writing.
    pub fn mark(&self, query: u64, id: &str, kind: &str) -> Result<Option<&'static str>> {
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
                let mut file = lock(&self.clicks);
                let failed = |e| Error::io(&self.paths[0], e);
                let end = file.metadata().map_err(failed)?.len();
                // Where other lines came after it, the clicks of before are theirs.
                let before = query.written.filter(|(_, own)| *own == end);
                let new: &[String] = if before.is_some() { &[] } else { &query.clicked };
                let clicked: Vec<&str> = match before {
                    Some(_) => query.clicked.iter().map(String::as_str).chain([id]).collect(),
                    None => vec![id],
                };
                let last =
                    query.shown.iter().rposition(|(id, _)| clicked.contains(&id.as_str())).unwrap_or(rank);
                let seen = query.shown.iter().take(2 * (last + 1) + BELOW).map(|(id, _)| id);
                let mut line: Map<String, Value> = serde_json::from_str(line).map_err(|e| {
                    Error::new(ErrorCode::BadJson, "the query of this mark does not read").source(e)
                })?;
                line.insert("shown".into(), json!(seen.filter(|id| !new.contains(id)).collect::<Vec<_>>()));
                line.insert("clicked".into(), json!(clicked));
                let start = before.map_or(end, |(start, _)| start);
                if start < end {
                    file.set_len(start).map_err(failed)?;
                }
                let text = format!("{}\n", Value::Object(line));
                file.write_all(text.as_bytes()).map_err(failed)?;
                query.written = Some((start, start + text.len() as u64));
                query.clicked.push(id.to_owned());
            }
            "like" | "unlike" => {
                let (Some(anchor), Some((own, other))) = (&query.like, &query.shown[rank].1) else {
                    return Ok(Some("two documents make a pair, and the query was none"));
                };
                let similar = f32::from(u8::from(kind == "like"));
                let side = |id: &str, media: &str| json!({ "id": id, "media": media });
                let pair = json!({ "a": side(anchor, own), "b": side(id, other), "similar": similar });
                // In one piece, so that lines of several writers stay whole.
                let written = lock(&self.pairs).write_all(format!("{pair}\n").as_bytes());
                written.map_err(|e| Error::io(&self.paths[1], e))?;
            }
            _ => return Err(bad("a mark is of no such kind").expected("click, like or unlike")),
        }
        Ok(None)
    }
}

/// The line of a query without its documents, where `fuse` can learn from it.
fn line(spec: &RequestSpec) -> std::result::Result<Box<str>, &'static str> {
    let media =
        [!spec.text.is_empty(), !spec.image.is_empty(), !spec.features.is_empty(), spec.like.is_some()];
    if spec.words.is_none() && spec.keywords.is_none() || media.iter().all(|has| !has) {
        return Err("a fusion is learned from words together with a sentence, a picture or a document");
    }
    let length = |image: &Image| match image {
        Image::Bytes(bytes) => bytes.len(),
        _ => 0,
    };
    // Before they are written: as text they are larger still.
    if spec.image.iter().chain(&spec.not_image).map(length).sum::<usize>() > LINE {
        return Err(TOO_LARGE);
    }
    let Ok(Value::Object(mut line)) = serde_json::to_value(spec) else {
        return Err("the query cannot be written down");
    };
    line.retain(|key, _| !LEFT_OUT.contains(&key.as_str()));
    let text = Value::Object(line).to_string();
    if text.len() > LINE {
        return Err(TOO_LARGE);
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_has_one_writer() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("clicks.jsonl");
        let first = Recorder::open(&path).unwrap();
        let second = Recorder::open(&path).err().unwrap();
        let facts = second.facts();
        assert_eq!((facts.code, facts.file.as_deref()), (ErrorCode::Locked, Some(&*path)));
        assert!(facts.hint.is_some());
        drop(first);
        Recorder::open(&path).unwrap();
        #[cfg(target_os = "linux")]
        {
            let pipe = dir.path().join("pipe.jsonl");
            assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
            assert_eq!(Recorder::open(&pipe).err().unwrap().code(), ErrorCode::BadValue);
        }
    }

    #[test]
    fn a_line_has_a_size() {
        let of = |words: usize, picture: usize, filter: usize| {
            let mut spec = RequestSpec::default();
            spec.words = Some("w".repeat(words));
            spec.text = vec!["a red bird".into()];
            spec.filter = vec!["f".repeat(filter)];
            spec.image = vec![Image::Bytes(vec![200; picture])];
            spec.k = Some(5);
            line(&spec)
        };
        let text = of(3, 2, 4).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["words"], &value["filter"][0]), (&json!("www"), &json!("ffff")));
        assert!(value.get("k").is_none() && value.get("image").is_some(), "{text}");
        // The object as a whole, whichever part of it is large.
        let rest = LINE - text.len();
        assert_eq!(of(3 + rest, 2, 4).map(|text| text.len()), Ok(LINE));
        assert_eq!(of(3, 2, 4 + rest).map(|text| text.len()), Ok(LINE));
        for large in [of(4 + rest, 2, 4), of(3, 2, 5 + rest), of(3, LINE, 4), of(3, LINE + 1, 4)] {
            assert_eq!(large, Err(TOO_LARGE));
        }
        assert!(of(0, 0, 0).is_ok());
    }
}
