//! What a column may be: checked when a file is opened, so that no row meets a type that a corpus cannot have.

use arrow_schema::{DataType, Field};

use crate::corpus::document::keys::{Form, Holds, IMAGE, Keys, MediaKey};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};

/// A column that is read.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) role: Role,
}

/// How a column is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// As a JSON value.
    Value,
    /// As media files that may be bytes, of the media type at this place of the keys.
    Files(usize),
}

impl Column {
    /// Checks a column; `None` for one that is left out.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for a name or type that a corpus cannot have.
    pub(super) fn new(field: &Field, keys: &Keys) -> Result<Option<Self>> {
        let name = field.name();
        if name.strip_prefix("__index_level_").and_then(|rest| rest.strip_suffix("__")).is_some() {
            return Ok(None);
        }
        keys.check_key(name)?;
        let kind = field.data_type();
        let fits = |expected: &str, fits: bool| {
            if fits || kind == &DataType::Null { Ok(()) } else { Err(wrong(name, expected, kind)) }
        };
        let mut role = Role::Value;
        match (name.as_str(), keys.find(name)) {
            (name, _) if name == keys.id() => {
                fits("strings or integers", is_string(kind) || is_whole(plain(kind)))?
            }
            (_, Some((at, form))) => {
                let holds = keys.media()[at].holds();
                let paths = if keys.media()[at].media() == IMAGE { "paths" } else { "paths of files" };
                let is_item: fn(&DataType) -> bool = match holds {
                    Holds::Texts => is_string,
                    Holds::Files => is_picture,
                    Holds::Features => is_features,
                };
                let what = match holds {
                    Holds::Texts => "strings".to_owned(),
                    Holds::Files => format!("{paths}, bytes, or structs {{bytes, path}}"),
                    Holds::Features => "lists of numbers".to_owned(),
                };
                let in_list = |is: fn(&DataType) -> bool| element(kind).is_some_and(is);
                match form {
                    Form::One => fits(&what, is_item(kind))?,
                    Form::Many => fits(&format!("lists of {what}"), in_list(is_item))?,
                    Form::Either => {
                        fits(&format!("{what}, or lists of these"), is_item(kind) || in_list(is_item))?
                    }
                }
                // Paths alone are values as any other.
                let alone = if form == Form::One { is_string(kind) } else { in_list(is_string) };
                if holds == Holds::Files && !(alone || form == Form::Either && is_string(kind)) {
                    role = Role::Files(at);
                }
            }
            (_, None) => check(name, kind, keys)?,
        }
        if kind == &DataType::Null {
            role = Role::Value;
        }
        Ok(Some(Self { name: name.clone(), role }))
    }
}

/// Refuses a second column of one name, as JSON Lines refuses two keys.
pub(super) fn check_name(name: &str, before: &[Column]) -> Result<()> {
    if before.iter().all(|column| column.name != name) {
        return Ok(());
    }
    let what = format!("two columns have the name `{name}`: the second is left out");
    Err(Error::new(ErrorCode::BadValue, what).hint("rename one of them"))
}

fn wrong(name: &str, expected: &str, got: &DataType) -> Error {
    Error::new(
        ErrorCode::BadValue,
        format!("the column `{name}` has a type that it cannot have, and is not read"),
    )
    .expected(expected)
    .got(got)
    .hint("convert the column, or name it as one to pass over")
}

/// The type behind a dictionary.
fn plain(kind: &DataType) -> &DataType {
    match kind {
        DataType::Dictionary(_, values) => values,
        kind => kind,
    }
}

/// Integers, and decimals without a fraction.
fn is_whole(kind: &DataType) -> bool {
    use DataType as D;
    match kind {
        D::Decimal32(_, scale)
        | D::Decimal64(_, scale)
        | D::Decimal128(_, scale)
        | D::Decimal256(_, scale) => *scale <= 0,
        kind => kind.is_integer(),
    }
}

/// A list of numbers.
fn is_features(kind: &DataType) -> bool {
    element(kind).is_some_and(DataType::is_numeric)
}

