//! Which columns facets and aggregations count, checked before anything runs: the host answers for a name that it does not know
//! with empty counts.

use tantivy::aggregation::agg_req::{Aggregation, AggregationVariants, Aggregations};
use tantivy::schema::{FieldType, Schema, Type};

use super::grammar::{self, Mode, unknown_field};
use super::shard::Shards;
use crate::corpus::exact_name;
use crate::error::{Error, ErrorCode, Result};

/// The column that holds the values of the facet `name`: that of its exact twin where there is one.
///
/// # Errors
/// [`ErrorCode::UnknownField`] with near names; [`ErrorCode::BadArgument`] for a field without a column.
pub(super) fn facet_column(schema: &Schema, name: &str) -> Result<String> {
    let exact = exact_name(name);
    if is_fast(schema, &exact) {
        return Ok(exact);
    }
    check(schema, name).map(|()| name.to_owned())
}

/// Whether there is a field of exactly this name with a column.
fn is_fast(schema: &Schema, name: &str) -> bool {
    schema.get_field(name).is_ok_and(|field| schema.get_field_entry(field).is_fast())
}

/// Checks that `name` is a field with a column, or a path into a JSON field with columns.
fn check(schema: &Schema, name: &str) -> Result<()> {
    let Some((field, path)) = schema.find_field(name) else { return Err(unknown_field(schema, name)) };
    let entry = schema.get_field_entry(field);
    let is_json = entry.field_type().value_type() == Type::Json;
    if !is_json && !path.is_empty() {
        return Err(unknown_field(schema, name));
    }
    let error = || Error::new(ErrorCode::BadArgument, format!("the field `{name}` has no column to count"));
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

/// Checks every field that `all` names, in sub-aggregations too, and the queries of `filter` aggregations.
///
/// # Errors
/// Those of [`facet_column`], with the name of the aggregation; those of parsing a filter.
pub(super) fn check_aggregations(shards: &Shards<'_>, all: &Aggregations) -> Result<()> {
    // In order of name, so that of several errors the same one is given every time.
    let mut named: Vec<(&String, &Aggregation)> = all.iter().collect();
    named.sort_unstable_by_key(|(name, _)| *name);
    for (name, aggregation) in named {
        check_one(shards, aggregation)
            .map_err(|error| error.within(format!("the aggregation `{}`", plain(name))))?;
        check_aggregations(shards, &aggregation.sub_aggregation)?;
    }
    Ok(())
}

/// The name that was asked for.
fn plain(name: &str) -> &str {
    name.strip_prefix(super::facets::ASKED).unwrap_or(name)
}

fn check_one(shards: &Shards<'_>, aggregation: &Aggregation) -> Result<()> {
    let schema = shards.first().searcher.schema();
    match &aggregation.agg {
        AggregationVariants::Filter(filter) => {
            // It has one form that can be written down, a string.
            let written = serde_json::to_value(filter).unwrap_or_default();
            let text = written.as_str().unwrap_or_default();
            grammar::parse(&shards.first().tantivy, Mode::Filter, text).map(drop)
        }
        AggregationVariants::TopHits(top) => {
            let shown = top.value_field_names();
            for name in top.field_names() {
                if name.contains('*') && shown.contains(&name) {
                    check_glob(schema, name)?;
                } else {
                    check(schema, name)?;
                    check_everywhere(shards, name)?;
                }
            }
            Ok(())
        }
        other => other.get_fast_field_names().into_iter().try_for_each(|name| check(schema, name)),
    }
}

/// A pattern of `top_hits` must find a column in every segment, else the host panics: those of fields are there always.
fn check_glob(schema: &Schema, pattern: &str) -> Result<()> {
    let is_plain = |kind: &FieldType| !matches!(kind, FieldType::JsonObject(_));
    let mut columns = schema
        .fields()
        .map(|(_, entry)| entry)
        .filter(|entry| entry.is_fast() && is_plain(entry.field_type()));
    if columns.any(|entry| matches(pattern, entry.name())) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::UnknownField, "no field with a column fits a pattern of `top_hits`")
        .got(pattern))
}

/// Whether `name` fits `pattern`, where a star stands for one character or more, as it does for the host.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((before, after)) => name.strip_prefix(before).is_some_and(|rest| {
            let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
            ends.into_iter().any(|end| matches(after, &rest[end..]))
        }),
    }
}

/// A path into a JSON field has a column in those segments alone that have values of it, and `top_hits` panics in others.
fn check_everywhere(shards: &Shards<'_>, name: &str) -> Result<()> {
    for shard in shards.iter() {
        for reader in shard.searcher.segment_readers() {
            if reader.fast_fields().dynamic_column_handles(name)?.is_empty() {
                return Err(Error::new(
                    ErrorCode::BadArgument,
                    format!("`top_hits` cannot take `{name}`, which a part of the index has no value of"),
                )
                .hint("name a field of its own"));
            }
        }
    }
    Ok(())
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

    #[test]
    fn a_star_stands_for_one_character_or_more() {
        for (pattern, name, fits) in [
            ("si*", "size", true),
            ("size*", "size", false),
            ("*e", "size", true),
            ("s*z*", "size", true),
            ("*", "", false),
            ("*", "é", true),
            ("k*t", "kind_exact", true),
            ("k*x", "kind_exact", false),
        ] {
            assert_eq!(matches(pattern, name), fits, "{pattern} {name}");
        }
    }
}
