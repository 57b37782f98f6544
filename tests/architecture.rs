//! The rules of the source tree: modules use only modules to their left, files stay short, `unsafe` stays where it is
//! listed.

use std::path::{Path, PathBuf};

/// The modules of `src`, in the order of the data flow.
const ORDER: [&str; 15] = [
    "hint", "error", "guard", "limits", "media", "parallel", "corpus", "schema", "encode", "model", "data",
    "eval", "train", "index", "search",
];
/// Most lines of a file.
const MOST_LINES: usize = 600;
/// Files with `unsafe`, for a tree without ARCHITECTURE.md.
const UNSAFE: [&str; 6] = [
    "format/src/map.rs",
    "format/tests/roundtrip.rs",
    "src/corpus/features.rs",
    "src/index/dir/inspect.rs",
    "tools/src/main.rs",
    "tools/src/threads.rs",
];
const BEGIN: &str = "<!-- unsafe: begin -->";
const END: &str = "<!-- unsafe: end -->";

/// `text` with the content of comments, strings and characters blanked out; line breaks stay.
fn code_only(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    let blank = |from: usize, to: usize, out: &mut String| {
        out.extend(chars[from..to].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
    };
    while at < chars.len() {
        let starts = |word: &str| chars[at..].iter().take(word.len()).copied().eq(word.chars());
        let end = if starts("//") {
            chars[at..].iter().position(|&c| c == '\n').map_or(chars.len(), |n| at + n)
        } else if starts("/*") {
            block_comment(&chars, at)
        } else if let Some(end) = raw_string(&chars, at) {
            end
        } else if chars[at] == '"' {
            quoted(&chars, at, '"')
        } else if chars[at] == '\'' && (chars.get(at + 1) == Some(&'\\') || chars.get(at + 2) == Some(&'\''))
        {
            quoted(&chars, at, '\'')
        } else {
            out.push(chars[at]);
            at += 1;
            continue;
        };
        blank(at, end, &mut out);
        at = end;
    }
    out
}

fn block_comment(chars: &[char], start: usize) -> usize {
    let (mut depth, mut at) = (0, start);
    while at + 1 < chars.len() {
        match (chars[at], chars[at + 1]) {
            ('/', '*') => (depth, at) = (depth + 1, at + 2),
            ('*', '/') => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

/// The end of a literal that `quote` opens at `start`, past its closing quote.
fn quoted(chars: &[char], start: usize, quote: char) -> usize {
    let mut at = start + 1;
    while at < chars.len() && chars[at] != quote {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(chars.len())
}

fn raw_string(chars: &[char], start: usize) -> Option<usize> {
    let inside_a_word = start > 0 && (chars[start - 1].is_alphanumeric() || chars[start - 1] == '_');
    if chars[start] != 'r' || (inside_a_word && chars[start - 1] != 'b') {
        return None;
    }
    let hashes = chars[start + 1..].iter().take_while(|&&c| c == '#').count();
    if chars.get(start + 1 + hashes) != Some(&'"') {
        return None;
    }
    let mut at = start + 2 + hashes;
    while at < chars.len() {
        if chars[at] == '"' && chars[at + 1..].iter().take(hashes).filter(|&&c| c == '#').count() == hashes {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(chars.len())
}

/// The words of `code` and every other character that is not blank, each with its 1-based line.
fn tokens(code: &str) -> Vec<(usize, String)> {
    let mut out: Vec<(usize, String)> = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut word = String::new();
        for c in line.chars().chain([' ']) {
            if c.is_alphanumeric() || c == '_' {
                word.push(c);
                continue;
            }
            if !word.is_empty() {
                out.push((number + 1, std::mem::take(&mut word)));
            }
            if !c.is_whitespace() {
                out.push((number + 1, c.into()));
            }
        }
    }
    out
}

/// Every first name after a path to the crate's root, with its line: `crate::X`, `crate::{X, Y::Z}`, and `super::X`
/// where `super` leads to the root. Any chain of two or more `super` counts, since an inline module may hide how deep
/// it stands; `top` says that the file itself is a child of the root.
fn root_names(code: &str, top: bool) -> Vec<(usize, String)> {
    let tokens = tokens(code);
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|(_, token)| token == text);
    let path = |at: usize| is(at, ":") && is(at + 1, ":");
    let mut names = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let mut next = at;
        if is(at, "crate") && path(at + 1) {
            next = at + 3;
        } else {
            let mut depth = 0;
            while is(next, "super") && path(next + 1) {
                (depth, next) = (depth + 1, next + 3);
            }
            if depth < if top { 1 } else { 2 } {
                at = next.max(at + 1);
                continue;
            }
        }
        if is(next, "{") {
            // The names at the first level of the group.
            let (mut level, mut first) = (1, true);
            next += 1;
            while level > 0 && next < tokens.len() {
                match tokens[next].1.as_str() {
                    "{" => level += 1,
                    "}" => level -= 1,
                    "," => first = level == 1,
                    _ if first && level == 1 => {
                        names.push(tokens[next].clone());
                        first = false;
                    }
                    _ => {}
                }
                next += 1;
            }
        } else if let Some(name) = tokens.get(next) {
            names.push(name.clone());
        }
        at = next.max(at + 1);
    }
    names
}

/// `file:line` and both modules, where a file of `module` uses a module to its right.
fn to_the_right(file: &str, module: &str, text: &str, top: bool) -> Vec<String> {
    let place = |name: &str| ORDER.iter().position(|module| *module == name);
    let own = place(module).unwrap_or_else(|| panic!("{file}: `{module}` has no place in the order"));
    root_names(&code_only(text), top)
        .into_iter()
        .filter(|(_, name)| place(name).is_some_and(|used| used > own))
        .map(|(line, name)| format!("{file}:{line}: `{module}` uses `{name}`"))
        .collect()
}

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

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every `.rs` file of the repository: path from the root, and content.
fn sources() -> Vec<(String, String)> {
    fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                walk(&path, out);
            } else if path.extension().is_some_and(|ext| ext == "rs") {
                out.push(path);
            }
        }
    }
    let mut paths = Vec::new();
    walk(root(), &mut paths);
    paths.sort();
    let name = |path: &Path| {
        let parts: Vec<_> = path.strip_prefix(root()).unwrap().components().map(|c| c.as_os_str()).collect();
        parts.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/")
    };
    let found: Vec<_> = paths.iter().map(|p| (name(p), std::fs::read_to_string(p).unwrap())).collect();
    assert!(found.iter().any(|(name, _)| name == "src/lib.rs"), "the sources are here");
    found
}

#[test]
fn modules_use_only_modules_to_their_left() {
    let mut wrong = Vec::new();
    for (file, text) in sources() {
        let Some(inside) = file.strip_prefix("src/").filter(|inside| *inside != "lib.rs") else { continue };
        let module = inside.split('/').next().unwrap().trim_end_matches(".rs");
        let top = !inside.contains('/') || inside == format!("{module}/mod.rs");
        wrong.extend(to_the_right(&file, module, &text, top));
    }
    assert!(wrong.is_empty(), "the flow runs {}:\n{}", ORDER.join(" -> "), wrong.join("\n"));
}

#[test]
fn the_root_declares_the_modules_in_order_and_gives_out_errors_alone() {
    let lib = code_only(&std::fs::read_to_string(root().join("src/lib.rs")).unwrap());
    let words = tokens(&lib);
    let after = |word: &str| {
        let pairs = words.windows(2).filter(move |pair| pair[0].1 == word);
        pairs.map(|pair| pair[1].1.clone()).collect::<Vec<_>>()
    };
    assert_eq!(after("mod"), ORDER);
    // A name given out by the root could hide a module to the right.
    assert_eq!(after("use"), ["error", "hint"]);
}

#[test]
fn files_stay_short() {
    let lines = |(file, text): &(String, String)| (file.clone(), text.lines().count());
    let long: Vec<_> = sources().iter().map(lines).filter(|(_, n)| *n > MOST_LINES).collect();
    assert!(long.is_empty(), "more than {MOST_LINES} lines, split them by responsibility: {long:?}");
}

#[test]
fn unsafe_code_is_only_where_it_is_listed() {
    let mut expected = match std::fs::read_to_string(root().join("ARCHITECTURE.md")) {
        Ok(text) => listed(&text),
        Err(_) => UNSAFE.map(str::to_owned).to_vec(),
    };
    expected.sort();
    let uses = |(file, text): &(String, String)| (!unsafe_lines(text).is_empty()).then(|| file.clone());
    let found: Vec<String> = sources().iter().filter_map(uses).collect();
    assert_eq!(found, expected, "left: files with unsafe code, right: those that ARCHITECTURE.md lists");
}

#[test]
fn the_scanner_sees_each_form_of_a_path() {
    let text = "use crate::search::Hit;\nuse crate::{error::Error, media, model::{self, eval}};\n\
        fn f() { crate::index::open(); super::super::eval::go(); super::near(); crate :: eval :: x(); }\n";
    let found = to_the_right("src/corpus/a.rs", "corpus", text, false);
    let expected = [
        "1: `corpus` uses `search`",
        "2: `corpus` uses `model`",
        "3: `corpus` uses `index`",
        "3: `corpus` uses `eval`",
    ];
    let expected: Vec<String> = expected.iter().map(|e| format!("src/corpus/a.rs:{e}")).collect();
    assert_eq!(found, [expected.as_slice(), &[expected[3].clone()]].concat());
    // In a file at the root, `super` is the root.
    assert_eq!(to_the_right("src/media.rs", "media", "use super::corpus::X;", true).len(), 1);
    assert_eq!(to_the_right("src/media.rs", "media", "use super::{error, corpus};", true).len(), 1);
    // To the left, and its own.
    assert!(to_the_right("src/search/a.rs", "search", text, false).is_empty());
}

#[test]
fn the_scanner_reads_code_alone() {
    let text = r####"
        //! [`crate::eval`] unsafe
        /// crate::eval::X
        /* crate::eval /* nested unsafe */ crate::eval */
        const A: &str = "crate::eval \" unsafe";
        const B: &str = r#"crate::eval " unsafe"#;
        const C: char = '"'; const D: char = '\''; fn f<'a>(x: &'a str) { let unsafe_code = 1; }
    "####;
    assert!(to_the_right("src/error.rs", "error", text, true).is_empty());
    assert!(unsafe_lines(text).is_empty());
    assert_eq!(unsafe_lines("fn a() {}\n// unsafe\nfn b() { unsafe { a() } }\n"), [3]);
    assert_eq!(unsafe_lines("const A: char = '\"';\nunsafe fn b() {}\n"), [2]);
    let list = format!("x - `no.rs`\n{BEGIN}\ntext\n- `a/b.rs`: why\n- `c.rs`\n{END}\n- `d.rs`\n");
    assert_eq!(listed(&list), ["a/b.rs", "c.rs"]);
}
