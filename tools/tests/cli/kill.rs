//! A build that is killed at any moment leaves no index that opens at OUT, or the whole one.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::data;
use crate::files::write_lines;
use crate::run::{command, json, run};
use crate::world::{PATHWAYS, world};

/// Documents of the corpus: enough that a kill falls into every stage of a build.
const DOCUMENTS: usize = 20_000;
/// Kills in a normal run; `UNCSM_KILLS` sets another number.
const KILLS: u32 = 12;

fn start(features: &Path, corpus: &Path, out: &Path) -> Child {
    let mut build = command();
    build.arg("build").arg("--features").arg(features).args(PATHWAYS.split_whitespace());
    build.arg("--corpus").arg(corpus).arg("--bundle").arg(&world().bundle).arg("--out").arg(out);
    build.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// Whether an index opens at `out`, which must then be whole.
fn opens_whole(out: &Path) -> bool {
    let found = run(&["inspect".as_ref(), out.as_os_str(), "--json".as_ref()]);
    if found.code != 0 {
        assert!(!out.exists(), "what stands at OUT opens: {}", found.stderr);
        return false;
    }
    let report: serde_json::Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!((&report["complete"], &report["documents"]), (&true.into(), &DOCUMENTS.into()));
    assert_eq!(json(0, "verify %", &[out])["ok"], true);
    true
}

#[test]
fn a_killed_build_leaves_nothing_or_everything() {
    let kills = std::env::var("UNCSM_KILLS").map_or(KILLS, |n| n.parse().expect("UNCSM_KILLS is a number"));
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let (features, corpus, out, partial) =
        (path("rows.safetensors"), path("rows.jsonl"), path("index"), path("index.partial"));
    data::rows(DOCUMENTS, 9).save(&features);
    write_lines(&corpus, &data::lines(DOCUMENTS));
    let started = Instant::now();
    assert!(start(&features, &corpus, &out).wait().unwrap().success());
    let whole = started.elapsed();
    assert!(opens_whole(&out));
    let mut interrupted = 0;
    for kill in 0..kills {
        if out.exists() {
            std::fs::remove_dir_all(&out).unwrap();
        }
        let mut child = start(&features, &corpus, &out);
        std::thread::sleep(whole.mul_f64(f64::from(kill) / f64::from(kills)) + Duration::from_millis(5));
        child.kill().unwrap();
        child.wait().unwrap();
        if !opens_whole(&out) && partial.exists() {
            interrupted += 1;
            // What is left of it does not open as a finished index either.
            let found = run(&["inspect".as_ref(), partial.as_os_str(), "--json".as_ref()]);
            let complete = found.code == 0
                && serde_json::from_str::<serde_json::Value>(&found.stdout).unwrap()["complete"] == true;
            let documents = complete.then(|| json(0, "inspect %", &[&partial])["documents"].clone());
            assert!(documents.is_none_or(|n| n == DOCUMENTS), "a part that calls itself complete");
        }
    }
    assert!(interrupted >= kills / 4, "only {interrupted} of {kills} builds were killed on their way");
    // A stale part is no obstacle.
    if out.exists() {
        std::fs::remove_dir_all(&out).unwrap();
    }
    let mut child = start(&features, &corpus, &out);
    std::thread::sleep(whole / 2);
    child.kill().unwrap();
    child.wait().unwrap();
    if !out.exists() {
        assert!(partial.exists(), "half of a build's time leaves a part");
        assert!(start(&features, &corpus, &out).wait().unwrap().success());
    }
    assert!(opens_whole(&out) && !partial.exists());
}
