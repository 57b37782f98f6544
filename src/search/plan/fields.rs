//! Which stored fields hits show.

use serde_json::{Map, Value};
use tantivy::schema::{FieldType, Schema};

use super::asked::Asked;
use crate::error::{Error, ErrorCode, Result};
use crate::schema::{exact_name, shown_name};
use crate::search::grammar::unknown_field;

/// The fields that are shown; `None`: all that are stored.
pub(crate) struct Fields(Option<Vec<String>>);

impl Fields {
    /// # Errors
    /// [`ErrorCode::UnknownField`] with near names; [`ErrorCode::BadArgument`] for a field that is not stored.
    pub(super) fn new(schema: &Schema, asked: &Asked) -> Result<Self> {
        for name in asked.fields.iter().flatten() {
            let field = schema.get_field(name).map_err(|_| unknown_field(schema, name))?;
            // The exact twin of a date has its values.
            let exact = schema.get_field(&exact_name(name)).ok();
            let twin = exact.filter(|twin| shown_name(schema, *twin) == name);
            let entry = schema.get_field_entry(twin.unwrap_or(field));
            let other = shown_name(schema, field);
            if other != name {
                return Err(Error::new(
                    ErrorCode::BadArgument,
                    format!("the values of `{name}` are shown as `{other}`"),
                )
                .expected("a field whose values a hit can show")
                .hint(format!("name `{other}`")));
            }
            if !entry.is_stored() || matches!(entry.field_type(), FieldType::Custom(..)) {
                return Err(Error::new(ErrorCode::BadArgument, format!("the field `{name}` is not stored"))
                    .expected("a field whose values a hit can show")
                    .hint("give it `stored = true` in the schema file when the index is built"));
            }
        }
        Ok(Self(asked.fields.clone()))
    }

    /// Whether there is none to show.
    pub(crate) fn is_none(&self) -> bool {
        self.0.as_ref().is_some_and(Vec::is_empty)
    }

    /// Those of `stored` that are shown.
    pub(crate) fn of(&self, mut stored: Map<String, Value>) -> Map<String, Value> {
        if let Some(shown) = &self.0 {
            stored.retain(|name, _| shown.contains(name));
        }
        stored
    }
}
