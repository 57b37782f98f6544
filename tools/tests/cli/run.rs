//! Running the binary, and looking at what it says.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// The binary with a clean environment, its output piped.
pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_uncsm-index"));
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    // Encoders that lie on this machine are no part of a test.
    command.env_remove("UNCSM_ENCODERS").env("UNCSM_CACHE", env!("CARGO_TARGET_TMPDIR"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a finished run left.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the binary with `args`.
pub(crate) fn run<S: AsRef<OsStr>>(args: &[S]) -> Run {
    let output = command().args(args).output().unwrap();
    Run {
        code: output.status.code().expect("the binary ended by itself"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Runs `line`, split at blanks, with `paths` for its `%` and blanks for its `~`, and `--json`; expects `code`, one JSON object and a silent stderr.
pub(crate) fn json(code: i32, line: &str, paths: &[&Path]) -> Value {
    let run = run_json(line, paths);
    assert_eq!(run.code, code, "{line}: {run:?}");
    assert_eq!(run.stderr, "", "{line}");
    assert_eq!(run.stdout.lines().count(), 1, "{line}: one line of JSON on stdout");
    serde_json::from_str(&run.stdout).unwrap()
}

/// Runs as [`json`] does; expects exit code 2, nothing on stdout and one line on stderr, and returns the error in it.
pub(crate) fn error(line: &str, paths: &[&Path]) -> Value {
    let run = run_json(line, paths);
    assert_eq!(run.code, 2, "{line}: {run:?}");
    assert_eq!(run.stdout, "", "{line}");
    assert_eq!(run.stderr.lines().count(), 1, "{line}: one line of JSON on stderr, got {}", run.stderr);
    let value: Value = serde_json::from_str(&run.stderr).unwrap();
    let object = value.as_object().unwrap();
    assert_eq!(object.keys().collect::<Vec<_>>(), ["error"], "{line}");
    let error = object["error"].clone();
    let known = ["code", "message", "file", "line", "offset", "expected", "got", "hint"];
    for (key, value) in error.as_object().unwrap() {
        assert!(known.contains(&key.as_str()), "{line}: `{key}` is not in the contract");
        assert!(!value.is_null(), "{line}: `{key}` does not apply, so it is left out");
    }
    assert!(!error["message"].as_str().unwrap().is_empty(), "{line}");
    error
}

/// `%` in `line` stands for the next of `paths`, `~` for a blank inside an argument.
fn run_json(line: &str, paths: &[&Path]) -> Run {
    let mut paths = paths.iter();
    let fill = |word: &str| match word {
        "%" => paths.next().expect("a path for each %").as_os_str().to_owned(),
        word => word.replace('~', " ").into(),
    };
    let mut args: Vec<std::ffi::OsString> = line.split_whitespace().map(fill).collect();
    assert!(paths.next().is_none(), "{line}: a % for each path");
    args.push("--json".into());
    run(&args)
}

/// The keys of a JSON object, sorted.
pub(crate) fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

/// The ids of the hits, in order.
pub(crate) fn ids(response: &Value) -> Vec<String> {
    let id = |hit: &Value| hit["id"].as_str().unwrap().to_owned();
    response["hits"].as_array().unwrap().iter().map(id).collect()
}
