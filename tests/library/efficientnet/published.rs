//! The published weights and the features that another implementation made with them, where `UNCSM_DATA` has them.

use std::path::PathBuf;

use safetensors::SafeTensors;
use uncsm_index::encode::{DecodeLimits, EfficientNetLite0, Encoder, Item};

use crate::common::cosine;

#[test]
fn as_the_precomputed_features() {
    let data = std::env::var_os("UNCSM_DATA")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data")), PathBuf::from);
    let weights = data.join("efficientnet-lite0.safetensors");
    let folder = data.join("openclipart-mini");
    if !weights.exists() || !folder.exists() {
        eprintln!("skipped: no {} or {}", weights.display(), folder.display());
        return;
    }
    let encoder = EfficientNetLite0::open(&weights, "lite0", DecodeLimits::default()).unwrap();
    let bytes = std::fs::read(folder.join("features.safetensors")).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = tensors.tensor("image_efficientnet_lite0").unwrap();
    let rows: Vec<Vec<f32>> = tensor
        .data()
        .chunks_exact(1280 * 4)
        .map(|row| row.chunks_exact(4).map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect())
        .collect();
    let (mut whole, mut shrunk) = (0, 0);
    for at in (0..rows.len()).step_by(90) {
        let file = std::fs::read(folder.join(format!("img/{at:04}.png"))).unwrap();
        let got = encoder.encode(&[Item::Bytes(&file)]).pop().unwrap().unwrap();
        let similarity = cosine(&got, &rows[at]);
        // The features were made before the pictures were shrunk to 256 pixels.
        let (width, height) = image::ImageReader::new(std::io::Cursor::new(&file))
            .with_guessed_format()
            .unwrap()
            .into_dimensions()
            .unwrap();
        match width.max(height) {
            256.. => {
                assert!(similarity > 0.97, "{at}: {similarity}");
                shrunk += 1;
            }
            _ => {
                assert!(similarity > 0.9999, "{at}: {similarity}");
                whole += 1;
            }
        }
    }
    assert!(whole >= 3 && shrunk >= 3, "{whole} {shrunk}");
}
