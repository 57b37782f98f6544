//! What comes in: documents from JSON Lines, Parquet and folders of media, the fields they have, features from
//! safetensors files, and what people say about items and queries.
//!
//! Everything streams: a corpus is read line by line, batch of rows by batch of rows or folder by folder, a tensor block
//! of rows by block of rows.

mod analysis;
mod document;
mod features;
mod fields;
mod folder;
mod infer;
mod json;
mod jsonl;
mod names;
mod not_finite;
mod overrides;
mod pairs;
#[cfg(feature = "parquet")]
mod parquet;
mod passages;
mod pathway;
mod reader;
mod relevance;
mod schema;
mod stored;
mod tensor;

pub use crate::guard::catches_panics;
pub use analysis::{Analysis, register_analyses};
pub(crate) use document::SPLIT_NOT_READ;
pub use document::{Document, MAX_ID_BYTES, Picture, Split};
pub use features::{FeatureSet, FeaturesFile};
pub use fields::{EXTRA_FIELD, FieldMap, FillReport, ID_FIELD, tantivy_schema};
pub use folder::{FolderReader, folder_fingerprint};
pub use infer::{BadLines, Inference, infer};
pub use json::parse_line;
pub use jsonl::{DEFAULT_LINE_LIMIT, JsonlReader};
pub use names::{MAX_MEDIA_NAME_BYTES, check_field_name, check_media_name};
pub use overrides::{FieldOverride, SchemaOverrides};
pub use pairs::{PairItem, PairLine, Pairs};
#[cfg(feature = "parquet")]
pub use parquet::ParquetReader;
pub use passages::{Passage, Passages};
pub use pathway::{EncoderArg, PathwayArg};
pub use reader::{Aside, Reader, ends_reading, unit_of};
pub use relevance::{Judged, JudgedReader};
pub use schema::{EXACT_LIMIT, FieldKind, FieldSchema, FieldSpec, MAX_FIELDS, exact_name};
pub use stored::stored_fields;
pub use tensor::FeatureTensor;
