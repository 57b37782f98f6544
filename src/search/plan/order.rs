//! What hits are sorted by, and the field of whose values each is shown once.

use serde_json::{Value, json};
use tantivy::schema::{Field, FieldType, Schema};

use super::asked::Asked;
use super::bad;
use super::columns::check_for;
use crate::error::Result;
use crate::limits;

/// Most fields that one query sorts by.
const MOST: u64 = 16;

/// An order of hits that is not that of their scores, or values that are shown once.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    /// The first one goes before the others; none where scores say the order.
    pub(crate) levels: Vec<Level>,
    pub(crate) collapse: Option<Place>,
}

/// A field that hits are sorted by.
#[derive(Debug, Clone)]
pub(crate) struct Level {
    pub(crate) by: Place,
    pub(crate) descending: bool,
}

/// Where the values of a field are read.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// In a column of this name.
    Column(String),
    /// In the stored documents: a key inside a JSON field without columns. The path has dots between its keys.
    Stored { name: String, field: Field, path: String },
}

impl Place {
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Column(name) | Self::Stored { name, .. } => name,
        }
    }

    /// # Errors
    /// Those of [`check_for`]; [`ErrorCode::BadArgument`](crate::ErrorCode::BadArgument) for addresses and bytes.
    fn of(schema: &Schema, name: &str, purpose: &str) -> Result<Self> {
        if let Some((field, path)) = schema.find_field(name) {
            let entry = schema.get_field_entry(field);
            match entry.field_type() {
                FieldType::JsonObject(_) if !path.is_empty() && !entry.is_fast() && entry.is_stored() => {
                    let path = path.replace("\\.", ".");
                    return Ok(Self::Stored { name: name.to_owned(), field, path });
                }
                FieldType::IpAddr(_) | FieldType::Bytes(_) if path.is_empty() && entry.is_fast() => {
                    return Err(bad(&format!("the field `{name}` holds nothing {purpose}"))
                        .expected("numbers, dates, booleans or strings")
                        .got(format!("{:?}", entry.field_type().value_type())));
                }
                _ => {}
            }
        }
        check_for(schema, name, purpose).map(|()| Self::Column(name.to_owned()))
    }
}

impl Order {
    /// # Errors
    /// [`ErrorCode::UnknownField`](crate::ErrorCode::UnknownField) with near names;
    /// [`ErrorCode::BadArgument`](crate::ErrorCode::BadArgument) for a field without a column, or a direction that there is none of;
    /// [`ErrorCode::TooLarge`](crate::ErrorCode::TooLarge).
    pub(super) fn new(schema: &Schema, asked: &Asked) -> Result<Option<Self>> {
        if asked.sort.is_empty() && asked.collapse.is_none() {
            return Ok(None);
        }
        if asked.sort.len() as u64 > MOST {
            let what = "the query sorts by too many fields";
            return Err(limits::over(what, MOST, asked.sort.len(), "fields").hint("later ones have no say"));
        }
        let levels = asked.sort.iter().map(|text| level(schema, text)).collect::<Result<_>>()?;
        let collapse = asked.collapse.as_deref();
        let collapse = collapse.map(|name| Place::of(schema, name, "to collapse by")).transpose()?;
        Ok(Some(Self { levels, collapse }))
    }

    /// For an explanation: what sorted and collapsed, and over which documents.
    pub(crate) fn to_json(&self, over: &str) -> (Value, Value) {
        let level = |level: &Level| {
            let order = if level.descending { "desc" } else { "asc" };
            let from = match level.by {
                Place::Column(_) => "column",
                Place::Stored { .. } => "stored documents",
            };
            json!({ "field": level.by.name(), "order": order, "from": from, "over": over })
        };
        let sort = self.levels.iter().map(level).collect();
        (sort, self.collapse.as_ref().map_or(Value::Null, |by| json!({ "field": by.name(), "over": over })))
    }
}

/// `FIELD`, `FIELD:asc` or `FIELD:desc`.
fn level(schema: &Schema, text: &str) -> Result<Level> {
    let place = |name: &str| Place::of(schema, name, "to sort by");
    let (name, descending) = match text.rsplit_once(':') {
        Some((name, "asc")) => (name, false),
        Some((name, "desc")) => (name, true),
        Some((name, other)) if schema.find_field(text).is_none() && place(name).is_ok() => {
            return Err(bad(&format!("`{name}` cannot be sorted in this direction"))
                .expected("asc or desc")
                .got(format!("{other:?}")));
        }
        _ => (text, false),
    };
    Ok(Level { by: place(name)?, descending })
}

#[cfg(test)]
mod tests {
    use tantivy::schema::{FAST, STORED, STRING, Schema, TEXT};

    use super::*;
    use crate::error::ErrorCode;

    #[test]
    fn fields_and_directions_are_read_or_the_way_is_named() {
        let mut builder = Schema::builder();
        builder.add_text_field("kind", TEXT);
        builder.add_text_field("kind_exact", STRING | FAST);
        builder.add_u64_field("size", FAST);
        builder.add_u64_field("a:b", FAST);
        builder.add_bytes_field("raw", FAST);
        builder.add_json_field("_extra", STORED | TEXT);
        let schema = builder.build();
        for (text, name, descending) in [
            ("size", "size", false),
            ("size:asc", "size", false),
            ("size:desc", "size", true),
            ("a:b", "a:b", false),
            ("a:b:desc", "a:b", true),
            ("kind_exact", "kind_exact", false),
            ("_extra.meta.year:desc", "_extra.meta.year", true),
        ] {
            let level = level(&schema, text).unwrap();
            assert_eq!((level.by.name(), level.descending), (name, descending), "{text}");
            assert_eq!(matches!(level.by, Place::Stored { .. }), name.starts_with('_'));
        }
        for (text, code, says) in [
            ("siez:desc", ErrorCode::UnknownField, "did you mean size"),
            ("size:down", ErrorCode::BadArgument, "asc or desc"),
            ("size:", ErrorCode::BadArgument, "asc or desc"),
            ("", ErrorCode::UnknownField, "the index has the fields"),
            ("kind:desc", ErrorCode::BadArgument, "`kind_exact`"),
            ("_extra", ErrorCode::BadArgument, "_extra.KEY"),
            ("raw", ErrorCode::BadArgument, "nothing to sort by"),
        ] {
            let error = level(&schema, text).unwrap_err();
            assert_eq!(error.code(), code, "{text}: {error}");
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
        let asked = Asked { sort: vec!["size".into(); 17], ..Asked::default() };
        assert_eq!(Order::new(&schema, &asked).unwrap_err().code(), ErrorCode::TooLarge);
    }
}
