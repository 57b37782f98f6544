//! The built-in encoders over files, good and bad, and over drawings and sentences.

mod draw;
mod formats;
mod pictures;
mod separate;
mod texts;

use uncsm_index::Result;
use uncsm_index::encode::{Encoder, Item};

/// Features of one item.
fn encode(encoder: &dyn Encoder, item: Item<'_>) -> Result<Vec<f32>> {
    let mut results = encoder.encode(&[item]);
    assert_eq!(results.len(), 1);
    let result = results.remove(0);
    if let Ok(features) = &result {
        assert_eq!(features.len(), encoder.features());
        assert!(features.iter().all(|x| x.is_finite()));
    }
    result
}
