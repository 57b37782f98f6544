//! Files stay short, and `unsafe` stays where ARCHITECTURE.md lists it.

use crate::scan::{code_only, root, sources, tokens};

/// Most lines of a file.
const MOST_LINES: usize = 600;
const BEGIN: &str = "<!-- unsafe: begin -->";
const END: &str = "<!-- unsafe: end -->";

fn unsafe_lines(text: &str) -> Vec<usize> {
    tokens(&code_only(text))
        .into_iter()
        .filter(|(_, token)| token == "unsafe")
        .map(|(line, _)| line)
        .collect()
}

/// The paths between the markers of ARCHITECTURE.md: one per line that starts with "- `path`".
fn listed(text: &str) -> Vec<String> {
    let between = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    let (between, _) = between.unwrap_or_else(|| panic!("ARCHITECTURE.md has no `{BEGIN}` .. `{END}`"));
    let path = |line: &str| Some(line.trim().strip_prefix("- `")?.split_once('`')?.0.to_owned());
    between.lines().filter_map(path).collect()
}

#[test]
fn files_stay_short() {
    let lines = |(file, text): &(String, String)| (file.clone(), text.lines().count());
    let long: Vec<_> = sources().iter().map(lines).filter(|(_, n)| *n > MOST_LINES).collect();
    assert!(long.is_empty(), "more than {MOST_LINES} lines, split them by responsibility: {long:?}");
}

#[test]
fn unsafe_code_is_only_where_it_is_listed() {
    let mut expected = listed(&std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap());
    expected.sort();
    let uses = |(file, text): &(String, String)| (!unsafe_lines(text).is_empty()).then(|| file.clone());
    let found: Vec<String> = sources().iter().filter_map(uses).collect();
    assert_eq!(found, expected, "left: files with unsafe code, right: those that ARCHITECTURE.md lists");
}

#[test]
fn unsafe_is_seen_in_code_alone() {
    let text = r####"
        //! unsafe
        /* /* nested unsafe */ unsafe */
        const A: &str = "\" unsafe";
        const B: &str = r#"" unsafe"#;
        const C: char = '"'; const D: char = '\''; fn f<'a>(x: &'a str) { let unsafe_code = 1; }
    "####;
    assert!(unsafe_lines(text).is_empty());
    assert_eq!(unsafe_lines("fn a() {}\n// unsafe\nfn b() { unsafe { a() } }\n"), [3]);
    assert_eq!(unsafe_lines("const A: char = '\"';\nunsafe fn b() {}\n"), [2]);
    let list = format!("x - `no.rs`\n{BEGIN}\ntext\n- `a/b.rs`: why\n- `c.rs`\n{END}\n- `d.rs`\n");
    assert_eq!(listed(&list), ["a/b.rs", "c.rs"]);
}
