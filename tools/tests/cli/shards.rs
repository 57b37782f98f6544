//! `build --shard` and `merge` as the processes of many machines run them: again and again, side by side, killed, on a full disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;
use uncsm_index::index::Checkpoint;

use crate::data;
use crate::files::{files_of, s, write_lines};
use crate::run::{code, command, err, ids, keys, ok, quiet, run};
use crate::world::{PATHWAYS, world};

/// A features file and the corpus of its rows.
struct Source {
    dir: TempDir,
    features: PathBuf,
    corpus: PathBuf,
}

impl Source {
    fn new(documents: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (features, corpus) = (dir.path().join("rows.safetensors"), dir.path().join("rows.jsonl"));
        data::rows(documents, 9).save(&features);
        write_lines(&corpus, &data::lines(documents));
        Self { dir, features, corpus }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The arguments of a build of the index `out`.
    fn args(&self, out: &str, more: &str) -> Vec<String> {
        let (features, corpus, out) = (s(&self.features), s(&self.corpus), self.path(out));
        let line = format!("build --features {features} {PATHWAYS} --corpus {corpus} --bundle");
        let line = format!("{line} {} --out {} {more}", s(&world().bundle), s(&out));
        line.split_whitespace().map(str::to_owned).collect()
    }

    fn build(&self, out: &str, more: &str) -> Value {
        ok(&strs(&self.args(out, more)))
    }

    fn refused(&self, out: &str, more: &str) -> Value {
        err(&strs(&self.args(out, more)))
    }

    fn start(&self, out: &str, more: &str) -> Child {
        let mut build = quiet(&strs(&self.args(out, more)));
        build.stdout(Stdio::null()).spawn().unwrap()
    }

    /// All parts, as `part.0` and so on.
    fn parts(&self, of: usize) -> Vec<PathBuf> {
        let build = |index: usize| {
            self.build(&format!("part.{index}"), &format!("--shard {index}/{of}"));
            self.path(&format!("part.{index}"))
        };
        (0..of).map(build).collect()
    }
}

fn strs(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

fn merge<'a>(out: &'a Path, parts: &'a [PathBuf], more: &[&'a str]) -> Vec<&'a str> {
    let parts = parts.iter().map(|part| s(part));
    ["merge", s(out)].into_iter().chain(parts).chain(more.iter().copied()).collect()
}

fn wait_for(what: &str, mut ready: impl FnMut() -> bool) {
    let started = Instant::now();
    while !ready() {
        assert!(started.elapsed() < Duration::from_secs(240), "{what} does not come");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn bytes_of(dirs: &[PathBuf]) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = dirs.iter().flat_map(|dir| files_of(dir).into_iter().map(|name| dir.join(name)));
    files.map(|file| (file.clone(), std::fs::read(&file).unwrap())).collect()
}

/// Ids with fields and scores of an answer.
fn hits(answer: &Value) -> Vec<Value> {
    let hit = |hit: &Value| json!([hit["id"], hit["score"], hit["fields"], hit["probability"], hit["rank"]]);
    answer["hits"].as_array().unwrap().iter().map(hit).collect()
}

/// Exact answers of several kinds.
fn answers(dirs: &[PathBuf]) -> Vec<Vec<Value>> {
    let features = s(&world().features);
    let media =
        ["--features", features, "--pathway", "image=image", "--rows", "3..4", "--exact", "--media", "any"];
    let dirs: Vec<&str> = dirs.iter().map(|dir| s(dir)).collect();
    let ask = |more: &[&str]| hits(&ok(&[&["query"], &dirs[..], more, &["-k", "5000"]].concat()));
    vec![
        ask(&media),
        ask(&[&media[..], &["--keywords", "red", "--fusion", "linear"]].concat()),
        ask(&["--keywords", "boat red"]),
        ask(&["--filter", "size:[3 TO 90]", "--sort", "size:desc"]),
    ]
}

/// Runs `args` where no file may have more than `kilobytes`.
#[cfg(target_os = "linux")]
fn limited(args: &[&str], kilobytes: usize) -> Value {
    // The shell counts in blocks of 512 bytes; a write beyond is an error and no signal then.
    let script = format!("trap '' XFSZ; ulimit -f {}; exec \"$@\"", 2 * kilobytes);
    let mut shell = crate::run::clean("sh");
    shell.args(["-c", &script, "sh"]).arg(command().get_program()).args(args).args(["--json", "--quiet"]);
    let output = shell.output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(2), &b""[..]), "{said}");
    serde_json::from_str::<Value>(&said).unwrap()["error"].clone()
}

