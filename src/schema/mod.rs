//! How a document becomes fields of the host: which fields a corpus has, what a user says otherwise, how a text becomes
//! terms, and the document that tantivy stores.

mod analysis;
pub(crate) mod date;
mod fields;
mod infer;
mod names;
mod overrides;
mod spec;
mod stored;
mod synonyms;

pub use analysis::{Analysis, register_analyses};
pub use fields::{FieldMap, FillReport, tantivy_schema};
pub(crate) use fields::{add_source, is_searched_alike};
pub use infer::{BadLines, Inference, infer, infer_files, infer_with};
pub use names::{EXTRA_FIELD, ID_FIELD};
pub use overrides::{FieldOverride, SchemaOverrides, SynonymsFrom};
pub(crate) use spec::exact_name;
pub use spec::{EXACT_LIMIT, FieldKind, FieldSchema, FieldSpec, MAX_FIELDS};
pub(crate) use stored::shown_name;
pub use stored::stored_fields;
pub use synonyms::Synonyms;
pub(crate) use synonyms::{Phrase, SynonymMap};
