//! Clicks and marks as `fuse` and `train --pairs` take them.

use serde_json::json;
use uncsm_index::corpus::{JudgedReader, Pairs};

use super::client::Server;
use crate::files::s;
use crate::pictures::support::{id, world};
use crate::run::{ids, ok};

#[test]
fn clicks_become_lines_of_fuse_and_marks_pairs() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("clicks.jsonl");
    let server = Server::start(&world().index, &["--record", s(&file)]);
    let mark = |query: u64, id: &str, kind: &str| {
        let reply = server
            .post("/api/mark", json!({ "query": query, "id": id, "kind": kind }).to_string().as_bytes());
        (reply.status, reply.json()["recorded"].as_bool())
    };
    let number = |answer: &serde_json::Value| answer["query"].as_u64().unwrap();
    let found = server.query(
        &json!({ "words": "circle", "text": "a red circle", "k": 5, "explain": true, "facet": "color" }),
    );
    let hits = ids(&found);
    assert_eq!(mark(number(&found), &hits[2], "click"), (200, Some(true)));
    assert_eq!(mark(number(&found), &hits[2], "click"), (200, Some(false)));
    assert_eq!(mark(number(&found), &hits[3], "click"), (200, Some(true)));
    assert_eq!(mark(number(&found), &id(200), "click").0, 400);
    assert_eq!(mark(number(&found) + 7, &hits[0], "click").0, 400);
    assert_eq!(mark(number(&found), &hits[0], "wink").0, 400);
    // Nothing that a fusion is learned from, and no pair.
    let words = server.query(&json!({ "words": "circle" }));
    assert_eq!(mark(number(&words), &ids(&words)[0], "click"), (200, Some(false)));
    assert_eq!(mark(number(&words), &ids(&words)[0], "like"), (200, Some(false)));
    let like = server.query(&json!({ "like": id(3), "media": "image" }));
    let near = ids(&like);
    assert_eq!(mark(number(&like), &near[0], "like"), (200, Some(true)));
    assert_eq!(mark(number(&like), &near[1], "unlike"), (200, Some(true)));
    let judged: Vec<_> = JudgedReader::open(&file).unwrap().map(Result::unwrap).collect();
    assert_eq!(judged.len(), 1, "two clicks on one answer are one line");
    let line = serde_json::to_value(&judged[0].query).unwrap();
    assert_eq!(line, json!({ "text": ["a red circle"], "words": "circle" }));
    let grades = hits.iter().map(|id| judged[0].grade(id)).collect::<Vec<_>>();
    assert_eq!(grades, [Some(0.0), Some(0.0), Some(1.0), Some(1.0), Some(0.0)]);
    let pairs = Pairs::read(dir.path().join("clicks.pairs.jsonl")).unwrap();
    let sides: Vec<_> =
        pairs.lines.iter().map(|line| (&*line.a.id, &*line.b.id, &*line.b.media, line.similar)).collect();
    assert_eq!(sides, [("doc-003", &*near[0], "image", 1.0), ("doc-003", &*near[1], "image", 0.0)]);
    // And the commands take them, from five queries on.
    for text in ["a blue circle", "a green square", "the yellow circle", "purple stripes", "a red square"] {
        let found = server.query(&json!({ "keywords": "on OR in", "text": text }));
        assert_eq!(mark(number(&found), &ids(&found)[0], "click"), (200, Some(true)));
    }
    // A click on an answer of before is a line of its own, which says nothing of the clicks that have one.
    assert_eq!(mark(number(&found), &hits[0], "click"), (200, Some(true)));
    let judged: Vec<_> = JudgedReader::open(&file).unwrap().map(Result::unwrap).collect();
    let last = judged.last().unwrap();
    assert_eq!(
        hits.iter().map(|id| last.grade(id)).collect::<Vec<_>>(),
        [Some(1.0), Some(0.0), None, None, Some(0.0)]
    );
    assert_eq!((judged.len(), judged[1].shown.as_ref().unwrap().len()), (7, 5));
    let fused = dir.path().join("fused");
    let report = ok(&[
        "fuse",
        s(&world().bundle),
        "--clicks",
        s(&file),
        "--index",
        s(&world().index),
        "--out",
        s(&fused),
    ]);
    assert_eq!((&report["lines"], &report["used"]), (&json!(7), &json!(7)));
    let unrecorded = Server::start(&world().index, &[]);
    let found = unrecorded.query(&json!({ "words": "circle" }));
    assert!(found.get("query").is_none());
    assert_eq!(unrecorded.post("/api/mark", br#"{"query":0,"id":"a","kind":"click"}"#).status, 400);
}
