//! A folder of media in place of a file.

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::corpora::support::*;
use crate::files::s;
use crate::run::{err, ok};

/// `split/color/NNN.png` with a text and fields beside each, for the first `n` documents.
fn write(root: &Path, n: usize) {
    for i in 0..n {
        let Row { text, color, side, split, png, .. } = row(i);
        let folder = root.join(split).join(color);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(format!("{i:03}.png")), png).unwrap();
        fs::write(folder.join(format!("{i:03}.txt")), format!("{text}\n")).unwrap();
        fs::write(folder.join(format!("{i:03}.json")), json!({ "side": side }).to_string()).unwrap();
    }
}

#[test]
fn a_folder_trains_builds_and_answers() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("media");
    write(&root, DOCUMENTS);
    fs::write(root.join("lonely.txt"), "words that stand alone").unwrap();
    let schema = ok(&["schema", s(&root)]);
    let names: Vec<&String> = schema.as_object().unwrap().keys().collect();
    assert_eq!(names, ["class", "image", "side", "text"]);
    let bundle = dir.path().join("bundle");
    ok(&["train", s(&root), "--label", "class", "--config", s(&world().config), "--out", s(&bundle)]);
    assert_eq!(ok(&["inspect", s(&bundle)])["classes"], 3);
    let evaluated = ok(&["eval", s(&bundle), s(&root)]);
    assert_eq!(evaluated["pairs"], DOCUMENTS / 5);
    let (index, built) = build(&root, dir.path(), &[]);
    assert_eq!(built["documents"], DOCUMENTS + 1);
    assert_eq!(built["items"], json!({"image": DOCUMENTS, "text": DOCUMENTS + 1}));
    let found = ok(&["query", s(&index), "--filter", "class_exact:green", "-k", "100"]);
    assert_eq!(found["hits"].as_array().unwrap().len(), DOCUMENTS / 3);
    let found = ok(&["query", s(&index), "--keywords", "alone"]);
    assert_eq!(found["hits"][0]["id"], "lonely.txt");
    assert_eq!(found["hits"][0]["fields"], json!({"text": "words that stand alone"}));
    // Ids are paths, so that documents are replaced by them.
    let changed = dir.path().join("changed");
    let folder = changed.join("train/red");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("000.png"), row(0).png).unwrap();
    fs::write(folder.join("000.txt"), "quite another text").unwrap();
    ok(&["add", s(&index), s(&changed)]);
    assert_eq!(ok(&["inspect", s(&index)])["documents"], DOCUMENTS + 1);
    let found = ok(&["query", s(&index), "--keywords", "quite"]);
    assert_eq!(found["hits"][0]["id"], "train/red/000.png");
}

#[test]
fn equal_ids_in_sidecars_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("media");
    write(&root, 6);
    for i in [1, 4] {
        let Row { color, split, .. } = row(i);
        fs::write(root.join(split).join(color).join(format!("{i:03}.json")), r#"{"id": "same"}"#).unwrap();
    }
    let error =
        err(&["build", s(&root), "--bundle", s(&world().bundle), "--out", s(&dir.path().join("index"))]);
    assert_eq!((&error["code"], &error["file"]), (&json!("duplicate_id"), &json!(s(&root))));
    assert!(error["got"].as_str().unwrap().starts_with("documents "), "{error}");
}
