//! An encoder with weights for tests: how often each of four letters stands in a text, times a weight.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::seam::{Family, Opening};
use super::signs::Signs;
use crate::encode::{Encoder, Item};
use crate::error::{Error, Result};
use crate::media::Fingerprint;

pub(crate) const FEATURES: usize = 4;

pub(crate) struct Bytes {
    name: String,
    hash: [u8; 32],
}

/// The family of folders that [`write`] writes.
pub(super) struct Test;

impl Family for Test {
    fn name(&self) -> &'static str {
        "test"
    }

    fn media(&self) -> &'static [&'static str] {
        &["text"]
    }

    fn detect(&self, signs: &Signs) -> bool {
        signs.model_type() == Some("test")
    }

    fn open(&self, opening: &Opening<'_>) -> Result<Arc<dyn Encoder>> {
        Ok(Arc::new(Bytes::open(opening.path, opening.name)?))
    }
}

impl Bytes {
    fn open(dir: &Path, name: &str) -> Result<Self> {
        let file = dir.join("model.safetensors");
        let bytes = std::fs::read(&file).map_err(|e| Error::io(&file, e))?;
        Ok(Self { name: name.into(), hash: Sha256::digest(bytes).into() })
    }
}

/// Writes a folder of such an encoder; gives its path.
pub(crate) fn write(root: &Path, name: &str, weights: u8) -> PathBuf {
    let dir = root.join(name);
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(dir.join("config.json"), r#"{"model_type":"test"}"#).unwrap();
    std::fs::write(dir.join("model.safetensors"), [weights; 8]).unwrap();
    dir
}

/// The fingerprint of an encoder that [`write`] wrote.
pub(crate) fn fingerprint(weights: u8) -> Fingerprint {
    let hash: [u8; 32] = Sha256::digest([weights; 8]).into();
    Fingerprint::of([b"test".as_slice(), &hash])
}

impl Encoder for Bytes {
    fn name(&self) -> &str {
        &self.name
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of([b"test".as_slice(), &self.hash])
    }

    fn features(&self) -> usize {
        FEATURES
    }

    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
        let count = |text: &str, letter: u8| text.bytes().filter(|b| *b == letter).count() as f32;
        let of = |item: &Item<'_>| match item {
            Item::Text(text) => {
                Ok(b"aeio".iter().map(|b| count(text, *b) * f32::from(self.hash[0])).collect())
            }
            Item::Bytes(_) => Ok(vec![0.0; FEATURES]),
        };
        items.iter().map(of).collect()
    }
}
