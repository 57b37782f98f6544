//! How a document becomes fields of the host: which fields a corpus has, what a user says otherwise, how a text becomes
//! terms, and the document that tantivy stores.

mod analysis;
mod fields;
mod infer;
mod overrides;
mod spec;
mod stored;

pub use analysis::{Analysis, register_analyses};
pub use fields::{EXTRA_FIELD, FieldMap, FillReport, ID_FIELD, tantivy_schema};
pub use infer::{BadLines, Inference, infer};
pub use overrides::{FieldOverride, SchemaOverrides};
pub use spec::{EXACT_LIMIT, FieldKind, FieldSchema, FieldSpec, MAX_FIELDS, exact_name};
pub use stored::stored_fields;
