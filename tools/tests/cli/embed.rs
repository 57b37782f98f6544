//! The example of a plain tantivy app runs, and finds what it should.

use std::path::Path;
use std::process::Command;

#[test]
fn the_example_ranks_all_documents_and_joins_a_keyword() {
    // Plain `cargo test` builds examples beside the binary, before any test runs.
    let example = Path::new(env!("CARGO_BIN_EXE_uncsm-index")).with_file_name("examples").join("embed");
    let example = example.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(example.exists(), "build it first: cargo build -p uncsm-index-cli --example embed");
    let output = Command::new(example).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let lines = |start: &str| stdout.lines().filter(|line| line.starts_with(start)).collect::<Vec<_>>();
    let number = |line: &str| line.split_whitespace().last().unwrap().parse::<f64>().unwrap();
    let metric = lines("metric");
    let mut documents: Vec<&str> =
        metric.iter().map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    let logits: Vec<f64> = metric.iter().map(|line| number(line)).collect();
    assert!(logits.is_sorted_by(|a, b| a >= b), "{stdout}");
    documents.sort_unstable();
    assert_eq!(documents, ["0", "1", "2", "3"], "{stdout}");
    let hybrid = lines("hybrid");
    let mut boats: Vec<&str> = hybrid.iter().map(|line| line.split_whitespace().nth(2).unwrap()).collect();
    boats.sort_unstable();
    assert_eq!(boats, ["0:2", "0:3"], "{stdout}");
    // A probability and the keyword's own score are both in it.
    assert!(hybrid.iter().all(|line| number(line) > 0.0), "{stdout}");
}
