//! The custom field through which shared vectors enter tantivy, and the space that its schema entry names.

use tantivy::schema::{Field, FieldType, Schema, SchemaBuilder};

use crate::error::{Error, ErrorCode, Result};
use crate::media::{Fingerprint, SpaceSpec};

/// `type_name` of the custom field, and extension of the segment file.
pub const FIELD_TYPE: &str = "uvec";

/// Name under which this crate adds the field; an app may find it by [`MediaField::of`] whatever its name.
pub const FIELD_NAME: &str = "_media";

/// The media field of an index: where values go, and the space that they must belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaField {
    field: Field,
    spec: SpaceSpec,
}

impl MediaField {
    /// Adds the field to a schema under construction. Its params hold `spec`, and so does `meta.json` for good.
    pub fn add(builder: &mut SchemaBuilder, spec: &SpaceSpec) -> Self {
        let params = serde_json::json!({ "space": spec.space, "media": spec.media });
        let field = builder.add_custom_field(FIELD_NAME, FIELD_TYPE, params);
        Self { field, spec: spec.clone() }
    }

    /// The media field of `schema`.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] where there is none, more than one, or its params do not parse.
    pub fn of(schema: &Schema) -> Result<Self> {
        let mut found = None;
        for (field, entry) in schema.fields() {
            let FieldType::Custom(options) = entry.field_type() else { continue };
            if options.type_name() != FIELD_TYPE {
                continue;
            }
            if found.is_some() {
                return Err(Error::new(ErrorCode::BadValue, "the schema has two media fields")
                    .expected("one field of type `uvec`")
                    .hint("store all media types of a document in one field"));
            }
            let spec: SpaceSpec = serde_json::from_value(options.params().clone()).map_err(|e| {
                Error::new(
                    ErrorCode::BadValue,
                    format!("params of field `{}` do not parse: {e}", entry.name()),
                )
                .hint("create the field with MediaField::add")
            })?;
            found = Some(Self { field, spec });
        }
        found.ok_or_else(|| {
            Error::new(ErrorCode::BadValue, "the schema has no media field")
                .hint("add one with MediaField::add when the index is created; it cannot be added later")
        })
    }

    /// The tantivy field.
    pub fn field(&self) -> Field {
        self.field
    }

    /// The space that values of this field belong to.
    pub fn spec(&self) -> &SpaceSpec {
        &self.spec
    }

    /// Refuses a bundle or value of another space.
    ///
    /// # Errors
    /// [`ErrorCode::SpaceMismatch`].
    pub fn check_space(&self, space: Fingerprint) -> Result<()> {
        if space == self.spec.space {
            return Ok(());
        }
        Err(Error::new(ErrorCode::SpaceMismatch, "the index belongs to another shared space than the bundle")
            .expected(format!("space {}", self.spec.space))
            .got(format!("space {space}"))
            .hint("use the bundle that built the index, or build the index again with this one"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::{Dtype, MediaSpec};

    fn spec() -> SpaceSpec {
        let media = |name: &str| MediaSpec { name: name.into(), dim: 4, half: 2, dtype: Dtype::F16 };
        SpaceSpec { space: Fingerprint([7; 32]), media: vec![media("image"), media("text")] }
    }

    #[test]
    fn params_round_trip_through_the_schema() {
        let mut builder = Schema::builder();
        let added = MediaField::add(&mut builder, &spec());
        assert_eq!(MediaField::of(&builder.build()).unwrap(), added);
    }

    #[test]
    fn a_schema_without_the_field_and_a_foreign_space_are_refused() {
        let error = MediaField::of(&Schema::builder().build()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadValue);
        let mut builder = Schema::builder();
        let field = MediaField::add(&mut builder, &spec());
        let error = field.check_space(Fingerprint([8; 32])).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SpaceMismatch);
    }
}
