//! From items to features `[d_in]`: encoders, and features that a file holds already.

mod rows;
mod source;

pub use rows::FeatureRows;
pub use source::{FeatureSource, Incoming, Place, RawItem, SourceDocument};

use crate::error::Result;
use crate::media::Fingerprint;

/// One item as an encoder reads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A text or passage.
    Text(&'a str),
    /// The bytes of a media file.
    Bytes(&'a [u8]),
}

/// Turns items of one media type into features; frozen, so that equal items have equal features for ever.
pub trait Encoder: Send + Sync {
    /// The name that bundles record.
    fn name(&self) -> &str;

    /// Fingerprint of weights and preprocessing; another one makes other features.
    fn fingerprint(&self) -> Fingerprint;

    /// Elements of a feature row, `d_in`.
    fn features(&self) -> usize;

    /// Features `[d_in]` of each item, in order; an item that does not decode is an error of its own.
    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>>;
}
