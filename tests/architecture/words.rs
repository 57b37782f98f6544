//! The library names no flag and no command: an app, a server and the command line each show its hints in their own way.

use crate::scan::{root, sources};

/// `--flag`: two dashes, after no dash and no letter, and a letter.
fn flags(line: &str) -> Vec<&str> {
    let ends = |text: &str| text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len());
    let stands_alone =
        |at: usize| !line[..at].ends_with(|c: char| c == '-' || c.is_alphanumeric() || c == '_');
    line.match_indices("--")
        .filter(|(at, dashes)| {
            stands_alone(*at) && line[at + dashes.len()..].starts_with(|c: char| c.is_ascii_lowercase())
        })
        .map(|(at, dashes)| &line[at..at + dashes.len() + ends(&line[at + dashes.len()..])])
        .collect()
}

/// `uncsm-index COMMAND`.
fn commands<'a>(line: &'a str, names: &[String]) -> Vec<&'a str> {
    let after = |(at, program): (usize, &str)| {
        let rest = &line[at + program.len()..];
        let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
        names.iter().any(|name| *name == rest[..end]).then(|| &line[at..at + program.len() + end])
    };
    line.match_indices("uncsm-index ").filter_map(after).collect()
}

/// The commands of the binary: a variant of `enum Command` in `tools/src/args.rs` each.
fn names() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("tools/src/args.rs")).unwrap();
    let (_, body) = text.split_once("enum Command {").expect("the commands are variants of one enum");
    let variant = |line: &str| line.trim_start().split_once('(').map(|(name, _)| name.to_lowercase());
    let lines = body.lines().take_while(|line| *line != "}");
    let names: Vec<String> =
        lines.filter(|line| line.starts_with("    ") && !line.contains("#[")).filter_map(variant).collect();
    assert!(
        ["build", "query", "train"].iter().all(|name| names.iter().any(|found| found == name)),
        "{names:?}"
    );
    names.into_iter().filter(|name| name.chars().all(|c| c.is_ascii_lowercase())).collect()
}

/// Lines of `text` with what they name, comments and strings too.
fn named(text: &str, names: &[String]) -> Vec<(usize, String)> {
    let in_line = |(at, line): (usize, &str)| {
        let words = [flags(line), commands(line, names)].concat();
        (!words.is_empty()).then(|| (at + 1, words.join(", ")))
    };
    text.lines().enumerate().filter_map(in_line).collect()
}

#[test]
fn the_library_names_no_flag_and_no_command() {
    let names = names();
    let mut wrong = Vec::new();
    for (file, text) in sources().into_iter().filter(|(file, _)| file.starts_with("src/")) {
        let found = named(&text, &names);
        wrong.extend(found.iter().map(|(line, what)| format!("{file}:{line}: {what}")));
    }
    assert!(wrong.is_empty(), "use a typed hint, or the name of the setting:\n{}", wrong.join("\n"));
}

#[test]
fn flags_and_commands_are_told_from_dashes() {
    let names = ["build".to_owned()];
    let found = |line: &str| named(line, &names).into_iter().map(|(_, what)| what).collect::<Vec<_>>();
    for (line, words) in [
        ("// use --label KEY", "--label"),
        ("\"give `--max-bytes`\"", "--max-bytes"),
        ("--append/--force", "--append, --force"),
        ("run `uncsm-index build` again", "uncsm-index build"),
    ] {
        assert_eq!(found(line), [words], "{line}");
    }
    for line in [
        "// -------- text",
        "a -- b",
        "<!-- unsafe: begin -->",
        "x---y",
        "a--b",
        "uncsm-index builds",
        "i - -1",
    ] {
        assert_eq!(found(line), [""; 0], "{line}");
    }
}
