//! What a query reads from stdin, and what of a document reaches a terminal.

use std::io::Write;
use std::process::Stdio;

use serde_json::Value;

use crate::run::{command, run};
use crate::world::world;

/// Runs `query` on the shared index with `input` on stdin; exit code, stdout and stderr.
fn piped(args: &[&str], input: &[u8]) -> (i32, String, String) {
    let mut child =
        command().arg("query").arg(&world().index).args(args).stdin(Stdio::piped()).spawn().unwrap();
    // Whoever does not want all of it closes its end.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_batch_comes_through_a_pipe() {
    let lines = "{\"words\": \"red\", \"operator\": \"and\", \"k\": 2}\n\n{\"wrods\": \"red\"}\n{\"words\": \"(\", \"in\": \"text\"}\n";
    let (code, stdout, _) = piped(&["--batch", "-", "--json"], lines.as_bytes());
    let answers: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(code, 2);
    assert_eq!(answers.iter().map(|answer| answer["line"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 3, 4]);
    assert_eq!(answers[0]["hits"].as_array().unwrap().len(), 2);
    assert!(answers[1]["error"]["message"].as_str().unwrap().contains("--wrods"), "{}", answers[1]);
    assert!(answers[2]["warnings"][0].as_str().unwrap().contains("no word"), "{}", answers[2]);
    // Settings beside a batch are for the lines with words.
    let (code, stdout, _) = piped(
        &["--batch", "-", "--json", "--typos", "1", "--prefix", "-k", "1"],
        b"{\"words\": \"re\"}\n{\"keywords\": \"red\"}\n{\"keywords\": \"red\", \"typos\": 2}\n",
    );
    assert_eq!(code, 2);
    assert_eq!(stdout.lines().filter(|line| line.contains("\"hits\":[{")).count(), 2, "{stdout}");
    assert!(stdout.lines().last().unwrap().contains("plain words"), "{stdout}");
    // As flags and as a line they say the same.
    let flags = run(&[
        "query",
        world().index.to_str().unwrap(),
        "--words",
        "rde circel",
        "--typos",
        "2",
        "--in",
        "text",
        "--json",
    ]);
    let (_, line, _) = piped(
        &["--batch", "-", "--json"],
        b"{\"words\": \"rde circel\", \"typos\": \"2\", \"in\": [\"text\"]}",
    );
    let hits = |text: &str| serde_json::from_str::<Value>(text).unwrap()["hits"].clone();
    assert_eq!(hits(&flags.stdout), hits(&line));
}

#[test]
fn a_picture_on_a_pipe_is_read_up_to_its_limit() {
    let (code, _, stderr) = piped(&["--image", "-", "--max-bytes", "1000", "--json"], &[0; 4096]);
    assert_eq!(code, 2);
    assert!(stderr.contains("too_large") && stderr.contains("1000 bytes"), "{stderr}");
    let (code, _, stderr) = piped(&["--image", "-", "--batch", "-", "--json"], b"");
    assert_eq!(code, 2);
    assert!(stderr.contains("more than once"), "{stderr}");
}

#[test]
fn what_a_terminal_obeys_is_written_out_and_json_is_as_it_was() {
    let words = "red \u{1b}[2J\u{7}\r\u{9b}31m";
    let index = world().index.to_str().unwrap();
    // An error shows what was typed.
    let error = run(&["query", index, "--filter", &format!("({words}")]);
    assert_eq!(error.code, 2);
    assert!(error.stderr.contains("\\u{1b}[2J\\u{7}\\r\\u{9b}31m"), "{}", error.stderr);
    assert!(error.stderr.chars().all(|c| c == '\n' || !c.is_control()), "{:?}", error.stderr);
    // So does a warning, and the line of a batch.
    let warning = run(&["query", index, "--words", "\u{1b}]0;\u{7}"]);
    assert!(warning.stderr.contains("\\u{1b}]") || warning.stderr.is_empty(), "{:?}", warning.stderr);
    let (_, stdout, _) = piped(&["--batch", "-"], b"{\"keywords\": \"(\\u001b[2J\"}\n");
    assert!(stdout.contains("\\u{1b}[2J") && !stdout.contains('\u{1b}'), "{stdout:?}");
    let (_, stdout, _) = piped(&["--batch", "-", "--json"], b"{\"keywords\": \"(\\u001b[2J\"}\n");
    let answer: Value = serde_json::from_str(&stdout).unwrap();
    assert!(answer["error"]["got"].as_str().unwrap().contains("\u{1b}[2J"), "{answer}");
}

#[test]
fn warnings_stand_on_stderr_and_in_the_answer() {
    let index = world().index.to_str().unwrap();
    let text = run(&["query", index, "--words", "?!"]);
    assert_eq!((text.code, text.stderr.lines().count()), (1, 1));
    assert!(text.stderr.starts_with("warning: there is no word to look for in `?!`"), "{}", text.stderr);
    assert_eq!(run(&["query", index, "--words", "?!", "--quiet"]).stderr, "");
    let json = run(&["query", index, "--words", "?!", "--json"]);
    assert_eq!(json.stderr, "");
    let answer: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(format!("warning: {}\n", answer["warnings"][0].as_str().unwrap()), text.stderr);
}
