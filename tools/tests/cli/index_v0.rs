//! An index of an earlier version opens, answers as it did, takes documents and verifies. Its README says how it was made.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::files::copy_dir;
use crate::run::{ids, json};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/index-v0").join(name)
}

/// A file of the fixture; one that is missing fails the test.
fn text(name: &str) -> String {
    let path = fixture(name);
    std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A copy of the index, to be opened and changed.
fn copy() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let index = dir.path().join("index");
    copy_dir(&fixture("index"), &index);
    (dir, index)
}

/// Whether `got` says all that `right` says; numbers may differ by what another processor rounds.
fn same(at: &str, got: &Value, right: &Value) {
    match (got, right) {
        (Value::Object(got), Value::Object(right)) => {
            for (key, right) in right {
                let got = got.get(key).unwrap_or_else(|| panic!("{at}.{key} is gone"));
                same(&format!("{at}.{key}"), got, right);
            }
        }
        (Value::Array(got), Value::Array(right)) => {
            assert_eq!(got.len(), right.len(), "{at}: {got:?}");
            for (i, (got, right)) in got.iter().zip(right).enumerate() {
                same(&format!("{at}[{i}]"), got, right);
            }
        }
        (Value::Number(got), Value::Number(right)) => {
            let (got, right) = (got.as_f64().unwrap(), right.as_f64().unwrap());
            assert!((got - right).abs() <= 1e-5 * right.abs().max(1.0), "{at}: {got}, expected {right}");
        }
        _ => assert_eq!(got, right, "{at}"),
    }
}

#[test]
fn an_old_index_answers_as_it_did() {
    let (_dir, index) = copy();
    let run = crate::run::run(&[
        "query".as_ref(),
        index.as_os_str(),
        "--batch".as_ref(),
        fixture("queries.jsonl").as_os_str(),
        "--json".as_ref(),
    ]);
    assert_eq!(run.code, 0, "{run:?}");
    let (answers, right) = (run.stdout, text("answers.jsonl"));
    assert_eq!(answers.lines().count(), right.lines().count());
    assert!(right.lines().count() >= 20, "a fixture that asks something");
    for (got, right) in answers.lines().zip(right.lines()) {
        let (got, right): (Value, Value) =
            (serde_json::from_str(got).unwrap(), serde_json::from_str(right).unwrap());
        same(&format!("line {}", right["line"]), &got, &right);
    }
    let inspected: Value = serde_json::from_str(&text("inspect.json")).unwrap();
    same("inspect", &json(0, "inspect %", &[&index]), &inspected);
    assert_eq!(json(0, "verify %", &[&index])["ok"], true);
}

/// Gives the index the field of sources, last, as an index of now has it.
fn with_sources(index: &Path) {
    let path = index.join("meta.json");
    let mut meta: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let fields = meta["schema"].as_array_mut().unwrap();
    fields.push(serde_json::json!({
        "name": "_source", "type": "text",
        "options": { "stored": true, "fast": false },
    }));
    std::fs::write(&path, serde_json::to_string_pretty(&meta).unwrap()).unwrap();
}

/// The lines of the batch over two indexes, without what differs from run to run.
fn batch(first: &Path, second: &Path) -> Vec<Value> {
    let queries = fixture("queries.jsonl");
    let words: [&std::ffi::OsStr; 6] = [
        "query".as_ref(),
        first.as_os_str(),
        second.as_os_str(),
        "--batch".as_ref(),
        queries.as_os_str(),
        "--json".as_ref(),
    ];
    let run = crate::run::run(&words);
    assert_eq!(run.code, 0, "{run:?}");
    let line = |line: &str| {
        let mut answer: Value = serde_json::from_str(line).unwrap();
        answer.as_object_mut().unwrap().remove("took_ms");
        answer
    };
    run.stdout.lines().map(line).collect()
}

#[test]
fn an_old_index_is_searched_beside_one_with_sources_to_the_last_bit() {
    let [old, plain, sources] = [copy(), copy(), copy()];
    with_sources(&sources.1);
    let (more, features) = (fixture("more.jsonl"), fixture("more.safetensors"));
    for index in [&plain.1, &sources.1] {
        let line = "add % --features % --pathway image=image --pathway text=text --corpus %";
        json(0, line, &[index, &features, &more]);
    }
    let roots = |index: &Path| json(0, "inspect %", &[index])["sources"]["roots"].as_array().unwrap().len();
    assert_eq!((roots(&plain.1), roots(&sources.1)), (0, 1));
    assert_eq!(json(0, "verify %", &[&sources.1])["ok"], true);
    for (mixed, right) in [
        (batch(&old.1, &sources.1), batch(&old.1, &plain.1)),
        (batch(&sources.1, &old.1), batch(&plain.1, &old.1)),
    ] {
        assert!(right.len() >= 20);
        assert!(right.iter().any(|answer| answer["hits"].to_string().contains("doc-50")));
        // Numbers are compared as they are written: whole.
        for (mixed, right) in mixed.iter().zip(&right) {
            assert_eq!(mixed, right);
        }
        assert_eq!(mixed.len(), right.len());
    }
}

#[test]
fn an_old_index_takes_documents_under_its_own_analyses() {
    let (_dir, index) = copy();
    let (more, features) = (fixture("more.jsonl"), fixture("more.safetensors"));
    let line = "add % --features % --pathway image=image --pathway text=text --corpus %";
    assert_eq!(json(0, line, &[&index, &features, &more])["documents"], 1);
    let query = |code: i32, rest: &str| ids(&json(code, &format!("query % {rest}"), &[&index]));
    assert_eq!(query(0, "--keywords violet"), ["doc-50"]);
    assert_eq!(query(0, "--keywords title:haus~AND~violet"), ["doc-50"]);
    // Whole values of this index are not composed, and new ones are not either.
    assert_eq!(query(0, "--filter kind_exact:Café"), ["doc-00", "doc-04", "doc-08", "doc-50"]);
    assert_eq!(query(0, "--filter kind_exact:Cafe\u{301}"), ["doc-01", "doc-05", "doc-09"]);
    let found = json(0, "query % --filter * --facet kind -k 1", &[&index]);
    assert_eq!(found["facets"]["kind"].as_array().unwrap().len(), 4, "{found}");
    assert_eq!(json(0, "delete % --id doc-00", &[&index])["documents"], 1);
    assert_eq!(query(0, "--filter kind_exact:Café"), ["doc-04", "doc-08", "doc-50"]);
    assert_eq!(json(0, "verify %", &[&index])["ok"], true);
    let schema = &json(0, "inspect %", &[&index])["schema"];
    assert_eq!((&schema["text"]["tokenizer"], schema["text"].get("exact")), (&"default".into(), None));
}
