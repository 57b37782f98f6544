//! The modules of a crate as its text declares them: what each defines, gives out and uses. What is compiled for tests
//! alone is left out.

use std::collections::BTreeMap;

use crate::scan::{code_only, tokens};

/// Who may use a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(crate) enum Seen {
    /// The module and those below it.
    Below,
    /// A part of the crate, by `pub(..)`.
    Inside,
    /// All, as far as they reach the module.
    All,
}

/// One name that a `use` brings in.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Use {
    pub(crate) line: usize,
    pub(crate) seen: Seen,
    pub(crate) path: Vec<String>,
    /// The name in this module; `None` for `*`.
    pub(crate) name: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct Module {
    pub(crate) file: String,
    /// Items and child modules.
    pub(crate) defined: BTreeMap<String, Seen>,
    pub(crate) children: BTreeMap<String, Seen>,
    pub(crate) uses: Vec<Use>,
    /// Paths of two names and more in its code.
    pub(crate) paths: Vec<(usize, Vec<String>)>,
}

/// The modules of a crate by their paths; the root has the empty one.
pub(crate) type Tree = BTreeMap<Vec<String>, Module>;

/// Reads `root` and all that it declares; `files` has every file of the crate by its path.
pub(crate) fn tree(files: &BTreeMap<String, String>, root: &str) -> Tree {
    let mut tree = Tree::new();
    let folder = root.rsplit_once('/').map_or("", |(folder, _)| folder);
    file(files, root, folder, Vec::new(), &mut tree);
    tree
}

/// `folder` holds the files of the module's children.
fn file(files: &BTreeMap<String, String>, name: &str, folder: &str, path: Vec<String>, tree: &mut Tree) {
    let mut reader =
        Parser { tokens: tokens(&code_only(&files[name])), at: 0, file: name, tree, elsewhere: Vec::new() };
    reader.module(path);
    for (path, inside) in reader.elsewhere {
        let stem = format!("{folder}/{}", inside.join("/"));
        let found = [format!("{stem}.rs"), format!("{stem}/mod.rs")];
        let found = found.iter().find(|file| files.contains_key(*file));
        let found = found.unwrap_or_else(|| panic!("{name} declares a module that is not at {stem}"));
        file(files, found, &stem, path, tree);
    }
}

struct Parser<'a> {
    tokens: Vec<(usize, String)>,
    at: usize,
    file: &'a str,
    tree: &'a mut Tree,
    /// Modules with a file of their own: path in the crate, and path from this file's folder.
    elsewhere: Vec<(Vec<String>, Vec<String>)>,
}

