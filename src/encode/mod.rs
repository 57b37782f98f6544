//! Encoders: from an item to its features `[d_in]`, frozen.
//!
//! The seam between a corpus and the pathways: whatever makes features implements [`Encoder`], and a bundle keeps its
//! name and fingerprint. [`FromFile`] stands for an encoder that ran elsewhere and left its features in a file.

mod batch;
#[cfg(feature = "encoders")]
pub mod bert;
mod builtin;
mod cache;
#[cfg(feature = "encoders")]
pub mod clip;
#[cfg(feature = "encoders")]
mod efficientnet;
mod family;
mod fit;
mod from_file;
mod hashing;
pub(crate) mod kernel;
mod picture;
mod place;
pub mod resolve;
mod rows;
mod source;
#[cfg(feature = "encoders")]
mod weights;

use crate::error::Result;
use crate::media::Fingerprint;

pub use batch::Encoders;
pub(crate) use batch::{BadItem, EncodedItem, check_informed, empty_text, encode_batch, read_media_file};
pub(crate) use builtin::Builtin;
pub use builtin::{BuiltinImage, BuiltinText};
pub use cache::FeatureCache;
#[cfg(feature = "encoders")]
pub use efficientnet::EfficientNetLite0;
#[cfg(test)]
pub(crate) use family::testing;
pub use family::{Family, Opening, Signs};
pub use fit::fit;
pub(crate) use fit::{fit_any, media_of};
pub use from_file::FromFile;
pub use picture::{DecodeLimits, RgbImage, decode};
pub use place::{Ids, Place};
pub use resolve::registry::Registry;
pub use rows::FeatureRows;
pub use source::{Content, CorpusSource, FeatureSource, Incoming, RawItem, SourceDocument};

/// What an encoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// A text or a passage of one.
    Text(&'a str),
    /// The bytes of a media file, as they are on disk.
    Bytes(&'a [u8]),
}

/// Turns items of one media type into features.
///
/// An implementation is a pure function of the item: the same features whatever else is in the batch.
pub trait Encoder: Send + Sync {
    /// The name that a bundle keeps.
    fn name(&self) -> &str;

    /// Stands for weights and preprocessing: equal fingerprints, equal features.
    fn fingerprint(&self) -> Fingerprint;

    /// Number of features of an item, `d_in`.
    fn features(&self) -> usize;

    /// Bytes of the largest media file that is worth reading: the encoder would refuse a larger one.
    fn max_bytes(&self) -> u64 {
        crate::limits::PICTURE_BYTES
    }

    /// Whether `item` holds nothing that this encoder reads, so that it is no item. Cost: far below that of encoding.
    fn is_empty(&self, _item: &Item<'_>) -> bool {
        false
    }

    /// Encodes `items`: one result per item, in their order, each with [`Encoder::features`] finite elements.
    ///
    /// # Errors
    /// Each item by itself: one that cannot be decoded does not touch the others.
    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>>;
}
