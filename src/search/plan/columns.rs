//! Which columns facets and aggregations count, and hits are sorted by.

use tantivy::schema::{FieldType, Schema, Type};

use crate::error::{Error, ErrorCode, Result};
use crate::schema::exact_name;
use crate::search::grammar::unknown_field;

/// The column that holds the values of the facet `name`: that of its exact twin where there is one, but for dates.
///
/// # Errors
/// [`ErrorCode::UnknownField`] with near names; [`ErrorCode::BadArgument`] for a field without a column.
pub(super) fn facet_column(schema: &Schema, name: &str) -> Result<String> {
    let exact = exact_name(name);
    // Dates that are equal may be written in several ways.
    if is_fast(schema, &exact) && !is_date(schema, name) {
        return Ok(exact);
    }
    check(schema, name).map(|()| name.to_owned())
}

/// Whether there is a field of dates of exactly this name.
pub(super) fn is_date(schema: &Schema, name: &str) -> bool {
    let kind = schema.get_field(name).map(|field| schema.get_field_entry(field).field_type());
    matches!(kind, Ok(FieldType::Date(_)))
}

/// Whether there is a field of exactly this name with a column.
fn is_fast(schema: &Schema, name: &str) -> bool {
    schema.get_field(name).is_ok_and(|field| schema.get_field_entry(field).is_fast())
}

/// Checks that `name` is a field with a column, or a path into a JSON field with columns.
///
/// # Errors
/// Those of [`facet_column`].
pub(super) fn check(schema: &Schema, name: &str) -> Result<()> {
    check_for(schema, name, "to count")
}

/// [`check`] for another `purpose`.
///
/// # Errors
/// Those of [`facet_column`].
pub(super) fn check_for(schema: &Schema, name: &str, purpose: &str) -> Result<()> {
    let Some((field, path)) = schema.find_field(name) else { return Err(unknown_field(schema, name)) };
    let entry = schema.get_field_entry(field);
    let is_json = entry.field_type().value_type() == Type::Json;
    if !is_json && !path.is_empty() {
        return Err(unknown_field(schema, name));
    }
    let error = || Error::new(ErrorCode::BadArgument, format!("the field `{name}` has no column {purpose}"));
    if is_json && path.is_empty() {
        return Err(error().hint(format!("name a key inside it, such as {name}.KEY")));
    }
    if entry.is_fast() {
        return Ok(());
    }
    let exact = exact_name(name);
    Err(if is_fast(schema, &exact) {
        error().hint(format!("name `{exact}`, which holds its whole values"))
    } else if is_json {
        error().hint("a key has a column where it is a field of its own: give it a type in the schema file when the index is built")
    } else {
        error().hint("give it `facet = true` or `fast = true` in the schema file when the index is built")
    })
}

#[cfg(test)]
mod tests {
    use tantivy::schema::{FAST, STORED, STRING, Schema, TEXT};

    use super::*;

    fn schema() -> Schema {
        let mut builder = Schema::builder();
        builder.add_text_field("kind", TEXT);
        builder.add_text_field("kind_exact", STRING | FAST);
        builder.add_u64_field("size", FAST);
        builder.add_text_field("note", TEXT);
        builder.add_json_field("attrs", STORED | FAST);
        builder.add_json_field("_extra", STORED | TEXT);
        builder.build()
    }

    #[test]
    fn columns_are_found_or_the_way_is_named() {
        let schema = schema();
        for (name, column) in [
            ("kind", "kind_exact"),
            ("kind_exact", "kind_exact"),
            ("size", "size"),
            ("attrs.colour", "attrs.colour"),
            ("attrs.deep.colour", "attrs.deep.colour"),
        ] {
            assert_eq!(facet_column(&schema, name).unwrap(), column);
        }
        for (name, code, hint) in [
            ("siez", ErrorCode::UnknownField, "did you mean size"),
            ("size.x", ErrorCode::UnknownField, "did you mean size"),
            ("nothing.at.all", ErrorCode::UnknownField, "the index has the fields"),
            ("note", ErrorCode::BadArgument, "`facet = true`"),
            ("attrs", ErrorCode::BadArgument, "attrs.KEY"),
            ("_extra", ErrorCode::BadArgument, "_extra.KEY"),
            ("_extra.colour", ErrorCode::BadArgument, "a field of its own"),
        ] {
            let error = facet_column(&schema, name).unwrap_err();
            assert_eq!(error.code(), code, "{name}: {error}");
            assert!(error.facts().hint.as_deref().unwrap().contains(hint), "{name}: {error}");
        }
        let error = check(&schema, "kind").unwrap_err();
        assert!(error.facts().hint.as_deref().unwrap().contains("`kind_exact`"), "{error}");
    }
}