#[test]
fn parts_are_built_merged_and_searched() {
    let source = Source::new(600);
    let report = source.build("part.0", "--shard 0/3");
    assert_eq!((&report["documents"], &report["shard"]), (&json!(200), &json!({"index": 0, "of": 3})));
    assert_eq!(report["already"], false);
    let before = bytes_of(&[source.path("part.0")]);
    let report = source.build("part.0", "--shard 0/3");
    assert_eq!((&report["documents"], &report["already"]), (&json!(200), &json!(true)));
    let said = run(&source.args("part.0", "--shard 0/3"));
    let text = format!("{}: complete already: shard 0 of 3, 200 documents\n", s(&source.path("part.0")));
    assert_eq!((said.code, said.stdout), (0, text));
    assert!(bytes_of(&[source.path("part.0")]) == before);
    let parts = source.parts(3);
    let manifest = std::fs::read_to_string(parts[1].join("uncsm-shard.json")).unwrap();
    let manifest: Value = serde_json::from_str(&manifest).unwrap();
    assert_eq!(
        keys(&manifest),
        ["build", "documents", "files", "items", "model", "parts", "schema", "space", "version", "warnings"]
    );
    assert_eq!(keys(&manifest["parts"][0]), ["documents", "fingerprint", "of", "options", "shard", "source"]);
    assert_eq!((&manifest["parts"][0]["shard"], &manifest["parts"][0]["of"]), (&json!(1), &json!(3)));
    let trained = &world().trained["fingerprint"];
    assert_eq!((&manifest["space"], &manifest["model"]), (&trained["space"], &trained["model"]));
    for (name, sum) in manifest["files"].as_object().unwrap() {
        let bytes = std::fs::read(parts[1].join(name)).unwrap();
        assert_eq!(sum["bytes"], bytes.len());
        assert_eq!(sum["crc32"], format!("{:08x}", crc32(&bytes)), "{name}");
    }

    let out = source.path("merged");
    let report = ok(&merge(&out, &parts, &[]));
    assert_eq!(
        keys(&report),
        [
            "bytes",
            "documents",
            "items",
            "missing",
            "replaced",
            "seconds",
            "segments",
            "skipped",
            "stages",
            "warnings"
        ]
    );
    assert_eq!(keys(&report["stages"]), ["cells", "check", "merge", "move"]);
    assert_eq!(report["items"], json!({"image": 600, "text": 600}));
    assert_eq!(
        (&report["documents"], &report["warnings"], &report["segments"]),
        (&json!(600), &json!(0), &json!(1))
    );
    assert_eq!(ok(&["verify", s(&out)])["ok"], true);
    let inspected = ok(&["inspect", s(&out)]);
    assert_eq!((&inspected["documents"], &inspected["complete"]), (&json!(600), &json!(true)));
    source.build("whole", "");
    let expected = answers(&[source.path("whole")]);
    assert!(expected.iter().all(|hits| !hits.is_empty()));
    assert_eq!(answers(&parts), expected);
    assert_eq!(answers(std::slice::from_ref(&out)), expected);

    let error = err(&merge(&out, &parts, &[]));
    assert_eq!(code(&error), "exists");
    assert_eq!(ok(&merge(&out, &parts[..2], &["--force"]))["missing"][0]["shards"], json!([2]));
    let both = [out.clone(), source.path("whole")];
    let error = err(&merge(&source.path("twice"), &both, &[]));
    assert_eq!(code(&error), "duplicate_id");
    assert!(error["hint"].as_str().unwrap().contains("--on-duplicate last"), "{error}");
    let report = ok(&merge(&source.path("twice"), &both, &["--on-duplicate", "last"]));
    assert_eq!((&report["documents"], &report["replaced"]), (&json!(600), &json!(400)));
    assert_eq!(code(&source.refused("part.0", "--shard 3/3")), "bad_argument");
    assert_eq!(code(&source.refused("part.0", "--shard 1/3")), "changed");
    assert_eq!(source.build("part.0", "--shard 1/3 --force")["already"], false);
}

