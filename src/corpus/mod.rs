//! What the user gave: documents from JSON Lines, Parquet and folders of media, features from safetensors files, and what
//! people say about items and queries. It does not know tantivy.
//!
//! Everything streams: a corpus is read line by line, batch of rows by batch of rows or folder by folder, a tensor block
//! of rows by block of rows.

mod array;
mod data;
mod document;
mod feature_files;
mod features;
mod files;
mod folder;
mod glob;
mod ids;
mod json;
mod jsonl;
mod keys;
mod names;
mod not_finite;
mod object;
mod origin;
mod pairs;
mod parquet;
mod passages;
mod pathway;
mod pictures;
mod reader;
mod relevance;
mod samples;
mod shard;
mod source;
mod table;
mod tar;
mod tensor;
mod unpack;

pub use crate::guard::catches_panics;
pub(crate) use document::SPLIT_NOT_READ;
pub use document::{Document, Given, MAX_ID_BYTES, Split};
pub use feature_files::FeatureFiles;
pub(crate) use feature_files::StoredRows;
pub use features::{FeatureSet, FeaturesFile};
pub(crate) use files::{content, files, fingerprint};
pub(crate) use folder::folder_fingerprint;
pub use ids::IdsFrom;
pub(crate) use ids::hex;
pub use json::parse_line;
pub(crate) use json::{strict, type_name};
pub use jsonl::JsonlReader;
pub use keys::{Holds, Keys, MediaKey};
pub(crate) use keys::{IMAGE, TEXT};
pub(crate) use names::check_field_name;
pub use origin::{Origin, Root, Spot};
pub use pairs::{PairItem, PairLine, Pairs};
pub use passages::Passages;
pub use pathway::{EncoderArg, PathwayArg};
pub(crate) use pictures::other_by_bytes;
pub use reader::{Reader, unit_of};
pub use relevance::{Judged, JudgedReader};
pub use shard::Shard;
pub(crate) use shard::counted;
pub use source::{Aside, ReadError};
pub use tensor::FeatureTensor;