impl Parser<'_> {
    fn is(&self, ahead: usize, text: &str) -> bool {
        self.tokens.get(self.at + ahead).is_some_and(|(_, token)| token == text)
    }

    fn peek(&self) -> &str {
        self.tokens.get(self.at).map_or("", |(_, token)| token)
    }

    fn next(&mut self) -> String {
        let token = self.peek().to_owned();
        self.at += 1;
        token
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |(line, _)| *line)
    }

    fn is_path(&self) -> bool {
        self.is(0, ":") && self.is(1, ":")
    }

    /// The items up to the end of the file or past the brace that closes the module.
    fn module(&mut self, path: Vec<String>) {
        self.tree.insert(path.clone(), Module { file: self.file.to_owned(), ..Module::default() });
        let mut for_tests = false;
        while self.at < self.tokens.len() {
            match self.peek() {
                "}" => {
                    self.at += 1;
                    return;
                }
                "#" => for_tests |= self.attribute(),
                _ => {
                    let before = self.at;
                    self.item(&path, std::mem::take(&mut for_tests));
                    assert!(self.at > before, "{}:{}: not understood", self.file, self.line());
                }
            }
        }
    }

    /// Past `#[..]` or `#![..]`; whether it says that the next item is compiled for tests alone.
    fn attribute(&mut self) -> bool {
        let start = self.at;
        self.at += 1 + usize::from(self.is(1, "!"));
        self.group();
        let words: Vec<&str> = self.tokens[start..self.at].iter().map(|(_, token)| token.as_str()).collect();
        let has = |word: &str| words.contains(&word);
        has("test") && !has("not") && (has("cfg") || words == ["#", "[", "test", "]"])
    }

    /// Past the bracket that closes the one here.
    fn group(&mut self) {
        let mut depth = 0;
        while self.at < self.tokens.len() {
            match self.next().as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return;
            }
        }
    }

    fn seen(&mut self) -> Seen {
        if self.peek() != "pub" {
            return Seen::Below;
        }
        self.at += 1;
        if self.peek() != "(" {
            return Seen::All;
        }
        self.group();
        Seen::Inside
    }

    fn item(&mut self, path: &[String], for_tests: bool) {
        let seen = self.seen();
        // `const fn`, `async fn`, `unsafe impl`.
        while matches!(self.peek(), "async" | "unsafe" | "extern")
            || (self.is(0, "const")
                && matches!(self.tokens.get(self.at + 1), Some((_, next)) if next == "fn"))
        {
            self.at += 1;
        }
        let kind = self.next();
        match kind.as_str() {
            "use" => {
                let mut found = Vec::new();
                self.tree_of_use(&mut Vec::new(), seen, &mut found);
                self.at += usize::from(self.is(0, ";"));
                if !for_tests {
                    self.own(path).uses.extend(found);
                }
            }
            "mod" => {
                let name = self.next();
                let child = [path, std::slice::from_ref(&name)].concat();
                if !for_tests {
                    self.own(path).children.insert(name, seen);
                }
                match (self.next().as_str(), for_tests) {
                    (";", false) => {
                        let above = self
                            .tree
                            .iter()
                            .filter(|(path, module)| child.starts_with(path) && module.file == self.file);
                        let own = above.map(|(path, _)| path.len()).min().unwrap_or(0);
                        self.elsewhere.push((child.clone(), child[own..].to_vec()));
                    }
                    (";", true) => {}
                    (_, false) => self.module(child),
                    (_, true) => {
                        self.at -= 1;
                        self.group();
                    }
                }
            }
            "fn" | "struct" | "enum" | "union" | "trait" | "type" | "const" | "static" => {
                if self.is(0, "mut") {
                    self.at += 1;
                }
                let name = self.next();
                if !for_tests {
                    self.own(path).defined.insert(name, seen);
                }
                self.body(path, for_tests, matches!(kind.as_str(), "type" | "const" | "static"));
            }
            // `macro_rules! name { .. }`, `impl .. { .. }`, a call of a macro.
            _ => self.body(path, for_tests, false),
        }
    }

    fn own(&mut self, path: &[String]) -> &mut Module {
        self.tree.get_mut(path).expect("the module that is read")
    }

    /// Past the item: to its `;`, or to its closing brace unless it `ends_with_semicolon`. Collects paths and inner `use`.
    fn body(&mut self, path: &[String], for_tests: bool, ends_with_semicolon: bool) {
        let mut depth = 0;
        let (mut uses, mut paths) = (Vec::new(), Vec::new());
        while self.at < self.tokens.len() {
            if self.is(0, "use") && (self.is_after("{") || self.is_after(";") || self.is_after("}")) {
                self.at += 1;
                self.tree_of_use(&mut Vec::new(), Seen::Below, &mut uses);
                continue;
            }
            if is_word(self.peek())
                && self.tokens.get(self.at + 1).is_some_and(|(_, t)| t == ":")
                && self.is(2, ":")
            {
                let line = self.line();
                let mut names = vec![self.next()];
                while self.is_path() && self.tokens.get(self.at + 2).is_some_and(|(_, next)| is_word(next)) {
                    self.at += 2;
                    names.push(self.next());
                }
                if names.len() > 1 {
                    paths.push((line, names));
                }
                continue;
            }
            match self.next().as_str() {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" => depth -= 1,
                "}" => {
                    depth -= 1;
                    if depth == 0 && !ends_with_semicolon {
                        break;
                    }
                }
                ";" if depth == 0 => break,
                _ => {}
            }
        }
        if !for_tests {
            let own = self.own(path);
            own.uses.extend(uses);
            own.paths.extend(paths);
        }
    }

    fn is_after(&self, text: &str) -> bool {
        self.at > 0 && self.tokens[self.at - 1].1 == text
    }

    /// A tree of `use`, up to its `;` or to the `,` or `}` of the group around it.
    fn tree_of_use(&mut self, prefix: &mut Vec<String>, seen: Seen, out: &mut Vec<Use>) {
        let depth = prefix.len();
        let line = self.line();
        let mut renamed = None;
        let mut is_group = false;
        loop {
            match self.peek() {
                ":" => self.at += 1,
                "{" => {
                    is_group = true;
                    self.at += 1;
                    while !matches!(self.peek(), "}" | "") {
                        self.tree_of_use(prefix, seen, out);
                        self.at += usize::from(self.is(0, ","));
                    }
                    self.at += 1;
                }
                "*" => {
                    is_group = true;
                    self.at += 1;
                    out.push(Use { line, seen, path: prefix.clone(), name: None });
                }
                "as" => {
                    self.at += 1;
                    renamed = Some(self.next());
                }
                "," | "}" | ";" | "" => break,
                _ => {
                    let name = self.next();
                    prefix.push(name);
                }
            }
        }
        if !is_group {
            let mut path = prefix.clone();
            if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                path.pop();
            }
            let name = renamed.or_else(|| path.last().cloned());
            out.push(Use { line, seen, path, name });
        }
        prefix.truncate(depth);
    }
}

fn is_word(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}
