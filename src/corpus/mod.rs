//! What the user gave: documents from JSON Lines, Parquet and folders of media, features from safetensors files, and what
//! people say about items and queries. It does not know tantivy.
//!
//! Everything streams: a corpus is read line by line, batch of rows by batch of rows or folder by folder, a tensor block
//! of rows by block of rows.

mod document;
mod feature_files;
mod features;
mod folder;
mod judged;
mod lines;
mod open_file;
mod parquet;
mod pathway;
mod reader;
mod table;
mod tar;
mod tensor;
mod unpack;

pub use crate::guard::catches_panics;
pub use document::ids::IdsFrom;
pub(crate) use document::ids::hex;
pub use document::keys::{Holds, Keys, MediaKey};
pub(crate) use document::keys::{IMAGE, TEXT};
pub(crate) use document::names::check_field_name;
pub(crate) use document::one::SPLIT_NOT_READ;
pub use document::one::{Document, Given, MAX_ID_BYTES, Split};
pub use document::origin::{Origin, Root, Spot};
pub use document::passages::Passages;
pub(crate) use document::pictures::other_by_bytes;
pub use feature_files::FeatureFiles;
pub(crate) use feature_files::StoredRows;
pub use features::{FeatureSet, FeaturesFile};
pub(crate) use folder::folder_fingerprint;
pub use judged::pairs::{PairItem, PairLine, Pairs};
pub use judged::relevance::{Judged, JudgedReader};
pub use lines::json::parse_line;
pub(crate) use lines::json::{strict, type_name};
pub use lines::jsonl::JsonlReader;
pub use pathway::{EncoderArg, PathwayArg};
pub(crate) use reader::files::{content, files, fingerprint};
pub use reader::open::{Reader, unit_of};
pub use reader::shard::Shard;
pub(crate) use reader::shard::counted;
pub use reader::source::{Aside, ReadError};
pub use tensor::FeatureTensor;
