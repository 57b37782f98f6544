//! Running the binary, and looking at what it says.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The binary.
pub(crate) fn command() -> Command {
    clean(env!("CARGO_BIN_EXE_uncsm-index"))
}

/// A program with a clean environment, its output piped. Every test of the command line runs the binary through here.
pub(crate) fn clean(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_remove("RUST_LOG").env_remove("RUST_BACKTRACE");
    // Encoders of this machine are seen by no test; one that wants some sets the variable itself.
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

impl Run {
    /// The error of a run that failed as the contract says: exit code 2, nothing on stdout, one line of JSON on stderr.
    fn error(&self, line: &str) -> Value {
        assert_eq!(self.code, 2, "{line}: {self:?}");
        assert_eq!(self.stdout, "", "{line}");
        assert_eq!(self.stderr.lines().count(), 1, "{line}: one line of JSON on stderr, got {}", self.stderr);
        let value: Value = serde_json::from_str(&self.stderr).unwrap();
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
}

/// Runs the binary with `args`.
pub(crate) fn run<S: AsRef<OsStr>>(args: &[S]) -> Run {
    finished(command().args(args))
}

fn finished(command: &mut Command) -> Run {
    let output = command.output().unwrap();
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
    run_json(line, paths).error(line)
}

/// The command `args` with JSON alone on stdout and stderr, on one thread unless `args` say how many.
pub(crate) fn quiet(args: &[&str]) -> Command {
    let mut command = command();
    command.args(args).args(["--json", "--quiet"]);
    if !args.contains(&"--threads") {
        command.args(["--threads", "1"]);
    }
    command
}

/// Runs a command that must end well, `query` with hits or without; gives its JSON.
pub(crate) fn ok(args: &[&str]) -> Value {
    let run = finished(&mut quiet(args));
    let nothing = args[0] == "query" && run.code == 1;
    assert!(run.code == 0 || nothing, "{args:?}: {run:?}");
    let answer: Value = serde_json::from_str(&run.stdout).unwrap();
    if args[0] == "query" {
        assert_eq!(answer["hits"].as_array().unwrap().is_empty(), nothing, "{args:?}");
    }
    answer
}

/// Runs a command that must fail; gives the error in its line of JSON.
pub(crate) fn err(args: &[&str]) -> Value {
    finished(&mut quiet(args)).error(&args.join(" "))
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

pub(crate) fn code(error: &Value) -> &str {
    error["code"].as_str().unwrap()
}

/// An empty folder for what all tests share. It stays after the run, since nothing drops a guard in a static; the next
/// run clears it.
pub(crate) fn fresh_dir(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).unwrap();
    }
    std::fs::create_dir_all(&dir).unwrap();
    dir
}
