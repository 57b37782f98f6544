//! `build --append` that is stopped leaves an index that opens and says that it is incomplete; run again, it completes it. A source that was
//! added and deleted again stays listed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;
use uncsm_index::index::Manifest;

use crate::data;
use crate::files::{copy_dir, write_lines};
use crate::run::{command, json, run};
use crate::world::{PATHWAYS, ROWS, world};

fn line(more: &str) -> String {
    format!("build --features % {PATHWAYS} --corpus % --bundle % --out % --append {more}")
}

fn source(dir: &Path, name: &str, rows: usize) -> (PathBuf, PathBuf) {
    let (features, corpus) = (dir.join(format!("{name}.safetensors")), dir.join(format!("{name}.jsonl")));
    data::rows(rows, 11).save(&features);
    write_lines(&corpus, &data::lines(rows));
    (features, corpus)
}

fn answers(index: &Path) -> Vec<Value> {
    ["--filter * -k 9999", "--keywords red -k 9999", "--like d00017 -k 50"]
        .map(|part| {
            let mut answer = json(0, &format!("query % {part}"), &[index]);
            answer.as_object_mut().unwrap().remove("took_ms");
            answer
        })
        .into()
}

#[test]
fn a_killed_append_is_readable_and_completes_when_run_again() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let (features, corpus) = source(dir.path(), "more", 6_000);
    let (whole, index) = (dir.path().join("whole"), dir.path().join("index"));
    copy_dir(&world.index, &whole);
    copy_dir(&world.index, &index);
    let report = json(0, &line("--commit-every 500"), &[&features, &corpus, &world.bundle, &whole]);
    assert_eq!(report["documents"], 6_000);
    assert_eq!(json(0, "inspect %", &[&whole])["complete"], true);
    let mut child = command()
        .args(["build", "--append", "--commit-every", "100", "--features"])
        .arg(&features)
        .args(PATHWAYS.split_whitespace())
        .arg("--corpus")
        .arg(&corpus)
        .arg("--bundle")
        .arg(&world.bundle)
        .arg("--out")
        .arg(&index)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while Manifest::load(&index).unwrap().complete {
        assert!(started.elapsed() < Duration::from_secs(120), "no commit on the way comes");
        std::thread::sleep(Duration::from_millis(2));
    }
    std::thread::sleep(Duration::from_millis(100));
    child.kill().unwrap();
    child.wait().unwrap();
    // It reads, and says what it is, in every way.
    assert_eq!(json(0, "verify %", &[&index])["ok"], true);
    let found = json(0, "inspect %", &[&index]);
    assert_eq!(found["complete"], false, "the append came to its end before it was killed");
    assert!(found["documents"].as_u64().unwrap() >= ROWS as u64);
    let pending = corpus.parent().unwrap().canonicalize().unwrap().join("more.safetensors");
    assert_eq!(found["pending"], serde_json::json!([pending]));
    assert_eq!(json(0, "query % --keywords red", &[&index])["complete"], false);
    let query = |flags: &[&str]| {
        let mut args = vec!["query", index.to_str().unwrap(), "--keywords", "red"];
        args.extend(flags);
        run(&args)
    };
    let said = query(&[]);
    assert_eq!(said.code, 0);
    assert!(said.stderr.starts_with("warning: ") && said.stderr.contains("incomplete"), "{said:?}");
    assert_eq!(query(&["--quiet"]).stderr, "");
    // Another source does not complete it, nor does `add`.
    let (other, lines) = source(dir.path(), "other", 20);
    let warned = json(0, &line(""), &[&other, &lines, &world.bundle, &index]);
    assert_eq!((&warned["documents"], &warned["warnings"]), (&20.into(), &1.into()));
    json(0, &format!("add % --features % {PATHWAYS} --corpus %"), &[&index, &other, &lines]);
    assert_eq!(json(0, "inspect %", &[&index])["complete"], false);
    json(0, &line("--commit-every 1000"), &[&features, &corpus, &world.bundle, &index]);
    let found = json(0, "inspect %", &[&index]);
    assert_eq!((&found["complete"], &found["documents"]), (&true.into(), &6_000.into()));
    assert_eq!(found.get("pending"), None);
    assert_eq!(answers(&index), answers(&whole));
    assert_eq!(query(&[]).stderr, "");
    assert_eq!(json(0, "query % --keywords red", &[&index])["complete"], true);
}

#[test]
fn a_source_whose_documents_are_all_deleted_stays_listed_and_says_so() {
    let world = world();
    let dir = tempfile::tempdir().unwrap();
    let (features, corpus) = source(dir.path(), "more", 3);
    let index = dir.path().join("index");
    copy_dir(&world.index, &index);
    json(0, &format!("add % --features % {PATHWAYS} --corpus %"), &[&index, &features, &corpus]);
    let path = corpus.canonicalize().unwrap().display().to_string();
    let text = || run(&["inspect", index.to_str().unwrap()]).stdout;
    let of_source = || {
        let found = json(0, "inspect %", &[&index])["sources"]["roots"].clone();
        let root = found.as_array().unwrap().iter().find(|root| root["path"] == path.as_str()).cloned();
        root.unwrap()["documents"].clone()
    };
    assert_eq!(of_source(), 3);
    assert!(text().contains(&format!("source {path}: 3 documents\n")), "{}", text());
    json(0, "delete % --id d00000 d00001 d00002", &[&index]);
    assert_eq!(of_source(), 0);
    let said = format!("source {path}: none of its documents is in the index now\n");
    assert!(text().contains(&said), "{}", text());
}
