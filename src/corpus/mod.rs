//! Where documents come from: a JSONL corpus, or features in a safetensors file.

mod document;
mod features;
mod fields;
mod infer;
mod jsonl;
mod schema;

pub use document::{Document, Split};
pub use features::{FeatureTensor, FeaturesFile, PathwayArg};
pub use fields::{EXTRA, FieldMap, ID, stored_fields, tantivy_schema};
pub use infer::{Scan, infer};
pub use jsonl::{JsonlReader, MAX_LINE};
pub use schema::{FieldKind, FieldSchema, FieldSpec, MAX_EXACT};
