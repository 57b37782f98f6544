//! A folder of weights that was found.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::families::Families;
use crate::encode::Encoder;
use crate::encode::family::{Family, Opening, is_read, is_weights, reads};
use crate::encode::picture::DecodeLimits;
use crate::error::{Error, Result};

/// Weights on disk: a folder in the published layout, or one `.safetensors` file.
#[derive(Clone)]
#[non_exhaustive]
pub struct Folder {
    /// Where it lies.
    pub path: PathBuf,
    /// The name that a bundle keeps.
    pub name: String,
    /// What opens it.
    pub family: Arc<dyn Family>,
}

impl fmt::Debug for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let family = self.family.name();
        f.debug_struct("Folder")
            .field("path", &self.path)
            .field("name", &self.name)
            .field("family", &family)
            .finish()
    }
}

impl Folder {
    /// The folder or file at `path`, which a bundle calls `name`.
    ///
    /// # Errors
    /// Those of [`Families::of`].
    pub(super) fn new(path: &Path, name: &str, families: &Families) -> Result<Self> {
        Ok(Self { path: path.to_path_buf(), name: name.to_owned(), family: families.of(path)? })
    }

    /// The same with its last component as name: a bundle does not keep where things lie on one machine.
    ///
    /// # Errors
    /// Those of [`Families::of`].
    pub(super) fn named_by_path(path: &Path, families: &Families) -> Result<Self> {
        let full = std::fs::canonicalize(path).map_err(|e| Error::io(path, e))?;
        let part = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let mut name = part(&full);
        if is_weights(&full) {
            let stem = full.with_extension("");
            // `model.safetensors` says nothing: its folder does.
            name = if part(&stem).as_deref() == Some("model") {
                full.parent().and_then(part)
            } else {
                part(&stem)
            };
        }
        Self::new(path, name.as_deref().unwrap_or("encoder"), families)
    }

    /// Opens the encoder of `media`, under the name of this folder. Cost: reads and hashes the weights.
    ///
    /// # Errors
    /// [`crate::ErrorCode::BadArgument`] where it does not serve `media`, or this build lacks the feature `encoders`; those of the encoder.
    pub fn open(&self, media: &str, limits: DecodeLimits) -> Result<Arc<dyn Encoder>> {
        reads(self.family.as_ref(), media).map_err(|error| error.file(&self.path))?;
        self.family.open(&Opening::new(media, &self.name, &self.path, limits))
    }

    /// The files that the encoder reads, each with its name inside a folder.
    pub fn files(&self) -> Vec<(String, PathBuf)> {
        if self.path.is_file() {
            return vec![("model.safetensors".to_owned(), self.path.clone())];
        }
        let entries = |dir: &Path| {
            let entries = std::fs::read_dir(dir).into_iter().flatten().filter_map(std::result::Result::ok);
            let named = |path: PathBuf| Some((path.file_name()?.to_str()?.to_owned(), path));
            entries.filter_map(move |entry| named(entry.path())).collect::<Vec<_>>()
        };
        let mut files = Vec::new();
        for (name, path) in entries(&self.path) {
            if path.is_dir() {
                let inside = entries(&path).into_iter().map(|(file, path)| (format!("{name}/{file}"), path));
                files.extend(inside);
            } else {
                files.push((name, path));
            }
        }
        files.sort();
        let read = |(name, path): &(String, PathBuf)| is_read(name) && path.is_file();
        let mut out: Vec<_> = files.iter().filter(|file| read(file)).cloned().collect();
        if !out.iter().any(|(_, path)| is_weights(path)) {
            // Weights of another name, which its signs have shown to be the only ones.
            let other = files.into_iter().map(|(_, path)| path).find(|path| is_weights(path));
            out.extend(other.map(|path| ("model.safetensors".to_owned(), path)));
        }
        out
    }
}
