//! Files that a walk leaves out, counted by kind.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::corpus::document::pictures::other_by_extension;
use crate::error::{Error, ErrorCode};

/// Kinds that are counted by name; the rest is counted together.
const MAX_KINDS: usize = 64;
/// Bytes of an extension that are shown.
const MAX_NAME: usize = 32;

/// How many files of each kind were left out, and the first of each.
#[derive(Debug, Default)]
pub(in crate::corpus) struct Kinds {
    counts: BTreeMap<String, (u64, PathBuf)>,
    others: Option<(u64, PathBuf)>,
}

impl Kinds {
    /// Counts a file with this extension, in lower case.
    pub(in crate::corpus) fn add(&mut self, extension: &str, path: impl FnOnce() -> PathBuf) {
        let name: String = extension.chars().take(MAX_NAME).collect();
        if let Some((count, _)) = self.counts.get_mut(&name) {
            *count += 1;
        } else if self.counts.len() < MAX_KINDS {
            self.counts.insert(name, (1, path()));
        } else {
            self.others.get_or_insert_with(|| (0, path())).0 += 1;
        }
    }

    /// One for each kind, in order of name.
    pub(in crate::corpus) fn into_errors(self) -> impl Iterator<Item = Error> {
        let error = |what: String, first: PathBuf| Error::new(ErrorCode::UnknownMedia, what).file(first);
        let known = self.counts.into_iter().map(move |(name, (count, first))| {
            let files = if count == 1 { "file" } else { "files" };
            let left = match name.as_str() {
                "" => format!("{count} {files} without an extension left out"),
                "txt" | "json" | "caption" => {
                    format!("{count} {files} of the kind `.{name}` left out: beside no picture, or beside one that has another")
                }
                name if name.starts_with('(') => format!("{count} {files} left out: {}", name.trim_matches(['(', ')'])),
                _ => format!("{count} {files} of the kind `.{name}` left out"),
            };
            match other_by_extension(&name) {
                Some(other) => error(format!("{left}: {} is not read", other.name), first)
                    .hint(format!("convert them to PNG, JPEG, WebP, GIF, BMP or TIFF: `{}`", other.way)),
                None => error(left, first),
            }
        });
        let others = self
            .others
            .map(move |(count, first)| error(format!("{count} files of other kinds left out"), first));
        known.chain(others)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_kinds_are_counted_together() {
        let mut kinds = Kinds::default();
        for n in 0..MAX_KINDS + 3 {
            kinds.add(&format!("k{n:03}"), || PathBuf::from(n.to_string()));
        }
        kinds.add("k000", || PathBuf::from("again"));
        kinds.add("svg", || PathBuf::from("more"));
        let errors: Vec<Error> = kinds.into_errors().collect();
        assert_eq!(errors.len(), MAX_KINDS + 1);
        assert_eq!(errors[0].facts().message, "2 files of the kind `.k000` left out");
        assert_eq!(errors[0].facts().file.as_deref(), Some(std::path::Path::new("0")));
        assert_eq!(errors[MAX_KINDS].facts().message, "4 files of other kinds left out");
    }
}
