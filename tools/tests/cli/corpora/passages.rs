//! Long texts as several items.

use std::fs;

use serde_json::json;

use crate::corpora::support::*;
use crate::files::s;
use crate::run::{err, ok};

#[test]
fn passages_are_items_and_the_field_keeps_the_whole_text() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = dir.path().join("c.jsonl");
    let long =
        "There is a red square here. It is a small one. Far below stands a blue square, and that is all.";
    let lines = [json!({"id": "long", "text": long}), json!({"id": "short", "text": "a green square"})];
    fs::write(&corpus, lines.map(|line| format!("{line}\n")).concat()).unwrap();
    let (index, built) = build(&corpus, dir.path(), &["--passages", "7"]);
    assert_eq!((&built["documents"], &built["items"]["text"]), (&json!(2), &json!(5)));
    let found = ok(&["query", s(&index), "--keywords", "id:long"]);
    assert_eq!(found["hits"][0]["fields"]["text"], long);
    // The best passage of the document is named.
    let found = ok(&["query", s(&index), "--text", "a blue square", "--media", "text"]);
    let hit = found["hits"].as_array().unwrap().iter().find(|hit| hit["id"] == "long").unwrap();
    assert!(hit["items"][0]["index"].as_u64().unwrap() < 4);
    let whole = build(&corpus, &dir.path().join("whole"), &[]).1;
    assert_eq!(whole["items"]["text"], 2);
    let shared = build(&corpus, &dir.path().join("shared"), &["--passages", "7:3"]).1;
    assert!(shared["items"]["text"].as_u64().unwrap() > 5);
    ok(&["add", s(&index), s(&corpus), "--passages", "7"]);
    assert_eq!(ok(&["inspect", s(&index)])["documents"], 2);
    for bad in ["0", "x", "3:3"] {
        let out = dir.path().join("bad");
        let error =
            err(&["build", s(&corpus), "--bundle", s(&world().bundle), "--out", s(&out), "--passages", bad]);
        assert_eq!(error["code"], "bad_argument");
    }
}

#[test]
fn training_and_evaluation_take_passages() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    let passages = ["--passages", "2"];
    let train =
        ["train", s(&world.corpus), "--label", "color", "--config", s(&world.config), "--out", s(&bundle)];
    ok(&[train.as_slice(), &passages].concat());
    let pairs = |more: &[&str]| {
        let eval = ["eval", s(&bundle), s(&world.corpus)];
        ok(&[eval.as_slice(), more].concat())["pairs"].as_u64().unwrap()
    };
    assert_eq!(pairs(&[]), DOCUMENTS as u64 / 5);
    assert!(pairs(&passages) >= 2 * pairs(&[]));
}