/// That of zlib, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn rows_without_a_corpus_have_the_numbers_of_the_whole() {
    let source = Source::new(90);
    let out = source.path("part");
    let line = format!("build --features {} {PATHWAYS} --bundle", s(&source.features));
    let line = format!("{line} {} --out {} --shard 2/3", s(&world().bundle), s(&out));
    assert_eq!(ok(&line.split_whitespace().collect::<Vec<_>>())["documents"], 30);
    let found = ids(&ok(&["query", s(&out), "--filter", "*", "-k", "50", "--sort", "id"]));
    assert_eq!(found.len(), 30);
    assert_eq!((found.first().unwrap().as_str(), found.last().unwrap().as_str()), ("60", "89"));
}

#[test]
fn a_part_that_is_killed_goes_on_and_is_the_same() {
    let source = Source::new(8_000);
    let often = "--shard 1/2 --commit-every 300";
    let whole = source.build("whole", often);
    let (out, partial) = (source.path("part"), source.path("part.partial"));
    let mut resumed = false;
    for kill in 0..12 {
        let mut child = source.start("part", often);
        let begun = Checkpoint::load(&partial).map_or(0, |at| at.consumed);
        wait_for("a commit or the end", || {
            out.exists() || Checkpoint::load(&partial).is_some_and(|at| at.consumed > begun)
        });
        std::thread::sleep(Duration::from_millis(7 * kill));
        let _ = child.kill();
        child.wait().unwrap();
        resumed |= begun > 0;
        if out.exists() {
            break;
        }
    }
    assert!(resumed, "a killed part went on");
    let report = source.build("part", often);
    assert_eq!((&report["documents"], &report["items"]), (&whole["documents"], &whole["items"]));
    assert_eq!(ok(&["verify", s(&out)])["ok"], true);
    assert_eq!(answers(&[out]), answers(&[source.path("whole")]));
    assert!(!partial.exists());
}

#[test]
fn of_two_workers_on_one_part_the_second_is_told_and_nothing_is_harmed() {
    let source = Source::new(8_000);
    let more = "--shard 0/2 --commit-every 200";
    let child = source.start("part", more);
    wait_for("a commit", || Checkpoint::load(&source.path("part.partial")).is_some());
    let error = source.refused("part", more);
    assert_eq!(code(&error), "locked");
    assert!(error["hint"].as_str().unwrap().contains("another process builds this part"), "{error}");
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(ok(&["verify", s(&source.path("part"))])["ok"], true);
    let report = source.build("part", more);
    assert_eq!((&report["documents"], &report["already"]), (&json!(4_000), &json!(true)));
}

