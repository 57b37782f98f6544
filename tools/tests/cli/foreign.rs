//! Index directories from anyone: no file outside of them is opened, written or deleted, and nothing hangs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::files::{copy_dir, file_of};
use crate::run::{Run, command, json};
use crate::world::{PATHWAYS, world};

/// Far longer than any of these commands takes on a busy machine.
const LONGEST: Duration = Duration::from_secs(60);

/// A copy of the shared index with a deleted document, and a file beside it that is none of its.
struct Place {
    dir: TempDir,
    index: PathBuf,
    victim: PathBuf,
}

impl Place {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (index, victim) = (dir.path().join("index"), dir.path().join("victim"));
        copy_dir(with_a_delete(), &index);
        std::fs::write(&victim, "precious").unwrap();
        Self { dir, index, victim }
    }

    /// Runs `line`, split at blanks, with `I` for the index, `W` for what the shared world has; within bounded time.
    fn run(&self, line: &str) -> Run {
        let world = world();
        let word = |word: &str| match word {
            "I" => self.index.clone().into_os_string(),
            "FEATURES" => world.features.clone().into_os_string(),
            "CORPUS" => world.corpus.clone().into_os_string(),
            "BUNDLE" => world.bundle.clone().into_os_string(),
            word => word.into(),
        };
        let args: Vec<_> = line.split_whitespace().map(word).collect();
        within_time(command().args(args).arg("--json"), line)
    }

    /// The victim is what it was, and nothing came to lie beside the index.
    fn assert_untouched(&self, what: &str) {
        assert_eq!(std::fs::read_to_string(&self.victim).unwrap(), "precious", "{what}");
        let mut names: Vec<_> =
            std::fs::read_dir(self.dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        names.retain(|name| !["index", "victim"].map(OsStr::new).contains(&name.as_os_str()));
        assert!(names.is_empty(), "{what}: {names:?}");
    }
}

/// An index with a file of every kind, made once.
fn with_a_delete() -> &'static Path {
    static INDEX: OnceLock<PathBuf> = OnceLock::new();
    INDEX.get_or_init(|| {
        let index = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli-foreign");
        let _ = std::fs::remove_dir_all(&index);
        copy_dir(&world().index, &index);
        json(0, "delete % --id d00003", &[&index]);
        index
    })
}

