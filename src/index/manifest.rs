//! `uncsm-index.json`: which bundle an index uses, and whether its build came to an end.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::directory::replace;
use super::names;
use super::partial::set_aside;
use super::sound::{Seal, seal, unseal};
use crate::corpus::FieldSchema;
use crate::error::{Error, ErrorCode, Result};
use crate::limits::{self, SETTINGS_BYTES};

/// Name of the manifest in an index directory.
pub const MANIFEST: &str = "uncsm-index.json";

/// Names of files and folders under construction begin so; one that stands there without a writer was left by a killed one.
pub(super) const LEFT_OVER: &str = ".uncsm-";

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
                error.expected("an index directory").hint("make one with `uncsm-index build`")
            }
            (ErrorCode::NotFound, Some(aside)) => error.expected("an index directory").hint(format!(
                "a killed replacement set the index aside at {}: run the build again, or rename it back",
                aside.display()
            )),
            _ => error,
        })?;
        let (text, seal) = unseal(&text);
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
        if seal == Seal::Broken {
            return Err(Error::new(ErrorCode::Damaged, "the checksum of the manifest does not match")
                .file(&path)
                .hint("bring it back from a copy; whoever changed it by hand removes the key `crc32`"));
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
        let text = seal(&text, None);
        replace(&path, text.as_bytes()).map_err(|e| Error::io(&path, e))?;
        sync_dir(dir)
    }

    /// The bundle's folder of the index at `dir`.
    pub fn bundle_dir(&self, dir: &Path) -> PathBuf {
        dir.join(&self.bundle)
    }
}

/// Makes renames in `dir` durable.
pub(crate) fn sync_dir(dir: &Path) -> Result<()> {
    #[cfg(unix)]
    std::fs::File::open(dir).and_then(|d| d.sync_all()).map_err(|e| Error::io(dir, e))?;
    #[cfg(not(unix))]
    let _ = dir;
    Ok(())
}
