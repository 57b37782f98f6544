//! CLIP and SigLIP on tiny random checkpoints, compared with what their reference implementation gave.

mod pure;
mod reference;
mod refused;

use std::path::{Path, PathBuf};

use serde_json::Value;
use uncsm_index::Result;
use uncsm_index::encode::clip::{ClipImage, ClipText, SiglipImage, SiglipText};
use uncsm_index::encode::{DecodeLimits, Encoder, Item};

use crate::common::files::{copy_dir, edit_json};

/// The folder of this test's files.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/library/clip")
}

fn clip_image(dir: &Path) -> Result<ClipImage> {
    ClipImage::open(dir, "clip", DecodeLimits::default())
}

fn siglip_image(dir: &Path) -> Result<SiglipImage> {
    SiglipImage::open(dir, "siglip", DecodeLimits::default())
}

fn clip_text(dir: &Path) -> Result<ClipText> {
    ClipText::open(dir, "clip")
}

fn siglip_text(dir: &Path) -> Result<SiglipText> {
    SiglipText::open(dir, "siglip")
}

/// Features of one item, of unit length.
fn encode(encoder: &dyn Encoder, item: Item<'_>) -> Vec<f32> {
    let mut results = encoder.encode(&[item]);
    assert_eq!(results.len(), 1);
    let row = results.remove(0).unwrap();
    assert_eq!(row.len(), encoder.features());
    let norm = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>().sqrt();
    assert!((norm - 1.0).abs() < 1e-6, "length {norm}");
    row
}

/// A copy of the checkpoint `family` that a test may change.
struct Copy(tempfile::TempDir);

impl Copy {
    fn of(family: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(&folder().join(family), dir.path());
        Self(dir)
    }

    fn dir(&self) -> &Path {
        self.0.path()
    }

    /// Changes a JSON file.
    fn edit(self, file: &str, change: impl FnOnce(&mut Value)) -> Self {
        edit_json(&self.dir().join(file), change);
        self
    }

    fn remove(self, file: &str) -> Self {
        std::fs::remove_file(self.dir().join(file)).unwrap();
        self
    }
}
