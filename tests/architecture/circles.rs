//! No circle of more than two files: whoever reads one file need not read half of the room.

use std::collections::{BTreeMap, BTreeSet};

use crate::resolve::{Edges, edges};
use crate::scan::{sources, tree_of};

/// All that `from` reaches, itself only by a circle.
fn reached<'a>(edges: &'a Edges, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<&str> = edges.get(from).into_iter().flatten().map(String::as_str).collect();
    while let Some(file) = next.pop() {
        if seen.insert(file) {
            next.extend(edges.get(file).into_iter().flatten().map(String::as_str));
        }
    }
    seen
}

/// The circles of more than two files: files that all reach each other.
fn circles(edges: &Edges) -> Vec<Vec<String>> {
    let reach: BTreeMap<&str, BTreeSet<&str>> =
        edges.keys().map(|file| (file.as_str(), reached(edges, file))).collect();
    let mut out = BTreeSet::new();
    for (file, others) in &reach {
        let circle: Vec<String> = others
            .iter()
            .filter(|other| reach.get(*other).is_some_and(|back| back.contains(file)))
            .map(ToString::to_string)
            .collect();
        if circle.len() > 2 {
            out.insert(circle);
        }
    }
    out.into_iter().collect()
}

#[test]
fn no_circle_of_more_than_two_files() {
    for crate_root in ["src/lib.rs", "format/src/lib.rs", "tools/src/main.rs"] {
        let edges = edges(&tree_of(crate_root));
        assert!(edges.len() > 5, "{crate_root}: the scanner sees its files");
        let told: Vec<String> = circles(&edges).iter().map(|circle| told(&edges, circle)).collect();
        assert!(told.is_empty(), "{} circles:\n{}", told.len(), told.join("\n"));
    }
}

/// Each file of a circle with those of the circle that it uses.
fn told(edges: &Edges, circle: &[String]) -> String {
    let inside = |file: &String| circle.contains(file);
    let line = |file: &String| {
        let used: Vec<&str> = edges[file].iter().filter(|used| inside(used)).map(String::as_str).collect();
        format!("  {file} -> {}\n", used.join(", "))
    };
    format!("{} files\n{}", circle.len(), circle.iter().map(line).collect::<String>())
}

#[test]
fn every_file_is_in_the_tree() {
    let tree = tree_of("src/lib.rs");
    let read: BTreeSet<&str> = tree.values().map(|module| module.file.as_str()).collect();
    let is_for_tests =
        |file: &str| ["/tests.rs", "/tests/", "/testing.rs"].iter().any(|end| file.contains(end));
    let files = sources().into_iter().map(|(file, _)| file).filter(|file| file.starts_with("src/"));
    let unread: Vec<String> =
        files.filter(|file| !read.contains(file.as_str()) && !is_for_tests(file)).collect();
    assert!(unread.is_empty(), "{unread:?}");
}

#[test]
fn circles_are_found() {
    let edges = |pairs: &[(&str, &str)]| {
        let mut edges = Edges::new();
        for (from, to) in pairs {
            edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        edges
    };
    assert!(circles(&edges(&[("a", "b"), ("b", "a"), ("b", "c")])).is_empty(), "two files are no circle");
    let three = edges(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "e"), ("e", "d")]);
    assert_eq!(circles(&three), [["a", "b", "c"]]);
    assert!(told(&three, &circles(&three)[0]).contains("c -> a"));
}
