//! `uncsm-index.json`: which bundle an index uses, and whether its build came to an end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::layout::{MANIFEST, set_aside};
use crate::corpus::IdsFrom;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Task};
use crate::index::files::directory::{replace, sync_dir};
use crate::index::files::names;
use crate::index::files::sound::{Seal, mark, unmark};
use crate::limits::{self, SETTINGS_BYTES};
use crate::schema::FieldSchema;

/// The one file that says what belongs together; it is replaced by a rename, never written in place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this file and of the `.uvec` files beside it.
    pub format_version: u32,
    /// Folder of the bundle inside the index directory.
    pub bundle: String,
    /// Whether the source was indexed to its end.
    pub complete: bool,
    /// Sources of which a part alone is in the index: they were stopped on their way into an index that was there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub pending: BTreeSet<String>,
    /// What ids of documents without one were made from, where that is not their line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<IdsFrom>,
    /// The fields of a document.
    pub fields: FieldSchema,
}

impl Manifest {
    /// Reads the manifest of the index at `dir`.
    ///
    /// # Errors
    /// [`ErrorCode::NotFound`] where `dir` is no index, [`ErrorCode::Damaged`], [`ErrorCode::UnsupportedVersion`].
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let text =
            names::check(&path).and_then(|()| limits::read_text(&path, SETTINGS_BYTES, "the manifest"));
        let text = text.map_err(|error| match (error.code(), set_aside(dir)) {
            (ErrorCode::NotFound, None) => {
                error.expected("an index directory").hint(Hint::new("make one with").task(Task::Build))
            }
            (ErrorCode::NotFound, Some(aside)) => error.expected("an index directory").hint(format!(
                "a killed replacement set the index aside at {}: run the build again, or rename it back",
                aside.display()
            )),
            _ => error,
        })?;
        let damaged = |e: serde_json::Error| {
            Error::new(ErrorCode::Damaged, format!("the manifest does not parse: {e}"))
                .file(&path)
                .line(e.line() as u64)
        };
        let any: serde_json::Value = serde_json::from_str(&text).map_err(damaged)?;
        let version = any.get("format_version").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(uncsm_format::FORMAT_VERSION)) {
            return Err(Error::new(ErrorCode::UnsupportedVersion, "the index has another format version")
                .file(&path)
                .expected(uncsm_format::FORMAT_VERSION)
                .got(version.map_or("none".into(), |v| v.to_string()))
                .hint("build it again with this version of uncsm-index"));
        }
        let manifest: Self = serde_json::from_value(any).map_err(damaged)?;
        if !names::is_plain(Path::new(&manifest.bundle)) || manifest.bundle.starts_with('.') {
            return Err(Error::new(ErrorCode::Damaged, "the bundle's folder is not inside the index")
                .file(&path)
                .got(&manifest.bundle));
        }
        // Last, since the others say more.
        if unmark(&text) == Seal::Broken {
            return Err(Error::new(ErrorCode::Damaged, "the checksum of the manifest does not match")
                .file(&path)
                .hint("bring it back from a copy; whoever changed it by hand removes the white space at its end"));
        }
        Ok(manifest)
    }

    /// Replaces the manifest of the index at `dir` in one step, durable when it returns.
    ///
    /// # Errors
    /// Those of writing the file.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let path = dir.join(MANIFEST);
        let text = serde_json::to_string_pretty(self)
            .map_err(|e| Error::new(ErrorCode::BadValue, format!("manifest: {e}")).source(e))?;
        replace(&path, mark(&text).as_bytes()).map_err(|e| Error::io(&path, e))?;
        sync_dir(dir)
    }

    /// The bundle's folder of the index at `dir`.
    pub fn bundle_dir(&self, dir: &Path) -> PathBuf {
        dir.join(&self.bundle)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The manifest as builds before marks read it: they refuse a key that is not here. What is new has a file of its own.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    #[allow(dead_code, reason = "what matters is which keys there are")]
    struct Before {
        format_version: u32,
        bundle: String,
        complete: bool,
        #[serde(default)]
        pending: BTreeSet<String>,
        fields: serde_json::Value,
    }

    #[test]
    fn a_manifest_is_read_by_builds_that_know_no_mark_and_a_changed_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let manifest = Manifest {
            format_version: uncsm_format::FORMAT_VERSION,
            bundle: "bundle-0123456789abcdef".into(),
            complete: true,
            pending: BTreeSet::from(["a.jsonl".to_owned()]),
            ids: None,
            fields: FieldSchema::default(),
        };
        manifest.save(dir.path()).unwrap();
        let path = dir.path().join(MANIFEST);
        let text = std::fs::read_to_string(&path).unwrap();
        let before: Before = serde_json::from_str(&text).unwrap();
        assert!(before.complete && before.pending.contains("a.jsonl"));
        assert_eq!(Manifest::load(dir.path()).unwrap(), manifest);
        for (from, to) in
            [("a.jsonl", "b.jsonl"), ("true", "false"), ("-01", "-11"), ("\t", " "), (": ", ":")]
        {
            let changed = text.replacen(from, to, 1);
            assert_ne!(changed, text);
            std::fs::write(&path, changed).unwrap();
            assert_eq!(Manifest::load(dir.path()).unwrap_err().code(), ErrorCode::Damaged, "{from}");
        }
        std::fs::write(&path, text.trim_end().replace("a.jsonl", "b.jsonl")).unwrap();
        assert!(Manifest::load(dir.path()).unwrap().pending.contains("b.jsonl"), "changed by hand");
    }
}
