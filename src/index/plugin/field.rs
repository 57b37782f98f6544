//! The custom field through which shared vectors enter tantivy, and the space that its schema entry names.

use tantivy::schema::{Field, FieldEntry, FieldType, Schema, SchemaBuilder};
use uncsm_format::MediaInfo;

use crate::error::{Error, ErrorCode, Result};
use crate::index::files::names::FIELD_TYPE;
use crate::limits::{self, BUNDLE_MEDIA, ROW_ELEMENTS};
use crate::media::{Fingerprint, MediaSpec, SpaceSpec};

/// Name under which this crate adds the field; an app may find it by [`MediaField::of`] whatever its name.
pub const FIELD_NAME: &str = "_media";

/// The media field of an index: where values go, and the space that they must belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaField {
    field: Field,
    spec: SpaceSpec,
}

impl MediaField {
    /// Adds the field to a schema under construction. Its params hold `spec`, and so does `meta.json` for good. The index
    /// must be created with the plugin, too, which no schema can see: [`MediaField::of_index`] does.
    ///
    /// # Errors
    /// [`ErrorCode::Exists`] where `builder` has a media field, or another field of its name; `builder` is unchanged then.
    pub fn add(builder: &mut SchemaBuilder, spec: &SpaceSpec) -> Result<Self> {
        // A builder does not say what it has, and panics over a name that stands twice.
        let schema = std::mem::take(builder).build();
        for (_, entry) in schema.fields() {
            builder.add_field(entry.clone());
        }
        let is_media = |entry: &FieldEntry| match entry.field_type() {
            FieldType::Custom(options) => options.type_name() == FIELD_TYPE,
            _ => false,
        };
        if let Some((_, entry)) =
            schema.fields().find(|(_, entry)| is_media(entry) || entry.name() == FIELD_NAME)
        {
            return Err(Error::new(ErrorCode::Exists, "the schema has a media field already")
                .expected(format!("one field of type `{FIELD_TYPE}`, named `{FIELD_NAME}`"))
                .got(format!("the field `{}`", entry.name()))
                .hint("store all media types of a document in one field"));
        }
        let params = serde_json::json!({ "space": spec.space, "media": spec.media });
        let field = builder.add_custom_field(FIELD_NAME, FIELD_TYPE, params);
        Ok(Self { field, spec: spec.clone() })
    }

    /// The media field of `index`, to add values and to search with: refuses an index that would lose them.
    ///
    /// # Errors
    /// Those of [`MediaField::of`] and of [`check_registered`](super::registered::check_registered).
    pub fn of_index(index: &tantivy::Index) -> Result<Self> {
        let field = Self::of(&index.schema())?;
        super::registered::check_registered(index)?;
        Ok(field)
    }

