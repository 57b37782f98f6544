//! Which module a path leads to, through every `use` that gives a name on, and which file uses which.

use std::collections::{BTreeMap, BTreeSet};

use crate::modules::{Module, Seen, Tree};

/// For each file the files that it uses.
pub(crate) type Edges = BTreeMap<String, BTreeSet<String>>;

/// Names that give on each other in a circle end here.
const DEEPEST: usize = 16;

/// The module where `path`, written in the module `from`, is defined; `None` outside of the crate.
pub(crate) fn resolve(tree: &Tree, from: &[String], path: &[String]) -> Option<Vec<String>> {
    written(tree, from, path, DEEPEST)
}

fn written(tree: &Tree, from: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
    let depth = depth.checked_sub(1)?;
    match path.first().map(String::as_str) {
        Some("crate") => below(tree, &[], &path[1..], depth),
        Some("self") => below(tree, from, &path[1..], depth),
        Some("super") => {
            let up = path.iter().take_while(|name| *name == "super").count();
            below(tree, &from[..from.len().checked_sub(up)?], &path[up..], depth)
        }
        Some(name) if tree[from].children.contains_key(name) => below(tree, from, path, depth),
        Some(name) => {
            let given = tree[from].uses.iter().find(|given| given.name.as_deref() == Some(name))?;
            // A name that brings itself in is a crate.
            if given.path == [name] {
                return None;
            }
            written(tree, from, &[&given.path, &path[1..]].concat(), depth)
        }
        None => None,
    }
}

fn below(tree: &Tree, at: &[String], path: &[String], depth: usize) -> Option<Vec<String>> {
    let depth = depth.checked_sub(1)?;
    let Some(name) = path.first() else { return Some(at.to_vec()) };
    let module: &Module = &tree[at];
    let child = [at, &path[..1]].concat();
    if tree.contains_key(&child) {
        return below(tree, &child, &path[1..], depth);
    }
    if module.defined.contains_key(name) {
        return Some(at.to_vec());
    }
    if let Some(given) = module.uses.iter().find(|given| given.name.as_ref() == Some(name)) {
        return written(tree, at, &[&given.path, &path[1..]].concat(), depth);
    }
    let all = module.uses.iter().filter(|given| given.name.is_none());
    for given in all {
        let Some(source) = written(tree, at, &given.path, depth) else { continue };
        if source != at && has(&tree[&source], name) {
            return below(tree, &source, path, depth);
        }
    }
    // What a macro defines.
    Some(at.to_vec())
}

fn has(module: &Module, name: &str) -> bool {
    module.defined.contains_key(name)
        || module.children.contains_key(name)
        || module.uses.iter().any(|given| given.name.as_deref() == Some(name))
}

/// For each file the files that it uses. A name that a module gives on from below is no use of the file below.
pub(crate) fn edges(tree: &Tree) -> Edges {
    let mut out = Edges::new();
    for (path, module) in tree {
        let used = module
            .uses
            .iter()
            .map(|used| (used.seen, &used.path))
            .chain(module.paths.iter().map(|(_, names)| (Seen::Below, names)));
        let files = out.entry(module.file.clone()).or_default();
        for (seen, names) in used {
            let Some(found) = resolve(tree, path, names) else { continue };
            let given_on = seen > Seen::Below && found.starts_with(path);
            let file = &tree[&found].file;
            if !given_on && *file != module.file {
                files.insert(file.clone());
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::modules::tree;

    pub(crate) fn made_up(files: &[(&str, &str)]) -> Tree {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        tree(&files, "src/lib.rs")
    }

    fn used(files: &[(&str, &str)], file: &str) -> Vec<String> {
        edges(&made_up(files))[file].iter().cloned().collect()
    }

    const REST: [(&str, &str); 4] = [
        ("src/lib.rs", "pub mod a; mod b; mod user;"),
        ("src/a/mod.rs", "mod one; mod two; pub use one::{One, other as Other}; pub(crate) use two::*;"),
        ("src/a/one.rs", "pub struct One; pub fn other() {}"),
        ("src/a/two.rs", "pub const fn two() -> [u8; 2] { [1; 2] } pub static mut TWO: u8 = 2;"),
    ];

    fn user(text: &str) -> Vec<String> {
        let files = [&REST[..], &[("src/b.rs", "pub fn b() {}"), ("src/user.rs", text)]].concat();
        used(&files, "src/user.rs")
    }

    #[test]
    fn every_form_of_a_path_leads_to_the_file_that_defines_the_name() {
        for (text, expected) in [
            ("use crate::a::One;", &["src/a/one.rs"][..]),
            ("use crate::a::Other as Another;", &["src/a/one.rs"]),
            ("use crate::{a::{self, One}, b::b};", &["src/a/mod.rs", "src/a/one.rs", "src/b.rs"]),
            ("use super::a::two;", &["src/a/two.rs"]),
            ("fn f() { crate::a::two(); }", &["src/a/two.rs"]),
            ("fn f() { use crate::b as c; c::b(); }", &["src/b.rs"]),
            ("fn f() -> u8 { unsafe { crate::a::TWO } }", &["src/a/two.rs"]),
            ("use crate::b; impl X { const A: u8 = { b::b(); 1 }; }", &["src/b.rs"]),
            ("mod inner { fn f() { super::super::b::b() } }", &["src/b.rs"]),
            ("use std::fmt; fn f() { fmt::Debug::a(); serde::b::c(); }", &[]),
            ("//! crate::b::b\n// use crate::b;\nconst A: &str = \"crate::b::b\";", &[]),
            ("#[cfg(test)]\nuse crate::b; #[cfg(test)] mod tests { use crate::b; }", &[]),
            ("#[cfg(all(test, unix))] fn f() { crate::b::b() } #[test] fn g() { crate::a::two() }", &[]),
            ("#[cfg(not(test))] fn f() { crate::b::b() }", &["src/b.rs"]),
            ("macro_rules! m { () => { crate::b::b() } } m!{}", &["src/b.rs"]),
        ] {
            assert_eq!(user(text), expected, "{text}");
        }
    }

    #[test]
    fn a_module_for_tests_has_no_file_here() {
        let files = [("src/lib.rs", "mod a;"), ("src/a.rs", "#[cfg(test)]\nmod tests;")];
        assert_eq!(made_up(&files).len(), 2);
    }

    #[test]
    fn what_a_module_gives_on_from_below_is_no_use() {
        assert_eq!(
            used(&[&REST[..], &[("src/b.rs", ""), ("src/user.rs", "")]].concat(), "src/a/mod.rs"),
            [""; 0]
        );
    }
}
