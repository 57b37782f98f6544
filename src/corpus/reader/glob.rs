//! Names with `*`, `?` and `[..]` in place of a list of files.

use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::error::{Error, ErrorCode, Result};

/// Whether `path` is a pattern: nothing has that name, and it has a sign of one.
pub(in crate::corpus) fn is_pattern(path: &Path) -> bool {
    let signs = path.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte));
    signs && path.symlink_metadata().is_err()
}

/// What the pattern stands for, in order of name (bytes). In each part of the path `*` stands for any characters, `?` for one, `[a-c]` for one of
/// these and `[!a-c]` for another; names that begin with a dot are matched by a dot alone.
///
/// # Errors
/// [`ErrorCode::NotFound`] where it stands for nothing; [`ErrorCode::BadArgument`] for a pattern that is not UTF-8; [`ErrorCode::Io`].
pub(in crate::corpus) fn expand(pattern: &Path) -> Result<Vec<PathBuf>> {
    if pattern.to_str().is_none() {
        return Err(Error::new(ErrorCode::BadArgument, "a pattern is not UTF-8").file(pattern));
    }
    let mut found = vec![PathBuf::new()];
    for part in pattern.components() {
        let Component::Normal(name) = part else {
            found.iter_mut().for_each(|path| path.push(part));
            continue;
        };
        let name = name.to_str().unwrap_or_default();
        if !name.contains(['*', '?', '[']) {
            found.iter_mut().for_each(|path| path.push(name));
            found.retain(|path| path.symlink_metadata().is_ok());
            continue;
        }
        let wanted: Vec<char> = name.chars().collect();
        let mut next = Vec::new();
        for folder in &found {
            let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
            // A file on the way is no folder.
            if !here.is_dir() {
                continue;
            }
            for entry in fs::read_dir(here).map_err(|error| Error::io(here, error))? {
                let entry = entry.map_err(|error| Error::io(here, error))?.file_name();
                let Some(text) = entry.to_str() else { continue };
                if text.starts_with('.') && !name.starts_with('.') {
                    continue;
                }
                if matches(&wanted, &text.chars().collect::<Vec<_>>()) {
                    next.push(folder.join(&entry));
                }
            }
        }
        found = next;
    }
    found.sort();
    if found.is_empty() {
        return Err(Error::new(ErrorCode::NotFound, "no file has a name like that").file(pattern));
    }
    Ok(found)
}

/// Whether `name` is one that `pattern` stands for. Cost: O(pattern * name).
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    // Where the last star stands, and how far it has come.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('[') => one_of(&pattern[p..], name[n]),
            Some('?') => Some(1),
            Some(c) if *c == name[n] => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(by), _) => {
                p += by;
                n += 1;
            }
            (None, Some((at, from))) => {
                star = Some((at, from + 1));
                (p, n) = (at + 1, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The length of the set that begins `pattern`, where `c` is in it. A bracket that is not closed stands for itself.
fn one_of(pattern: &[char], c: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let first = if negated { 2 } else { 1 };
    // A bracket that comes first is one of the set.
    let close = pattern.iter().skip(first + 1).position(|c| *c == ']').map(|at| at + first + 1);
    let Some(close) = close else { return (c == '[').then_some(1) };
    let set = &pattern[first..close];
    let (mut at, mut found) = (0, false);
    while at < set.len() {
        if set.get(at + 1) == Some(&'-') && at + 2 < set.len() {
            found |= set[at] <= c && c <= set[at + 2];
            at += 3;
        } else {
            found |= set[at] == c;
            at += 1;
        }
    }
    (found != negated).then_some(close + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_stand_for_characters() {
        let is = |pattern: &str, name: &str| {
            matches(&pattern.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
        };
        for (pattern, name) in [
            ("*", ""),
            ("*.gz", "a.b.gz"),
            ("a*b*c", "aXbYbZc"),
            ("?-[0-3].x", "ä-2.x"),
            ("[]a]", "]"),
            ("[!0-9]", "x"),
            ("a[", "a["),
            ("**", "abc"),
        ] {
            assert!(is(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in
            [("*.gz", "a.gz.x"), ("?", ""), ("[0-3]", "4"), ("[!0-9]", "5"), ("a*b", "abc"), ("", "a")]
        {
            assert!(!is(pattern, name), "{pattern} {name}");
        }
        // Many stars are no reason to wait.
        assert!(!is(&"*a".repeat(200), &"a".repeat(199)));
    }

    #[test]
    fn a_pattern_is_the_files_in_order_of_name() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["x/b.jsonl", "x/a.jsonl", "y/c.jsonl", "y/.d.jsonl", "z.jsonl"] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let found = |pattern: &str| {
            let found = expand(&dir.path().join(pattern))?;
            Ok(found
                .iter()
                .map(|path| path.strip_prefix(dir.path()).unwrap().to_str().unwrap().to_owned())
                .collect())
        };
        let list: Result<Vec<String>> = found("*/*.jsonl");
        assert_eq!(list.unwrap(), ["x/a.jsonl", "x/b.jsonl", "y/c.jsonl"]);
        assert_eq!(found("[x-z]/c.jsonl").unwrap(), ["y/c.jsonl"]);
        assert_eq!(found("*.parquet").unwrap_err().code(), ErrorCode::NotFound);
        assert!(is_pattern(&dir.path().join("*")) && !is_pattern(&dir.path().join("z.jsonl")));
    }
}
