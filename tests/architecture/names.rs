//! The public face: every name that a crate gives out, by module, as `tests/public-names.txt` lists it. A change of the
//! face is a change of that file; `UNCSM_BLESS=1 cargo test --test architecture public` writes it anew.

use std::collections::BTreeSet;

use crate::modules::{Seen, Tree};
use crate::resolve::resolve;
use crate::scan::{root, tree_of};

const LIST: &str = "tests/public-names.txt";
const CRATES: [(&str, &str); 2] = [("uncsm_index", "src/lib.rs"), ("uncsm_format", "format/src/lib.rs")];

/// `module::Name` of each name that one outside of the crate can write: items, names given on, and modules themselves.
fn names(tree: &Tree, at: &[String], prefix: &str, out: &mut BTreeSet<String>) {
    let module = &tree[at];
    let defined = module.defined.iter().filter(|(_, seen)| **seen == Seen::All).map(|(name, _)| name);
    out.extend(defined.map(|name| format!("{prefix}::{name}")));
    for given in module.uses.iter().filter(|given| given.seen == Seen::All) {
        match &given.name {
            Some(name) => drop(out.insert(format!("{prefix}::{name}"))),
            None => {
                let source = resolve(tree, at, &given.path).filter(|source| source != at);
                names(tree, &source.expect("`*` is of a module of the crate"), prefix, out);
            }
        }
    }
    for (name, _) in module.children.iter().filter(|(_, seen)| **seen == Seen::All) {
        let child = [at, std::slice::from_ref(name)].concat();
        names(tree, &child, &format!("{prefix}::{name}"), out);
    }
}

#[test]
fn the_public_names_are_those_of_the_list() {
    let mut found = BTreeSet::new();
    for (name, crate_root) in CRATES {
        names(&tree_of(crate_root), &[], name, &mut found);
    }
    let text: String = found.iter().map(|name| format!("{name}\n")).collect();
    if std::env::var_os("UNCSM_BLESS").is_some() {
        std::fs::write(root().join(LIST), text).unwrap();
        return;
    }
    let list = std::fs::read_to_string(root().join(LIST)).unwrap();
    let listed: BTreeSet<String> = list.lines().map(str::to_owned).collect();
    let new: Vec<_> = found.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&found).collect();
    assert!(
        new.is_empty() && gone.is_empty(),
        "new: {new:?}, gone: {gone:?}; if that is meant: UNCSM_BLESS=1 cargo test --test architecture public"
    );
    assert_eq!(list, text, "the list is sorted");
}

#[test]
fn public_names_are_what_one_outside_can_write() {
    let files = [
        (
            "src/lib.rs",
            "pub mod a; mod b; pub use b::{One, two as three}; pub(crate) use b::four; pub fn root() {}",
        ),
        (
            "src/a.rs",
            "mod inner { pub struct Hidden; pub struct Given; } pub use inner::Given; pub mod below { pub const A: u8 = 1; pub(super) fn no() {} }",
        ),
        ("src/b.rs", "pub struct One; pub fn two() {} pub fn four() {} pub fn five() {}"),
    ];
    let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let mut found = BTreeSet::new();
    names(&crate::modules::tree(&files, "src/lib.rs"), &[], "x", &mut found);
    let found: Vec<_> = found.iter().map(String::as_str).collect();
    assert_eq!(found, ["x::One", "x::a::Given", "x::a::below::A", "x::root", "x::three"]);
}
