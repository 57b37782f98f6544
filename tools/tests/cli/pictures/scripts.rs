//! The programs that `demo --pictures openclipart` starts: what they lack, what they say, and that none is left behind.
//! `python3` is a script of the test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::files::s;
use crate::run::command;

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// A checkout as far as the demo looks, and a `python3` that does what `does` says when it is given a script.
fn checkout(dir: &Path, imports: &str, does: &str) {
    for script in ["tools/datasets/openclipart.py", "tools/encoders/from_pypi.sh"] {
        let path = dir.join(script);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    fs::create_dir_all(dir.join("bin")).unwrap();
    fs::create_dir_all(dir.join("below")).unwrap();
    let python = dir.join("bin/python3");
    fs::write(&python, format!("#!/bin/sh\nif [ \"$1\" = -c ]; then\n{imports}\nexit\nfi\n{does}\n"))
        .unwrap();
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The demo in a folder of the checkout, with the built-in encoders, so that pictures alone have to be got.
fn demo(dir: &Path, path: &str) -> Command {
    let mut command = command();
    command.args(["demo", "--pictures", "openclipart", "--limit", "77", "--seed", "5", "--dir", "out"]);
    command.args(["--encoder", "image=builtin-image-v1", "--encoder", "text=builtin-text-v1"]);
    command.current_dir(dir.join("below")).env("PATH", path);
    command
}

fn with_fake(dir: &Path) -> String {
    format!("{}:/usr/bin:/bin", s(&dir.join("bin")))
}

fn error(output: &Output) -> Value {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), stderr.lines().count()), (Some(2), 1), "{stderr}");
    serde_json::from_str::<Value>(&stderr).unwrap()["error"].clone()
}

#[test]
fn without_python_or_pillow_the_way_out_is_said() {
    let dir = tempfile::tempdir().unwrap();
    checkout(dir.path(), "echo 'Traceback' >&2; echo \"No module named 'PIL'\" >&2; exit 1", "exit 9");
    let fresh = dir.path().join("no-programs");
    fs::create_dir(&fresh).unwrap();
    let none = error(&demo(dir.path(), s(&fresh)).arg("--json").output().unwrap());
    assert_eq!(none["code"], "not_found");
    assert!(none["hint"].as_str().unwrap().starts_with("install Python"), "{none}");
    let none = error(&demo(dir.path(), &with_fake(dir.path())).arg("--json").output().unwrap());
    assert_eq!(
        (none["code"].as_str(), none["got"].as_str()),
        (Some("not_found"), Some("No module named 'PIL'"))
    );
    let hint = none["hint"].as_str().unwrap();
    assert!(hint.contains("tools/datasets/requirements.txt") && hint.contains("--pictures OUT"), "{none}");
    assert!(!dir.path().join("below/out").exists());
}

#[test]
fn what_a_script_is_told_and_says_is_passed_on() {
    let dir = tempfile::tempdir().unwrap();
    let does = "echo \"$@\" > ../told; echo 'some progress' >&2; echo 'openclipart.py: error: no network' >&2; exit 2";
    checkout(dir.path(), "", does);
    let failed = error(&demo(dir.path(), &with_fake(dir.path())).arg("--json").output().unwrap());
    assert_eq!(failed["code"], "io");
    assert!(failed["got"].as_str().unwrap().ends_with("openclipart.py: error: no network"), "{failed}");
    assert!(failed["file"].as_str().unwrap().ends_with("tools/datasets/openclipart.py"), "{failed}");
    let out = fs::canonicalize(dir.path()).unwrap().join("below/out/openclipart");
    let told = fs::read_to_string(dir.path().join("told")).unwrap();
    let (script, rest) = told.trim_end().split_once(' ').unwrap();
    assert!(script.ends_with("tools/datasets/openclipart.py"), "{told}");
    assert_eq!(rest, format!("{} --force --limit 77 --seed 5", s(&out)));
    // For people both lines stand before the error.
    let output = demo(dir.path(), &with_fake(dir.path())).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..2], ["some progress", "openclipart.py: error: no network"], "{said}");
    assert!(lines.len() == 3 && lines[2].starts_with("error: "), "{said}");
}

/// Whether the process is there, and no zombie that nobody has waited for.
fn runs(id: &str) -> bool {
    let state = Command::new("ps").args(["-o", "stat=", "-p", id]).output().unwrap();
    let state = String::from_utf8_lossy(&state.stdout).trim().to_owned();
    !state.is_empty() && !state.starts_with('Z')
}

#[test]
fn an_interrupt_leaves_no_program_behind() {
    for signal in ["-INT", "-TERM"] {
        let dir = tempfile::tempdir().unwrap();
        // Two that have to end: the script, and what it has started.
        checkout(dir.path(), "", "sleep 300 & echo $$ $! > ../ids.new; mv ../ids.new ../ids; wait");
        let child = demo(dir.path(), &with_fake(dir.path())).arg("--json").spawn().unwrap();
        let ids = dir.path().join("ids");
        let started = Instant::now();
        while !ids.exists() {
            assert!(started.elapsed() < PATIENCE, "the script did not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        let ids = fs::read_to_string(ids).unwrap();
        assert!(ids.split_whitespace().all(runs), "{ids}");
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let stopped = error(&child.wait_with_output().unwrap());
        assert_eq!(stopped["code"], "interrupted", "{stopped}");
        assert!(started.elapsed() < PATIENCE);
        let left: Vec<&str> = ids.split_whitespace().filter(|id| runs(id)).collect();
        assert!(left.is_empty(), "{signal}: {left:?} of {ids}");
    }
}