/// What a command leaves; fails where it does not end by itself.
fn within_time(command: &mut Command, what: &str) -> Run {
    let mut child = command.spawn().unwrap();
    let started = Instant::now();
    while child.try_wait().unwrap().is_none() {
        if started.elapsed() > LONGEST {
            child.kill().unwrap();
            panic!("{what}: hangs");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let output = child.wait_with_output().unwrap();
    let code = output.status.code().unwrap_or_else(|| panic!("{what}: {output:?}"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code, stdout: text(output.stdout), stderr: text(output.stderr) }
}

fn add() -> String {
    format!("add I --features FEATURES {PATHWAYS} --corpus CORPUS")
}

fn append() -> String {
    format!("build --append --out I --features FEATURES {PATHWAYS} --corpus CORPUS --bundle BUNDLE")
}

const FIND: &str = "query I --features FEATURES --pathway image=image --rows 17..18";

/// Every command that opens an index.
fn commands() -> Vec<String> {
    let fixed = [FIND, "inspect I", "verify I", "delete I --id d00004", "attach I --bundle BUNDLE"];
    fixed.into_iter().map(str::to_owned).chain([add(), append()]).collect()
}

/// `run` refused, as damage of a file whose path ends with `file`, be it as an error or as what `verify` lists.
#[track_caller]
fn assert_damaged(run: &Run, file: &str, what: &str) {
    // `inspect` lists damaged segments beside the others.
    let is_listed = what.contains("inspect") && !run.stdout.is_empty();
    assert_eq!(run.code, if is_listed { 0 } else { 2 }, "{what}: {run:?}");
    let value = |text: &str| serde_json::from_str::<Value>(text.lines().last().unwrap()).unwrap();
    let (code, named) = match run.stdout.is_empty() {
        true => (value(&run.stderr)["error"]["code"].clone(), value(&run.stderr)["error"].to_string()),
        false => {
            ("damaged".into(), value(&run.stdout)[if is_listed { "damaged" } else { "damage" }].to_string())
        }
    };
    assert_eq!(code, "damaged", "{what}: {run:?}");
    assert!(named.contains(file), "{what} does not name {file}: {run:?}");
}

#[test]
fn names_in_the_hosts_list_of_files_stay_inside() {
    for bad in ["../victim", "ABSOLUTE", "a/../../victim", "./../victim", "", "..", "../index/../victim"] {
        let place = Place::new();
        let bad = if bad == "ABSOLUTE" { place.victim.to_str().unwrap() } else { bad };
        let list = place.index.join(".managed.json");
        let mut names: Vec<String> = serde_json::from_slice(&std::fs::read(&list).unwrap()).unwrap();
        names.push(bad.to_owned());
        std::fs::write(&list, serde_json::to_vec(&names).unwrap()).unwrap();
        for line in commands() {
            assert_damaged(&place.run(&line), ".managed.json", &format!("{bad:?}: {line}"));
            place.assert_untouched(&line);
        }
    }
}

#[test]
fn files_of_the_index_that_are_none_of_a_segment_are_not_collected() {
    let place = Place::new();
    let list = place.index.join(".managed.json");
    let mut names: Vec<String> = serde_json::from_slice(&std::fs::read(&list).unwrap()).unwrap();
    names.extend(["uncsm-index.json", "notes.txt", ".tantivy-writer.lock"].map(str::to_owned));
    std::fs::write(&list, serde_json::to_vec(&names).unwrap()).unwrap();
    std::fs::write(place.index.join("notes.txt"), "mine").unwrap();
    for line in ["delete I --id d00005".to_owned(), add()] {
        assert_eq!(place.run(&line).code, 0, "{line}");
    }
    assert_eq!(std::fs::read_to_string(place.index.join("notes.txt")).unwrap(), "mine");
    assert_eq!(place.run("verify I").code, 0);
}

#[test]
fn the_folder_of_the_bundle_stays_inside() {
    for bad in ["/", "../victim", "..", ".", "", "a/b", "/etc", "bundle\\..\\x"] {
        let place = Place::new();
        let file = place.index.join("uncsm-index.json");
        let mut manifest: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        manifest["bundle"] = bad.into();
        std::fs::write(&file, manifest.to_string()).unwrap();
        for line in commands() {
            assert_damaged(&place.run(&line), "uncsm-index.json", &format!("{bad:?}: {line}"));
        }
        place.assert_untouched(bad);
    }
}

#[test]
fn extensions_in_meta_json_name_no_other_file() {
    let place = Place::new();
    let file = place.index.join("meta.json");
    let meta = std::fs::read_to_string(&file).unwrap();
    assert!(meta.contains("\"uvec\""), "{meta}");
    std::fs::write(&file, meta.replacen("\"uvec\"", "\"uvec\",\"/../../victim\"", 1)).unwrap();
    for line in commands() {
        place.run(&line);
        place.assert_untouched(&line);
    }
}

/// What may lie in place of a file.
#[derive(Debug, Clone, Copy)]
enum Instead {
    Link,
    DeadLink,
    Pipe,
    Folder,
}

fn replace(file: &Path, instead: Instead, place: &Place) {
    let aside = place.dir.path().join("victim");
    let is_folder = file.is_dir();
    match instead {
        // To the very same content: nothing but the link is wrong.
        Instead::Link if is_folder => {
            std::fs::rename(file, place.index.join("real")).unwrap();
            std::os::unix::fs::symlink(place.index.join("real"), file).unwrap();
        }
        Instead::Link => {
            let there = place.index.join("real");
            if file.exists() {
                std::fs::rename(file, &there).unwrap();
            } else {
                std::fs::write(&there, "").unwrap();
            }
            std::os::unix::fs::symlink(there, file).unwrap();
        }
        Instead::DeadLink => {
            let _ = std::fs::remove_file(file);
            std::os::unix::fs::symlink(aside.with_file_name("made"), file).unwrap();
        }
        Instead::Pipe => {
            let _ = std::fs::remove_file(file);
            assert!(Command::new("mkfifo").arg(file).status().unwrap().success());
        }
        Instead::Folder => {
            let _ = std::fs::remove_file(file);
            std::fs::create_dir(file).unwrap();
        }
    }
}

#[test]
fn links_pipes_and_folders_in_place_of_files_are_refused() {
    let kinds = ["store", "idx", "pos", "term", "fast", "fieldnorm", "del", "uvec"];
    let named = ["meta.json", ".managed.json", "uncsm-index.json", ".tantivy-meta.lock"];
    let of_the_bundle = ["config.json", "model.safetensors", "checks.json"];
    let bundle = |place: &Place| {
        let manifest = std::fs::read(place.index.join("uncsm-index.json")).unwrap();
        let manifest: Value = serde_json::from_slice(&manifest).unwrap();
        place.index.join(manifest["bundle"].as_str().unwrap())
    };
    type FileOf = Box<dyn Fn(&Place) -> PathBuf>;
    let files: Vec<FileOf> = kinds
        .into_iter()
        .map(|kind| Box::new(move |place: &Place| file_of(&place.index, kind)) as Box<_>)
        .chain(named.map(|name| Box::new(move |place: &Place| place.index.join(name)) as Box<_>))
        .chain(of_the_bundle.map(|name| Box::new(move |place: &Place| bundle(place).join(name)) as Box<_>))
        .collect();
    for (n, file) in files.iter().enumerate() {
        for (m, instead) in
            [Instead::Link, Instead::DeadLink, Instead::Pipe, Instead::Folder].into_iter().enumerate()
        {
            let place = Place::new();
            let file = file(&place);
            replace(&file, instead, &place);
            let name = file.file_name().unwrap().to_str().unwrap();
            let change = [add(), append(), "delete I --id d00004".to_owned()];
            let lines = ["verify I", FIND, "inspect I", &change[(n + m) % 3]];
            for line in [lines[m], lines[(m + 1) % 4]] {
                let run = place.run(line);
                if line == "inspect I" && run.code == 0 {
                    // It shows the rest, and names what does not read.
                    let report: Value = serde_json::from_str(&run.stdout).unwrap();
                    assert!(report["damaged"].to_string().contains(name), "{name} {instead:?}: {report}");
                } else {
                    assert_damaged(&run, name, &format!("{name} {instead:?}: {line}"));
                }
                place.assert_untouched(line);
            }
        }
    }
}

#[test]
fn a_writers_lock_that_is_no_file_stops_writers_alone() {
    for instead in [Instead::Link, Instead::DeadLink, Instead::Pipe, Instead::Folder] {
        let place = Place::new();
        replace(&place.index.join(".tantivy-writer.lock"), instead, &place);
        for line in [FIND, "inspect I", "verify I"] {
            assert_eq!(place.run(line).code, 0, "{instead:?}: {line}");
        }
        for line in [add(), append(), "delete I --id d00004".into(), "attach I --bundle BUNDLE".into()] {
            assert_damaged(&place.run(&line), ".tantivy-writer.lock", &format!("{instead:?}: {line}"));
            place.assert_untouched(&line);
        }
    }
}

#[test]
fn folders_of_an_index_are_real_ones() {
    let place = Place::new();
    let bundle = std::fs::read_dir(&place.index).unwrap().map(|e| e.unwrap().path());
    let bundle = bundle.into_iter().find(|path| path.is_dir()).unwrap();
    replace(&bundle, Instead::Link, &place);
    for line in commands() {
        assert_damaged(&place.run(&line), bundle.file_name().unwrap().to_str().unwrap(), &line);
    }
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(outside.path(), place.index.join("encoders")).unwrap();
    for line in commands() {
        assert_damaged(&place.run(&line), "encoders", &line);
    }
    for instead in [Instead::DeadLink, Instead::Pipe] {
        let place = Place::new();
        std::fs::create_dir(place.index.join("encoders")).unwrap();
        replace(&place.index.join("encoders").join("encoders.json"), instead, &place);
        for line in commands() {
            assert_damaged(&place.run(&line), "encoders.json", &format!("{instead:?}: {line}"));
        }
    }
}

#[test]
fn an_index_may_be_reached_by_a_link() {
    let place = Place::new();
    let real = place.dir.path().join("index");
    let elsewhere = tempfile::tempdir().unwrap();
    let link = elsewhere.path().join("link");
    std::os::unix::fs::symlink(&real, &link).unwrap();
    let place = Place { index: link, ..place };
    for line in commands() {
        assert_eq!(place.run(&line).code, 0, "{line}");
    }
}

#[test]
fn what_lies_beside_the_output_of_a_build_is_not_followed() {
    let build = format!("build --out I --features FEATURES {PATHWAYS} --corpus CORPUS --bundle BUNDLE");
    for (name, instead) in [(".index.uncsm-lock", Instead::Pipe), (".index.uncsm-lock", Instead::DeadLink)] {
        let place = Place::new();
        replace(&place.dir.path().join(name), instead, &place);
        let run = place.run(&format!("{build} --force"));
        assert_eq!(run.code, 2, "{name} {instead:?}: {run:?}");
        assert!(run.stderr.contains(name), "{run:?}");
        assert!(!place.dir.path().join("made").exists());
    }
    // The unfinished part is a link to a folder of somebody else.
    let place = Place::new();
    let outside = tempfile::tempdir().unwrap();
    copy_dir(&world().index, &outside.path().join("theirs"));
    let partial = place.dir.path().join("index.partial");
    std::os::unix::fs::symlink(outside.path().join("theirs"), &partial).unwrap();
    for more in ["--force", "--force --resume"] {
        let run = place.run(&format!("{build} {more}"));
        assert_eq!(run.code, 2, "{more}: {run:?}");
        assert!(run.stderr.contains("index.partial"), "{run:?}");
    }
    assert!(outside.path().join("theirs").join("meta.json").exists());
}
