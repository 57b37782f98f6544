//! The flow of the rooms: a module uses only modules to its left, and so do the folders inside of a room.

use crate::resolve::{Edges, edges};
use crate::scan::{code_only, root, sources, tokens, tree_of};

/// The modules of `src`, in the order of the data flow.
const ORDER: [&str; 15] = [
    "hint", "error", "guard", "limits", "media", "parallel", "corpus", "schema", "encode", "model", "data",
    "eval", "train", "index", "search",
];

/// Rooms with an order of their own: files and folders, each uses only those to its left. What is not named may be used
/// by all. A fusion says which legs it asks and how they are joined, and `legs` carries it out.
const INSIDE: [(&str, &[&str]); 2] = [
    ("index", &["files", "cells", "plugin", "dir", "build", "merge"]),
    (
        "search",
        &[
            "similarity",
            "fusion",
            "grammar",
            "view",
            "words",
            "candidates",
            "plan",
            "legs",
            "show",
            "request",
            "engine",
            "spec",
        ],
    ),
];

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

/// The place of a file in the order of its room: `src/index/dir/store.rs` and `src/index/dir.rs` are at `dir`.
fn place(file: &str, room: &str, order: &[&str]) -> Option<usize> {
    let inside = file.strip_prefix("src/")?.strip_prefix(room)?.strip_prefix('/')?;
    let name = inside.split('/').next()?.trim_end_matches(".rs");
    order.iter().position(|module| *module == name)
}

/// Pairs of files of `room` of which the first uses the second and stands to its left.
fn against(edges: &Edges, room: &str, order: &[&str]) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for (file, used) in edges {
        let Some(own) = place(file, room, order) else { continue };
        let right = used.iter().filter(|used| place(used, room, order).is_some_and(|place| place > own));
        out.extend(right.map(|used| (file.clone(), used.clone())));
    }
    out
}

#[test]
fn folders_of_a_room_use_only_folders_to_their_left() {
    let edges = edges(&tree_of("src/lib.rs"));
    for (room, order) in INSIDE {
        for name in order {
            let is_there = edges.keys().any(|file| place(file, room, &[name]).is_some());
            assert!(is_there, "{room} has no `{name}`");
        }
        let found = against(&edges, room, order);
        let told: Vec<String> = found.iter().map(|(from, to)| format!("{from} uses {to}")).collect();
        assert!(told.is_empty(), "{room} runs {}:\n{}", order.join(" -> "), told.join("\n"));
    }
}

#[test]
fn a_use_against_the_order_of_a_room_is_seen() {
    let used = |from: &str, to: &str| Edges::from([(from.to_owned(), [to.to_owned()].into())]);
    let order = ["files", "dir"];
    let (left, right) = ("src/index/files/a.rs", "src/index/dir.rs");
    assert_eq!(against(&used(left, right), "index", &order), [(left.to_owned(), right.to_owned())]);
    assert!(against(&used(right, left), "index", &order).is_empty());
    assert!(against(&used("src/index/other.rs", right), "index", &order).is_empty());
    assert!(against(&used("src/indexes/files.rs", right), "index", &order).is_empty());
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
        //! [`crate::eval`]
        /// crate::eval::X
        /* crate::eval /* nested */ crate::eval */
        const A: &str = "crate::eval \" ";
        const B: &str = r#"crate::eval " "#;
        const C: char = '"'; const D: char = '\''; fn f<'a>(x: &'a str) {}
    "####;
    assert!(to_the_right("src/error.rs", "error", text, true).is_empty());
}
