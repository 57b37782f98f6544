//! What documents name is there: files and folders, and the targets of `cargo test --test`, `--bench` and `--example`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::scan::root;

/// Every document but the change log, which tells of what was.
fn documents() -> Vec<PathBuf> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !matches!(name.as_str(), "target" | "cases" | ".git") {
                walk(&path, out);
            } else if name.ends_with(".md") && name != "CHANGELOG.md" {
                out.push(path);
            }
        }
    }
    let mut out = Vec::new();
    walk(root(), &mut out);
    out.sort();
    assert!(["README.md", "ARCHITECTURE.md"].iter().all(|name| out.contains(&root().join(name))));
    out
}

/// What stands between backticks, and the lines of blocks of code.
fn code(text: &str) -> Vec<(usize, &str)> {
    let mut out = Vec::new();
    let mut is_block = false;
    for (number, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            is_block = !is_block;
        } else if is_block {
            out.push((number + 1, line));
        } else {
            out.extend(line.split('`').skip(1).step_by(2).map(|span| (number + 1, span)));
        }
    }
    out
}

/// Whether `word` is a path from the root, as one that starts with a folder of the root or of `src` is.
fn is_path(word: &str) -> bool {
    let Some((first, rest)) = word.split_once('/') else { return false };
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let is_folder = |above: &str| root().join(above).join(first).is_dir();
    word.chars().all(plain)
        && !first.is_empty()
        && !rest.starts_with('/')
        && first != "target"
        && (is_folder("") || (is_folder("src") && rest.ends_with(".rs")))
}

/// Where a path of a document in `folder` may start.
fn is_there(folder: &Path, path: &str) -> bool {
    [root(), &root().join("src"), folder].iter().any(|above| above.join(path).exists())
}

/// What is named by `--test NAME` and its like.
fn target(option: &str, name: &str) -> Option<bool> {
    let folder = match option {
        "--test" => "tests",
        "--bench" => "benches",
        "--example" => "examples",
        _ => return None,
    };
    let package = |package: &str| {
        let stem = root().join(package).join(folder).join(name);
        stem.with_extension("rs").exists() || stem.join("main.rs").exists()
    };
    Some(["", "format", "tools"].into_iter().any(package))
}

fn missing(document: &Path, text: &str) -> Vec<String> {
    let folder = document.parent().unwrap();
    let mut out = Vec::new();
    for (line, code) in code(text) {
        let words: Vec<&str> = code
            .split_whitespace()
            .map(|word| word.trim_matches(['"', '\'', ',', ':', ';', '(', ')']))
            .collect();
        for (at, word) in words.iter().enumerate() {
            if is_path(word) && !is_there(folder, word) {
                out.push(format!("{line}: no `{word}`"));
            }
            let next = words.get(at + 1).copied().unwrap_or_default();
            if target(word, next) == Some(false) {
                out.push(format!("{line}: no target for `{word} {next}`"));
            }
        }
    }
    for (number, line) in text.lines().enumerate() {
        let links = line.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(link, _)| link);
        for link in links.filter(|link| !link.is_empty() && !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let path = if path.is_empty() { document.to_path_buf() } else { folder.join(path) };
            let has = |anchor: &str| anchors(&std::fs::read_to_string(&path).unwrap()).contains(anchor);
            if !path.exists() || (!anchor.is_empty() && !has(anchor)) {
                out.push(format!("{}: no `{link}`", number + 1));
            }
        }
    }
    out
}

/// The anchors that a forge gives to the headings of a page: lower case, dashes for blanks, without other signs.
fn anchors(text: &str) -> BTreeSet<String> {
    let (mut is_block, mut out) = (false, BTreeSet::new());
    for line in text.lines() {
        is_block ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        if is_block || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let kept = title.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        let anchor: String =
            kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect();
        let same = (1..).map(|n| format!("{anchor}-{n}")).find(|next| !out.contains(next));
        let anchor = if out.contains(&anchor) { same.unwrap() } else { anchor };
        out.insert(anchor);
    }
    out
}

#[test]
fn every_document_is_reached_from_the_first_page() {
    let contents = std::fs::read_to_string(root().join("docs/README.md")).unwrap();
    for path in documents() {
        let Ok(name) = path.strip_prefix(root().join("docs")) else { continue };
        let link = format!("]({})", name.display());
        assert!(
            name == Path::new("README.md") || contents.contains(&link),
            "docs/README.md does not lead to {link}"
        );
    }
    assert!(std::fs::read_to_string(root().join("README.md")).unwrap().contains("](docs/README.md)"));
}

#[test]
fn what_documents_name_is_there() {
    let mut out = Vec::new();
    for path in documents() {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root()).unwrap().display().to_string();
        out.extend(missing(&path, &text).into_iter().map(|what| format!("{name}:{what}")));
    }
    assert!(out.is_empty(), "{}", out.join("\n"));
}

#[test]
fn what_is_missing_is_seen() {
    let at = root().join("README.md");
    for text in [
        "`src/nothing.rs`",
        "`index/nothing.rs`",
        "[a](nothing.md)",
        "[a](README.md#nothing)",
        "[a](#nothing)",
        "`cargo test --test nothing`",
        "```sh\npython3 benches/nothing.py\n```",
    ] {
        assert_eq!(missing(&at, text).len(), 1, "{text}");
    }
    let sound = "`src/limits.rs` `index/mod.rs` `a/b` [a](README.md#two-commands) [b](https://a.b/c) src/nothing.rs\n\
        ```sh\nNAME=1 cargo test --test architecture -- a\n```\n`w / (60 + rank)` `{index,src}/x` `target/release/x`";
    assert_eq!(missing(&at, sound), [""; 0]);
    let page = "# A `b`: c, d\n```sh\n# no\n```\n## When NOT to\n## When not to\n#no\n";
    assert_eq!(anchors(page), ["a-b-c-d", "when-not-to", "when-not-to-1"].map(str::to_owned).into());
}
