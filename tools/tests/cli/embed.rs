//! The examples run, and find what they should.

use std::path::Path;

use crate::run::clean;

/// What an example prints.
fn example(name: &str, args: &[&std::ffi::OsStr]) -> String {
    // Plain `cargo test` builds examples beside the binary, before any test runs.
    let example = Path::new(env!("CARGO_BIN_EXE_uncsm-index")).with_file_name("examples").join(name);
    let example = example.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(example.exists(), "build it first: cargo build --example {name}");
    let output = clean(example).args(args).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn everything_works_on_an_index_of_the_app() {
    let stdout = example("plugin", &[]);
    let count = |start: &str| stdout.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(
        (count("clause"), count("collector"), count("set"), count("engine")),
        (2, 3, 1, 2),
        "{stdout}"
    );
    assert!(stdout.contains("of 4"), "{stdout}");
    // A red bird and a red boat, on two shelves.
    assert!(stdout.contains("animals") && stdout.contains("ships"), "{stdout}");
}

#[test]
fn the_server_answers_what_it_is_asked() {
    let index = &crate::world::world().index;
    let stdout = example("server", &[index.as_os_str(), "red".as_ref(), "nosuchword".as_ref(), "(".as_ref()]);
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[..2], ["red: 80 matches", "nosuchword: 0 matches"]);
    assert!(lines[2].contains("does not parse"), "{stdout}");
}

#[test]
fn the_example_ranks_all_documents_and_joins_a_keyword() {
    let stdout = example("embed", &[]);
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
