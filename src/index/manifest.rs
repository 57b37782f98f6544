//! `uncsm-index.json`: which bundle an index uses, and whether its build came to an end.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

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
        let text = limits::read_text(&path, SETTINGS_BYTES, "the manifest").map_err(|error| {
            let missing = error.code() == ErrorCode::NotFound;
            if missing {
                error.expected("an index directory").hint("make one with `uncsm-index build`")
            } else {
                error
            }
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
        let plain = Path::new(&manifest.bundle).components().count() == 1;
        if !plain || manifest.bundle.starts_with('.') {
            return Err(Error::new(ErrorCode::Damaged, "the bundle's folder is not inside the index")
                .file(&path)
                .got(&manifest.bundle));
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
        let mut file =
            tempfile::Builder::new().prefix(LEFT_OVER).tempfile_in(dir).map_err(|e| Error::io(dir, e))?;
        file.write_all(text.as_bytes()).map_err(|e| Error::io(&path, e))?;
        file.as_file().sync_all().map_err(|e| Error::io(&path, e))?;
        // Temporary files are private; a manifest is as readable as tantivy's own files.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let readable = std::fs::Permissions::from_mode(0o644);
            file.as_file().set_permissions(readable).map_err(|e| Error::io(&path, e))?;
        }
        file.persist(&path).map_err(|e| Error::io(&path, e.error))?;
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
