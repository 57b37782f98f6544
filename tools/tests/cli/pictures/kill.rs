//! Commands that change an index, killed at any moment: afterwards it is in the old state or in the new one.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use serde_json::json;
use uncsm_index::model::Bundle;

use crate::files::{s, write_lines};
use crate::pictures::support::{COLORS, answers, assert_sound, copy_of_index, draw, line, world};
use crate::run::{ok, quiet};

/// Kills per command.
const KILLS: u32 = 12;

/// Runs `change` once to its end, then kills it at moments spread over its time, and a bit beyond.
fn killed(change: impl Fn(&Path) -> Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    let copy = |name: &str| copy_of_index(&dir.path().join(name));
    let run = |index: &Path| {
        let args = change(index);
        ok(&args.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let index = copy("whole");
    let old = answers(&index);
    let started = Instant::now();
    run(&index);
    let time = started.elapsed();
    let new = answers(&index);
    assert_ne!(old, new, "a test that could not fail");
    let (mut seen_old, mut seen_new) = (0, 0);
    for n in 0..KILLS {
        let index: PathBuf = copy(&format!("kill-{n}"));
        let args = change(&index);
        let mut child = quiet(&args.iter().map(String::as_str).collect::<Vec<_>>())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(time.mul_f64(f64::from(n) / f64::from(KILLS - 2)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_sound(&index);
        let got = answers(&index);
        if got == old {
            seen_old += 1;
        } else {
            assert_eq!(got, new, "kill {n}");
            seen_new += 1;
        }
        // What is left of the killed one is in nobody's way.
        run(&index);
        assert_sound(&index);
        assert_eq!(answers(&index), new, "again after kill {n}");
    }
    eprintln!("{} kills over {time:?}: {seen_old} old, {seen_new} new", KILLS);
    // The first kill comes before the process has opened anything.
    assert!(seen_old >= 1);
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(ToString::to_string).collect()
}

#[test]
fn add_killed() {
    let dir = tempfile::tempdir().unwrap();
    let corpus = dir.path().join("more.jsonl");
    // Replaces 30 documents, half of them with another picture, and adds 30.
    let lines = (0..60).map(|i| {
        let picture = dir.path().join(format!("{i}.png"));
        draw("square", COLORS[i % 5].1, 50_000 + i as u64).save(&picture).unwrap();
        if i < 30 {
            let mut changed = line(i * 3);
            changed["tag"] = "changed".into();
            if i % 2 == 0 {
                changed.as_object_mut().unwrap().remove("images");
                changed["image"] = s(&picture).into();
            }
            return changed;
        }
        json!({ "id": format!("more-{i}"), "text": "one more square", "image": s(&picture), "tag": "added" })
    });
    write_lines(&corpus, &lines.collect::<Vec<_>>());
    killed(|index| owned(&["add", s(index), s(&corpus)]));
}

#[test]
fn delete_killed() {
    killed(|index| owned(&["delete", s(index), "--filter", "category:circle"]));
}

#[test]
fn delete_by_id_killed() {
    killed(|index| owned(&["delete", s(index), "--id", "doc-000", "doc-011", "doc-022"]));
}

#[test]
fn attach_killed() {
    let dir = tempfile::tempdir().unwrap();
    let rare = dir.path().join("rare");
    Bundle::load(&world().bundle).unwrap().with_prior(0.002).unwrap().save(&rare).unwrap();
    killed(|index| owned(&["attach", s(index), "--bundle", s(&rare)]));
}