#[test]
fn a_part_that_always_fails_says_why_and_the_others_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    let mut lines: Vec<String> =
        (0..400).map(|at| format!("{{\"id\":\"{at}\",\"text\":\"a red boat {at}\"}}")).collect();
    lines[250] = "{\"id\":".into();
    write_lines(&path("c.jsonl"), &lines);
    let bundle = s(crate::corpora::bundle()).to_owned();
    let build = |index: usize| {
        let line = format!("build {} --bundle {bundle} --strict", s(&path("c.jsonl")));
        let line = format!("{line} --out {} --shard {index}/4", s(&path(&format!("part.{index}"))));
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    let mut parts = Vec::new();
    for index in 0..4 {
        let args = build(index);
        if index != 2 {
            ok(&strs(&args));
            parts.push(path(&format!("part.{index}")));
            continue;
        }
        for _ in 0..2 {
            let error = err(&strs(&args));
            assert_eq!(code(&error), "bad_json");
            let before: usize = lines[..250].iter().map(|line| line.len() + 1).sum();
            assert_eq!(error["offset"], before + lines[250].len() - 1, "{error}");
            assert_eq!(error["file"], s(&path("c.jsonl")));
            assert!(!path("part.2").exists() && !path("part.2.partial").exists());
        }
    }
    let report = ok(&merge(&path("out"), &parts, &[]));
    assert_eq!((&report["missing"][0]["shards"], &report["warnings"]), (&json!([2]), &json!(1)));
    let said = run(&merge(&path("other"), &parts, &[])).stdout;
    assert!(said.contains("1 of 4 parts: 2\n"), "{said}");
    // Without an id a line of a part has no name: also where bad lines are passed over, the part ends.
    lines[250] = "{\"text\":\"no name\"}".into();
    write_lines(&path("c.jsonl"), &lines);
    let lenient: Vec<String> = build(2).into_iter().filter(|arg| arg != "--strict").collect();
    for args in [build(2), lenient] {
        let error = err(&strs(&args));
        assert!(error["message"].as_str().unwrap().contains("has no id"), "{error}");
        assert!(error["hint"].as_str().unwrap().ends_with("--id-from hash"), "{error}");
        assert!(!path("part.2").exists() && !path("part.2.partial").exists());
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_harms_nothing() {
    let source = Source::new(3_000);
    let args = source.args("part", "--shard 0/1 --commit-every 500");
    let error = limited(&strs(&args), 40);
    assert_eq!(code(&error), "io", "{error}");
    assert!(error["file"].is_string(), "{error}");
    assert!(!source.path("part").exists());
    assert_eq!(source.build("part", "--shard 0/1 --commit-every 500")["documents"], 3_000);
    assert_eq!(ok(&["verify", s(&source.path("part"))])["ok"], true);

    let parts = source.parts(3);
    let before = bytes_of(&parts);
    let out = source.path("merged");
    let error = limited(&merge(&out, &parts, &[]), 300);
    assert_eq!(code(&error), "io", "{error}");
    assert!(!out.exists() && !source.path("merged.partial").exists(), "{error}");
    assert!(bytes_of(&parts) == before);
    assert_eq!(ok(&merge(&out, &parts, &[]))["documents"], 3_000);
}

#[test]
fn a_killed_merge_leaves_parts_as_they_are_and_is_run_again() {
    let source = Source::new(3_000);
    let parts = source.parts(4);
    let (before, out, partial) = (bytes_of(&parts), source.path("merged"), source.path("merged.partial"));
    let started = Instant::now();
    ok(&merge(&source.path("first"), &parts, &[]));
    let whole = started.elapsed();
    let mut killed = 0;
    for kill in 0..8 {
        let mut child: Child =
            Command::spawn(quiet(&merge(&out, &parts, &[])).stdout(Stdio::null())).unwrap();
        std::thread::sleep(whole.mul_f64(f64::from(kill) / 8.0));
        child.kill().unwrap();
        child.wait().unwrap();
        killed += usize::from(partial.exists());
        assert!(bytes_of(&parts) == before, "kill {kill}");
        if out.exists() {
            assert_eq!(ok(&["verify", s(&out)])["ok"], true);
            std::fs::remove_dir_all(&out).unwrap();
        }
    }
    assert!(killed >= 2, "{killed} merges were killed on their way");
    assert_eq!(ok(&merge(&out, &parts, &[]))["documents"], 3_000);
    assert_eq!(ok(&["verify", s(&out)])["ok"], true);
    assert!(!partial.exists());
    assert!(bytes_of(&parts) == before);
}
