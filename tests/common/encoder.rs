//! An encoder that needs no weights: features from the bytes of an item, with a count of the items that it was asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use uncsm_index::encode::{Encoder, Item};
use uncsm_index::media::Fingerprint;
use uncsm_index::{Error, ErrorCode, Result};

/// An item that says `fail` is an error, `nan` and `short` are features that break the promise of an encoder.
pub struct Bytes {
    pub width: usize,
    pub asked: Arc<AtomicUsize>,
}

impl Bytes {
    pub fn new(width: usize) -> Self {
        Self { width, asked: Arc::default() }
    }

    fn one(&self, bytes: &[u8]) -> Result<Vec<f32>> {
        let says = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        if says(b"fail") {
            return Err(Error::new(ErrorCode::Damaged, "the item says so"));
        }
        let mut features = vec![0.1f32; if says(b"short") { self.width - 1 } else { self.width }];
        for (at, byte) in bytes.iter().enumerate() {
            features[at % (self.width - 1)] += f32::from(*byte) * (at as f32 + 1.0).sin() / 256.0;
        }
        if says(b"nan") {
            features[0] = f32::NAN;
        }
        Ok(features)
    }
}

impl Encoder for Bytes {
    fn name(&self) -> &str {
        "bytes"
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint([1; 32])
    }

    fn features(&self) -> usize {
        self.width
    }

    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
        self.asked.fetch_add(items.len(), Ordering::Relaxed);
        let bytes = |item: &Item<'_>| match item {
            Item::Text(text) => text.as_bytes().to_vec(),
            Item::Bytes(bytes) => bytes.to_vec(),
        };
        items.iter().map(|item| self.one(&bytes(item))).collect()
    }
}