fn is_string(kind: &DataType) -> bool {
    matches!(plain(kind), DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

pub(super) fn is_binary(kind: &DataType) -> bool {
    matches!(
        kind,
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_)
    )
}

/// The type of the elements of a list.
pub(super) fn element(kind: &DataType) -> Option<&DataType> {
    match kind {
        DataType::List(field) | DataType::LargeList(field) | DataType::FixedSizeList(field, _) => {
            Some(field.data_type())
        }
        _ => None,
    }
}

/// Paths, bytes, or a struct that has them as `bytes` and `path`.
fn is_picture(kind: &DataType) -> bool {
    let leaf = |kind: &DataType| is_string(kind) || is_binary(kind) || kind == &DataType::Null;
    match kind {
        DataType::Struct(fields) => {
            let known = |field: &&std::sync::Arc<Field>| matches!(field.name().as_str(), "bytes" | "path");
            fields.iter().any(|field| known(&field))
                && fields.iter().filter(known).all(|f| leaf(f.data_type()))
        }
        kind => leaf(kind),
    }
}

/// Whether a cell may hold bytes of media files, alone, in a struct or in a list.
pub(super) fn may_be_bytes(kind: &DataType) -> bool {
    let inner = |kind: &DataType| match kind {
        DataType::Struct(fields) => {
            is_picture(kind)
                && fields.iter().any(|field| field.name() == "bytes" && is_binary(field.data_type()))
        }
        kind => is_binary(kind),
    };
    inner(kind) || element(kind).is_some_and(inner)
}

/// Refuses types that have no JSON value.
fn check(name: &str, kind: &DataType, known: &Keys) -> Result<()> {
    use DataType as D;
    match kind {
        D::Null | D::Boolean | D::Float16 | D::Float32 | D::Float64 => Ok(()),
        D::Utf8 | D::LargeUtf8 | D::Utf8View => Ok(()),
        D::Date32 | D::Date64 | D::Time32(_) | D::Time64(_) | D::Timestamp(..) => Ok(()),
        D::Decimal32(..) | D::Decimal64(..) | D::Decimal128(..) | D::Decimal256(..) => Ok(()),
        kind if kind.is_integer() => Ok(()),
        D::Dictionary(keys, values) if keys.is_integer() && !matches!(**values, D::Dictionary(..)) => {
            check(name, values, known)
        }
        D::List(field) | D::LargeList(field) | D::FixedSizeList(field, _) => {
            check(name, field.data_type(), known)
        }
        D::Struct(fields) => fields.iter().try_for_each(|field| check(name, field.data_type(), known)),
        D::Map(entries, _) => match entries.data_type() {
            D::Struct(fields) if fields.len() == 2 => {
                let keys = fields[0].data_type();
                if !is_string(keys) && !plain(keys).is_integer() {
                    return Err(wrong(name, "maps with keys of strings or integers", kind));
                }
                check(name, fields[1].data_type(), known)
            }
            _ => Err(wrong(name, "maps", kind)),
        },
        kind => {
            let error = wrong(name, "strings, numbers, booleans, dates, lists or structs", kind);
            Err(if is_binary(kind) { error.hint(of_bytes(known)) } else { error })
        }
    }
}

/// What to do with bytes in a column that is none of media files.
fn of_bytes(keys: &Keys) -> Hint {
    let files = keys.media().iter().filter(|media| media.holds() == Holds::Files);
    let names: Vec<String> = files.flat_map(MediaKey::names).map(|name| format!("`{name}`")).collect();
    let hint = match names.as_slice() {
        [] => Hint::new("no column holds media files, as which bytes are read"),
        names => Hint::new(format!("bytes are read as media files, from {} alone", names.join(" or "))),
    };
    hint.text(": rename the column, name it with")
        .setting(Setting::MediaKey)
        .text(", or name it as one to pass over")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_elsewhere_are_told_which_columns_hold_media_files() {
        let hint = |keys: &[&str], name: &str| {
            let given = keys.iter().map(|key| key.parse().unwrap());
            let keys = given.fold(Keys::default(), |keys, key| keys.with(key).unwrap());
            let read = Column::new(&Field::new(name, DataType::Binary, true), &keys);
            read.err().map(|error| error.facts().hint.clone().unwrap().to_string())
        };
        assert!(hint(&[], "sound").unwrap().contains("from `image` or `images` alone"));
        assert!(
            hint(&["audio=sound_path"], "sound")
                .unwrap()
                .contains("from `image` or `images` or `sound_path` alone")
        );
        assert!(hint(&["image=photo"], "image").unwrap().contains("from `photo` alone"));
        assert!(hint(&["image:text=photo"], "image").unwrap().starts_with("no column holds media files"));
        assert_eq!(hint(&["audio=sound_path"], "sound_path"), None);
    }
}
