//! Names of the fields that every index has.

/// Name of the field that holds the id: one raw term, stored and fast.
pub const ID_FIELD: &str = "id";

/// Name of the JSON field for nested objects and for keys that the schema does not have.
pub const EXTRA_FIELD: &str = "_extra";

/// Name of the field that holds where a document was read: stored alone, and shown nowhere among the fields.
pub(crate) const SOURCE_FIELD: &str = "_source";
