//! Feedback over the documents of a corpus.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::corpora::support::*;
use crate::files::s;
use crate::run::{err, ok};

fn pair(image: &str, text: &str, similar: f64) -> String {
    let side = |id: &str, media: &str| json!({"id": id, "media": media});
    format!("{}\n", json!({"a": side(image, "image"), "b": side(text, "text"), "similar": similar}))
}

/// The arguments of a training of `corpus` that starts from the shared bundle.
fn args<'a>(corpus: &'a Path, pairs: &'a Path, out: &'a Path) -> Vec<&'a str> {
    let World { bundle, config, .. } = world();
    vec!["train", s(corpus), "--from", s(bundle), "--pairs", s(pairs), "--config", s(config), "--out", s(out)]
}

#[test]
fn a_bundle_learns_further_with_the_encoders_that_it_has() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    // Fewer documents, so an idf that is learned anew would be another.
    let corpus = write_jsonl(&path("corpus"), 60);
    // Documents 9 to 11 are for validation, 12 to 14 for the test.
    assert_eq!((row(0).split, row(9).split, row(12).split), ("train", "val", "test"));
    let lines = [("doc-000", "doc-004"), ("doc-001", "doc-012"), ("doc-009", "doc-001")];
    fs::write(path("pairs"), lines.map(|(a, b)| pair(a, b, 0.0)).concat()).unwrap();
    let report = ok(&args(&corpus, &path("pairs"), &path("new")));
    assert_eq!(report["pairs"], json!({"used": 1, "left_out": 2}));
    assert_eq!(report["stages"].as_array().unwrap().len(), 1);
    let config = |bundle: &Path| -> Value {
        serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap()
    };
    let (old, new) = (config(&world().bundle), config(&path("new")));
    assert!(old["media"].is_array() && old["classes"].is_object());
    assert_eq!((&new["media"], &new["classes"]), (&old["media"], &old["classes"]), "the label is remembered");
    // Texts of queries are encoded.
    let index = path("index");
    ok(&["build", s(&corpus), "--bundle", s(&path("new")), "--out", s(&index)]);
    let hits = ok(&["query", s(&index), "--text", "a red square", "--media", "image", "-k", "5"]);
    assert_eq!(hits["hits"].as_array().unwrap().len(), 5);
}

#[test]
fn what_a_corpus_lacks_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let corpus = write_jsonl(&path("corpus"), 60);
    let text = fs::read_to_string(&corpus).unwrap();
    let more = [
        json!({"id": "bare", "text": "a red square", "color": "red", "split": "train"}),
        json!({"id": "twice", "text": "a red square", "color": "red", "split": "train"}),
        json!({"id": "twice", "text": "a blue square", "color": "blue", "split": "train"}),
    ];
    fs::write(&corpus, text.clone() + &more.map(|line| format!("{line}\n")).concat()).unwrap();
    let cases = [
        (pair("nobody", "doc-001", 1.0), "unknown_id"),
        (pair("bare", "doc-001", 1.0), "no_items"),
        (pair("doc-000", "twice", 1.0), "duplicate_id"),
        (pair("doc-000", "doc-001", 1.0).replace("text", "audio"), "unknown_media"),
    ];
    for (bad, code) in cases {
        fs::write(path("pairs"), pair("doc-000", "bare", 0.5) + &bad).unwrap();
        let found = err(&args(&corpus, &path("pairs"), &path("out")));
        assert_eq!((&found["code"], &found["line"]), (&json!(code), &json!(2)), "{found}");
        assert_eq!(found["file"], s(&path("pairs")), "{found}");
    }
    // A class that the bundle does not have, in a train row; in a test row it is nobody's concern.
    fs::write(path("pairs"), pair("doc-000", "doc-004", 0.5)).unwrap();
    let teal =
        |split: &str| format!("{}\n", json!({"id": "x", "text": "teal", "color": "teal", "split": split}));
    fs::write(&corpus, text.clone() + &teal("train")).unwrap();
    let found = err(&args(&corpus, &path("pairs"), &path("out")));
    assert_eq!((&found["code"], &found["line"]), (&json!("bad_value"), &json!(61)), "{found}");
    assert!(!path("out").exists());
    fs::write(&corpus, text + &teal("test")).unwrap();
    ok(&args(&corpus, &path("pairs"), &path("out")));
}
