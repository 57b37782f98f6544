//! `uncsm-sources.json`: the sources that documents of an index were read from.
//!
//! A file of its own, since builds that know no sources refuse a manifest with a key that they do not know. Queries do not
//! read it; without it an index has no sources.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::layout::SOURCES;
use crate::corpus::Root;
use crate::error::{Error, ErrorCode, Result};
use crate::index::files::directory::{replace, sync_dir};
use crate::index::files::names;
use crate::index::files::sound::{Seal, mark, unmark};
use crate::limits::{self, SETTINGS_BYTES, SOURCE_ROOTS};

/// Version of the file.
const VERSION: u32 = 1;

const REPAIR: &str =
    "bring the file back from a copy, or remove it: then documents do not say where they came from";

/// The sources of an index, in order of id. The file is replaced by a rename, never written in place.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Roots {
    version: u32,
    pub(crate) roots: BTreeSet<Root>,
}

impl Default for Roots {
    fn default() -> Self {
        Self { version: VERSION, roots: BTreeSet::new() }
    }
}

impl Roots {
    /// Those of the index at `dir`; none where it has no list.
    ///
    /// # Errors
    /// [`ErrorCode::Damaged`], [`ErrorCode::TooLarge`], [`ErrorCode::UnsupportedVersion`], those of reading.
    pub(crate) fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(SOURCES);
        let what = "the list of sources";
        let text = match names::check(&path).and_then(|()| limits::read_text(&path, SETTINGS_BYTES, what)) {
            Ok(text) => text,
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(Self::default()),
            Err(error) => return Err(error),
        };
        let damaged = |e: serde_json::Error| {
            Error::new(ErrorCode::Damaged, format!("the list of sources does not parse: {e}"))
                .file(&path)
                .line(e.line() as u64)
                .hint(REPAIR)
        };
        let any: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
        if unmark(&text) == Seal::Broken {
            let what = "the checksum of the list of sources does not match";
            return Err(Error::new(ErrorCode::Damaged, what).file(&path).hint(REPAIR));
        }
        let version = any.get("version").and_then(serde_json::Value::as_u64);
        if version.is_some_and(|version| version != u64::from(VERSION)) {
            return Err(Error::new(ErrorCode::UnsupportedVersion, "the list of sources has another version")
                .file(&path)
                .expected(VERSION)
                .got(version.unwrap_or_default()));
        }
        let list: Self = serde_json::from_value(any).map_err(damaged)?;
        if list.roots.len() > SOURCE_ROOTS {
            let error =
                limits::over("the list of sources is too long", SOURCE_ROOTS, list.roots.len(), "sources");
            return Err(error.file(&path).hint(REPAIR));
        }
        Ok(list)
    }

    /// Adds `root` to the list of the index at `dir`, durable when it returns. Says whether the list has it now: one that is
    /// full takes no more.
    ///
    /// # Errors
    /// Those of [`Roots::load`] and of writing.
    pub(crate) fn add(dir: &Path, root: &Root) -> Result<bool> {
        let mut list = Self::load(dir)?;
        if list.roots.contains(root) {
            return Ok(true);
        }
        list.roots.insert(root.clone());
        let text = serde_json::to_string_pretty(&list)
            .map_err(|e| Error::new(ErrorCode::BadValue, format!("list of sources: {e}")).source(e))?;
        let text = mark(&text);
        if list.roots.len() > SOURCE_ROOTS || text.len() as u64 > SETTINGS_BYTES {
            return Ok(false);
        }
        let path = dir.join(SOURCES);
        replace(&path, text.as_bytes()).map_err(|e| Error::io(&path, e))?;
        sync_dir(dir)?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(at: usize) -> Root {
        Root::new("jsonl", Path::new(&format!("/data/{at}.jsonl")))
    }

    #[test]
    fn a_list_comes_back_and_a_changed_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Roots::load(dir.path()).unwrap(), Roots::default());
        for at in [0, 1, 0] {
            assert!(Roots::add(dir.path(), &root(at)).unwrap());
        }
        let list = Roots::load(dir.path()).unwrap();
        assert_eq!(list.roots, BTreeSet::from([root(0), root(1)]));
        let path = dir.path().join(SOURCES);
        let text = std::fs::read_to_string(&path).unwrap();
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(Roots::load(dir.path()).unwrap_err().code(), ErrorCode::Damaged, "byte {at}");
            Roots::add(dir.path(), &root(2)).unwrap_err();
        }
        std::fs::write(&path, text.replace("\"version\": 1", "\"version\": 9").trim_end()).unwrap();
        assert_eq!(Roots::load(dir.path()).unwrap_err().code(), ErrorCode::UnsupportedVersion);
        // Holes: nothing of it is on the disk.
        std::fs::File::create(&path).unwrap().set_len(SETTINGS_BYTES + 1).unwrap();
        assert_eq!(Roots::load(dir.path()).unwrap_err().code(), ErrorCode::TooLarge);
    }

    #[test]
    fn a_full_list_takes_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let list = |n: usize| {
            let list = Roots { roots: (0..n).map(root).collect(), ..Roots::default() };
            std::fs::write(dir.path().join(SOURCES), mark(&serde_json::to_string(&list).unwrap())).unwrap();
        };
        list(SOURCE_ROOTS - 1);
        assert!(Roots::add(dir.path(), &root(SOURCE_ROOTS)).unwrap());
        assert!(!Roots::add(dir.path(), &root(SOURCE_ROOTS + 1)).unwrap());
        assert!(Roots::add(dir.path(), &root(0)).unwrap(), "it is there");
        assert_eq!(Roots::load(dir.path()).unwrap().roots.len(), SOURCE_ROOTS);
        list(SOURCE_ROOTS + 1);
        assert_eq!(Roots::load(dir.path()).unwrap_err().code(), ErrorCode::TooLarge);
        // Long paths fill it before.
        let long = Root { path: "x".repeat(SETTINGS_BYTES as usize), ..root(0) };
        std::fs::remove_file(dir.path().join(SOURCES)).unwrap();
        assert!(!Roots::add(dir.path(), &long).unwrap());
        assert_eq!(Roots::load(dir.path()).unwrap(), Roots::default());
    }
}