    /// The media field of `schema`. **A schema does not know whether its index was created with the plugin, and an index
    /// without it drops every vector in silence**: an app that adds documents takes [`MediaField::of_index`], which refuses
    /// such an index.
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
            check_spec(&spec).map_err(|error| error.within(format!("params of field `{}`", entry.name())))?;
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

/// The media types of `spec` in the words of the format.
pub(crate) fn infos(spec: &SpaceSpec) -> Vec<MediaInfo> {
    let info = |media: &MediaSpec| MediaInfo {
        name: media.name.clone(),
        dim: media.dim as u32,
        dtype: media.dtype,
        half: media.half as u32,
        hubs: media.hubs as u32,
    };
    spec.media.iter().map(info).collect()
}

/// Refuses sizes that no `.uvec` has, and numbers of hubs that no bundle has.
fn check_spec(spec: &SpaceSpec) -> Result<()> {
    let others = spec.media.len().saturating_sub(1);
    let longest = spec.media.iter().map(|media| media.dim.max(media.half)).max().unwrap_or(0);
    for (what, most, got, unit) in [
        ("too many media types", BUNDLE_MEDIA, spec.media.len(), "media types"),
        ("vectors that are too long", ROW_ELEMENTS, longest, "elements"),
    ] {
        if got > most {
            return Err(limits::over(what, most, got, unit));
        }
    }
    if let Some(media) = spec.media.iter().find(|media| ![0, others].contains(&media.hubs)) {
        return Err(Error::new(
            ErrorCode::BadValue,
            format!("media type `{}` has hubs for another number of media types", media.name),
        )
        .expected(format!("0 or {others}, one for each other media type"))
        .got(media.hubs));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Dtype;

    fn spec() -> SpaceSpec {
        let media = |name: &str| MediaSpec { name: name.into(), dim: 4, half: 2, hubs: 0, dtype: Dtype::F16 };
        SpaceSpec { space: Fingerprint([7; 32]), media: vec![media("image"), media("text")] }
    }

    #[test]
    fn params_round_trip_through_the_schema() {
        let mut builder = Schema::builder();
        let added = MediaField::add(&mut builder, &spec()).unwrap();
        assert_eq!(MediaField::of(&builder.build()).unwrap(), added);
    }

    #[test]
    fn a_second_media_field_is_refused_and_the_builder_stays() {
        let mut builder = Schema::builder();
        let title = builder.add_text_field("title", tantivy::schema::TEXT);
        let added = MediaField::add(&mut builder, &spec()).unwrap();
        let error = MediaField::add(&mut builder, &spec()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::Exists);
        assert_eq!(error.facts().got.as_deref(), Some("the field `_media`"));
        let last = builder.add_u64_field("last", tantivy::schema::STORED);
        let schema = builder.build();
        assert_eq!(MediaField::of(&schema).unwrap(), added);
        assert_eq!(schema.get_field("title").unwrap(), title);
        assert_eq!((schema.get_field("last").unwrap(), schema.num_fields()), (last, 3));
        // Another field has the name.
        let mut builder = Schema::builder();
        builder.add_text_field(FIELD_NAME, tantivy::schema::TEXT);
        assert_eq!(MediaField::add(&mut builder, &spec()).unwrap_err().code(), ErrorCode::Exists);
    }

    #[test]
    fn hubs_are_of_all_other_media_types_or_none_and_left_out_where_none() {
        let of = |hubs: usize| {
            let mut spec = spec();
            spec.media.iter_mut().for_each(|media| media.hubs = hubs);
            let mut builder = Schema::builder();
            MediaField::add(&mut builder, &spec).unwrap();
            let schema = builder.build();
            let text = serde_json::to_string(&schema).unwrap();
            assert_eq!(text.contains("hubs"), hubs > 0, "{text}");
            MediaField::of(&schema).map(|field| field.spec == spec).map_err(|error| error.code())
        };
        assert_eq!((of(0), of(1)), (Ok(true), Ok(true)));
        assert_eq!(of(2), Err(ErrorCode::BadValue));
    }

    #[test]
    fn sizes_in_a_schema_have_limits() {
        let of = |dim: usize, media: usize| {
            let mut builder = Schema::builder();
            let media = (0..media).map(|i| MediaSpec {
                name: format!("m{i}"),
                dim,
                half: 0,
                hubs: 0,
                dtype: Dtype::F16,
            });
            let spec = SpaceSpec { space: Fingerprint([7; 32]), media: media.collect() };
            MediaField::add(&mut builder, &spec).unwrap();
            MediaField::of(&builder.build()).map(drop).map_err(|error| error.code())
        };
        assert_eq!(of(ROW_ELEMENTS, BUNDLE_MEDIA), Ok(()));
        assert_eq!(of(ROW_ELEMENTS + 1, 1), Err(ErrorCode::TooLarge));
        assert_eq!(of(4, BUNDLE_MEDIA + 1), Err(ErrorCode::TooLarge));
    }

    #[test]
    fn a_schema_without_the_field_and_a_foreign_space_are_refused() {
        let error = MediaField::of(&Schema::builder().build()).unwrap_err();
        assert_eq!(error.code(), ErrorCode::BadValue);
        let mut builder = Schema::builder();
        let field = MediaField::add(&mut builder, &spec()).unwrap();
        let error = field.check_space(Fingerprint([8; 32])).unwrap_err();
        assert_eq!(error.code(), ErrorCode::SpaceMismatch);
    }
}
