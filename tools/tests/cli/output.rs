//! stdout holds results alone, errors are one sentence, and a reader may leave early.

use std::ffi::OsStr;
use std::process::Stdio;

use crate::run::{command, run};
use crate::world::world;

#[test]
fn an_error_in_text_form_is_one_line_on_stderr() {
    let world = world();
    let args: [&OsStr; 4] =
        ["query".as_ref(), world.index.as_ref(), "--keywords".as_ref(), "nope:red".as_ref()];
    let found = run(&args);
    assert_eq!((found.code, found.stdout.as_str()), (2, ""));
    assert_eq!(found.stderr.lines().count(), 1, "{}", found.stderr);
    assert!(found.stderr.starts_with("error: "), "{}", found.stderr);
}

#[test]
fn help_and_version_are_results() {
    for args in [&["--help"][..], &["query", "--help"], &["--version"], &["--version", "--json"]] {
        let found = run(args);
        assert_eq!((found.code, found.stderr.as_str()), (0, ""), "{args:?}");
        assert!(found.stdout.contains("uncsm-index"), "{args:?}");
    }
    let found = run(&["--nonsense"]);
    assert_eq!((found.code, found.stdout.as_str()), (2, ""));
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let world = world();
    let (index, bundle) = (world.index.as_os_str(), world.bundle.as_os_str());
    let lines: [&[&OsStr]; 6] = [
        &["query".as_ref(), index, "--keywords".as_ref(), "red".as_ref(), "-k".as_ref(), "100".as_ref()],
        &[
            "query".as_ref(),
            index,
            "--keywords".as_ref(),
            "red".as_ref(),
            "-k".as_ref(),
            "100".as_ref(),
            "--json".as_ref(),
        ],
        &["inspect".as_ref(), index],
        &["inspect".as_ref(), bundle, "--json".as_ref()],
        &["verify".as_ref(), index],
        &["schema".as_ref(), world.corpus.as_os_str()],
    ];
    for args in lines {
        // The reading end is closed before the program writes, so that each write fails.
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = command().args(args).stdout(Stdio::from(writer)).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), stderr.as_ref()), (Some(0), ""), "{args:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_under_stdout_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let args = ["verify".as_ref(), world().index.as_os_str(), "--json".as_ref()];
    let output = command().args(args).stdout(Stdio::from(full)).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error: serde_json::Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&error["error"]["code"], &error["error"]["file"]), (&"io".into(), &"stdout".into()));
}
