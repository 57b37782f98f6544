//! A build that is stopped and resumed gives the index of one that ran through; what changed meanwhile is refused.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;
use uncsm_index::index::{Checkpoint, Index};
use uncsm_index::search::Engine;

use crate::data;
use crate::files::write_lines;
use crate::run::{command, error, json, run};
use crate::world::{PATHWAYS, world};

/// Kills in a normal run; `UNCSM_KILLS` sets another number.
const KILLS: u32 = 6;

/// A features file and the corpus of its rows, of which one line in a hundred is broken.
struct Source {
    dir: TempDir,
    features: PathBuf,
    corpus: PathBuf,
    documents: usize,
}

impl Source {
    fn new(documents: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (features, corpus) = (dir.path().join("rows.safetensors"), dir.path().join("rows.jsonl"));
        data::rows(documents, 9).save(&features);
        let mut lines = data::lines(documents);
        lines.iter_mut().skip(50).step_by(100).for_each(|line| line.truncate(20));
        write_lines(&corpus, &lines);
        Self { dir, features, corpus, documents }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn broken(&self) -> usize {
        (50..self.documents).step_by(100).count()
    }

    fn arguments(&self, out: &Path, more: &str) -> Vec<std::ffi::OsString> {
        let mut args: Vec<std::ffi::OsString> = vec!["build".into(), "--features".into()];
        args.push(self.features.as_os_str().into());
        args.extend(PATHWAYS.split_whitespace().map(Into::into));
        args.extend(["--corpus".into(), self.corpus.as_os_str().into()]);
        args.extend(["--bundle".into(), world().bundle.as_os_str().into()]);
        args.extend(["--out".into(), out.as_os_str().into()]);
        args.extend(more.split_whitespace().map(Into::into));
        args.push("--json".into());
        args
    }

    fn start(&self, out: &Path, more: &str) -> Child {
        let mut build = command();
        build.args(self.arguments(out, more)).stdout(Stdio::null());
        build.spawn().unwrap()
    }

    /// Builds to the end; gives the report without what is measured in seconds.
    fn build(&self, out: &Path, more: &str) -> Value {
        let run = run(&self.arguments(out, more));
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{more}");
        let mut report: Value = serde_json::from_str(&run.stdout).unwrap();
        for key in ["seconds", "stages"] {
            assert!(report.as_object_mut().unwrap().remove(key).is_some());
        }
        report
    }

    /// The error of a build that must fail.
    fn refused(&self, out: &Path, more: &str) -> Value {
        let run = run(&self.arguments(out, more));
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{more}: {}", run.stderr);
        serde_json::from_str::<Value>(&run.stderr).unwrap()["error"].clone()
    }

    /// An index at `out` that a build began, and stopped by a signal on its way.
    #[cfg(unix)]
    fn interrupted(&self, out: &Path, signal: &str, more: &str) -> Value {
        let partial = partial(out);
        let child = self.start(out, more);
        wait_for("a commit", || Checkpoint::load(&partial).is_some());
        let sent = std::process::Command::new("kill").args([signal, &child.id().to_string()]).status();
        assert!(sent.unwrap().success());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        let found = serde_json::from_str::<Value>(&said).unwrap()["error"].clone();
        assert_eq!(found["code"], "interrupted");
        assert!(!out.exists(), "a part is not published");
        found
    }
}

fn partial(out: &Path) -> PathBuf {
    out.with_extension("partial")
}

fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < Duration::from_secs(120), "{what} does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// `(media type, ordinal, bytes)` of the items of every document.
type Stored = BTreeMap<String, Vec<(usize, u32, Vec<u8>)>>;

/// The live documents with the bytes of their items, and answers of several kinds.
fn state(index: &Path, documents: usize) -> (Stored, Vec<Value>) {
    let count = documents.to_string();
    let features = world().features.as_path();
    let answers = [
        "--filter * -k N",
        "--keywords red -k N",
        "--features % --pathway text=text --rows 30..31 --media any -k N",
        "--features % --pathway image=image --rows 3..4 --keywords boat -k N",
        "--like d00017 -k 5 --exact",
    ]
    .map(|line| {
        let line = format!("query % {}", line.replace('N', &count));
        let paths = [&[index][..], &vec![features; line.matches('%').count() - 1]].concat();
        let mut answer = json(0, &line, &paths);
        answer.as_object_mut().unwrap().remove("took_ms");
        answer
    });
    let index = Index::open(index).unwrap();
    let engine = Engine::new(&index).unwrap();
    let mut stored = Stored::new();
    for hit in answers[0]["hits"].as_array().unwrap() {
        let id = hit["id"].as_str().unwrap();
        let address = engine.find(id).unwrap();
        let vectors = index.cache().get(engine.searcher().segment_reader(address.segment_ord)).unwrap();
        let mut items = Vec::new();
        for media in 0..index.bundle().media().len() {
            let view = vectors.view(media);
            for row in view.items_of(address.doc_id) {
                let (mut vector, mut half) = (vec![0.0; view.dim], vec![0.0; view.half]);
                view.vector_into(row, &mut vector);
                view.half_into(row, &mut half);
                let bytes = vector.iter().chain(&half).flat_map(|v| v.to_le_bytes()).collect();
                items.push((media, view.ordinals[row], bytes));
            }
        }
        assert!(stored.insert(id.to_owned(), items).is_none(), "{id} is live once");
    }
    (stored, answers.into())
}

#[test]
fn a_build_that_is_killed_again_and_again_gives_the_same_index() {
    let kills = std::env::var("UNCSM_KILLS").map_or(KILLS, |n| n.parse().expect("UNCSM_KILLS is a number"));
    let source = Source::new(3_000);
    let whole = source.path("whole");
    let started = Instant::now();
    let report = source.build(&whole, "--commit-every 100");
    let time = started.elapsed();
    assert_eq!(report["documents"], source.documents - source.broken());
    assert_eq!(report["skipped"].as_array().unwrap().len(), source.broken());
    let expected = state(&whole, source.documents);
    assert_eq!(expected.0.len(), source.documents - source.broken());
    // Commits on the way change nothing either.
    let once = source.path("once");
    assert_eq!(source.build(&once, ""), report);
    assert_eq!(state(&once, source.documents), expected);
    let mut resumed = 0;
    for kill in 0..kills {
        let out = source.path(&format!("kill-{kill}"));
        let share = f64::from(kill + 1) / f64::from(kills + 1);
        let mut last = 0;
        for round in 0..3 {
            let mut child = source.start(&out, "--resume --commit-every 100");
            // Half of the kills come at any moment, and half a while after a commit of this run.
            while kill % 2 == 1
                && child.try_wait().unwrap().is_none()
                && Checkpoint::load(&partial(&out)).is_none_or(|checkpoint| checkpoint.consumed <= last)
            {
                std::thread::sleep(Duration::from_millis(2));
            }
            std::thread::sleep(time.mul_f64(share / f64::from(4 * round + 1 + kill % 2 * 8)));
            let _ = child.kill();
            child.wait().unwrap();
            let consumed = Checkpoint::load(&partial(&out)).map_or(0, |checkpoint| checkpoint.consumed);
            assert!(out.exists() || consumed >= last, "a resumed build loses no commit");
            last = consumed;
        }
        if !out.exists() {
            resumed += u32::from(last > 0);
            assert_eq!(source.build(&out, "--resume --commit-every 70"), report, "kill {kill}");
            assert_eq!(Checkpoint::load(&out), None, "a finished index keeps no checkpoint");
        }
        assert!(!partial(&out).exists());
        assert_eq!(state(&out, source.documents), expected, "kill {kill}");
        assert_eq!(json(0, "verify %", &[&out])["ok"], true);
    }
    assert!(resumed > 0, "none of {kills} builds was resumed");
}

#[test]
#[cfg(unix)]
fn a_signal_commits_what_is_there() {
    let source = Source::new(12_000);
    let whole = source.path("whole");
    let report = source.build(&whole, "");
    for signal in ["-INT", "-TERM"] {
        let out = source.path("out");
        let said = source.interrupted(&out, signal, "--commit-every 200");
        assert!(said["hint"].as_str().unwrap().contains("--resume"), "{said}");
        let kept = Checkpoint::load(&partial(&out)).unwrap();
        assert_eq!(said["got"], format!("{} documents committed", kept.report.documents));
        assert!(kept.consumed > 0 && kept.consumed < 12_000, "{}", kept.consumed);
        assert_eq!(source.build(&out, "--resume"), report);
        assert_eq!(state(&out, source.documents), state(&whole, source.documents));
        std::fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
#[cfg(unix)]
fn another_source_or_other_options_are_refused() {
    let source = Source::new(12_000);
    let out = source.path("out");
    source.interrupted(&out, "-INT", "--commit-every 200");
    let consumed = Checkpoint::load(&partial(&out)).unwrap().consumed;
    let refused = |more: &str, what: &str| {
        let said = source.refused(&out, more);
        assert_eq!(said["code"], "changed", "{said}");
        assert!(said["message"].as_str().unwrap().contains(what), "{said}");
        assert!(said["hint"].as_str().unwrap().contains("without --resume"), "{said}");
        // It is still there.
        assert_eq!(Checkpoint::load(&partial(&out)).unwrap().consumed, consumed);
    };
    refused("--resume --strict", "--strict");
    let missing = source.path("missing.toml");
    for bad in ["--commit-every 0", "--memory 1", &format!("--schema {}", missing.display())] {
        for resume in ["--resume", ""] {
            source.refused(&out, &format!("{resume} {bad}"));
            assert_eq!(Checkpoint::load(&partial(&out)).unwrap().consumed, consumed, "{resume} {bad}");
        }
    }
    let schema = source.path("schema.toml");
    std::fs::write(&schema, "").unwrap();
    refused(&format!("--resume --schema {}", schema.display()), "--schema");
    let text = std::fs::read(&source.corpus).unwrap();
    let time = std::fs::metadata(&source.corpus).unwrap().modified().unwrap();
    let restore = |bytes: &[u8], time| {
        std::fs::write(&source.corpus, bytes).unwrap();
        std::fs::File::options().write(true).open(&source.corpus).unwrap().set_modified(time).unwrap();
    };
    restore(&text[1..], time);
    refused("--resume", "length (--corpus)");
    restore(&text, time + Duration::from_secs(1));
    refused("--resume", "time of change (--corpus)");
    let other = source.path("other.jsonl");
    std::fs::copy(&source.corpus, &other).unwrap();
    let line = format!("build --features % {PATHWAYS} --corpus % --bundle % --out % --resume");
    let said = error(&line, &[&source.features, &other, &world().bundle, &out]);
    assert_eq!(said["code"], "changed", "{said}");
    restore(&text, time);
    assert_eq!(source.build(&out, "--resume")["documents"], source.documents - source.broken());
}

#[test]
fn without_a_usable_part_a_resumed_build_starts_anew() {
    let source = Source::new(300);
    let out = source.path("out");
    let report = source.build(&out, "--resume");
    for left in ["nothing that reads", "meta.json"] {
        std::fs::remove_dir_all(&out).unwrap();
        std::fs::create_dir(partial(&out)).unwrap();
        std::fs::write(partial(&out).join(left), "{}").unwrap();
        assert_eq!(source.build(&out, "--resume"), report);
        assert!(!partial(&out).exists());
    }
}

#[test]
fn a_build_that_fails_for_good_leaves_nothing() {
    let source = Source::new(300);
    let out = source.path("out");
    let said = source.refused(&out, "--strict --commit-every 10");
    assert_eq!((&said["code"], &said["line"]), (&"bad_json".into(), &51.into()));
    assert!(!out.exists() && !partial(&out).exists());
    assert_eq!(source.refused(&out, "--commit-every 0")["code"], "bad_argument");
    assert!(!out.exists() && !partial(&out).exists());
    // Ids are compared at the end, those of earlier commits too.
    let mut lines = data::lines(300);
    lines[280] = data::line(3);
    write_lines(&source.corpus, &lines);
    let said = source.refused(&out, "--commit-every 10");
    assert_eq!((&said["code"], &said["line"]), (&"duplicate_id".into(), &281.into()));
    assert!(!out.exists() && !partial(&out).exists());
}
