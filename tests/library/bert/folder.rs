//! Copies of the tiny checkpoint, to be changed.

use std::path::{Path, PathBuf};

use serde_json::Value;
use uncsm_index::encode::bert::SentenceEncoder;
use uncsm_index::encode::{Encoder, Item};

use crate::common::files::{copy_dir, edit_json};

pub(crate) fn tiny() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library/bert/tiny")
}

/// A copy of the checkpoint in a folder of its own.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        copy_dir(&tiny(), folder.path());
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Changes a JSON file.
    pub(crate) fn edit(&self, name: &str, change: impl FnOnce(&mut Value)) -> &Self {
        edit_json(&self.path(name), change);
        self
    }

    pub(crate) fn open(&self) -> uncsm_index::Result<SentenceEncoder> {
        SentenceEncoder::open(self.0.path(), "tiny")
    }
}

/// Features of all texts in one batch.
pub(crate) fn encode<S: AsRef<str>>(encoder: &SentenceEncoder, texts: &[S]) -> Vec<Vec<f32>> {
    let items: Vec<Item<'_>> = texts.iter().map(|text| Item::Text(text.as_ref())).collect();
    encoder.encode(&items).into_iter().map(|features| features.unwrap()).collect()
}
