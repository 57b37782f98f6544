//! Rules for the names of fields and media types.

use crate::error::{Error, ErrorCode, Result};

/// Longest name of a media type in bytes.
const MAX_MEDIA_NAME_BYTES: usize = 32;

/// Longest name of a field in bytes.
const MAX_FIELD_NAME_BYTES: usize = 255;

/// Checks the name of a media type: 1 to 32 bytes of `[A-Za-z0-9_-]`, and not `any`.
///
/// # Errors
/// [`ErrorCode::BadArgument`].
pub(crate) fn check_media_name(name: &str) -> Result<()> {
    let error = |what: &str| {
        Err(Error::new(ErrorCode::BadArgument, what)
            .expected("1 to 32 letters, digits, `_` or `-`, for instance image or text")
            .got(format!("{name:?}")))
    };
    if name == "any" {
        return error("the name `any` is taken: it stands for every media type of an index");
    }
    let known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if name.is_empty() || name.len() > MAX_MEDIA_NAME_BYTES || !name.bytes().all(known) {
        return error("not a name for a media type");
    }
    Ok(())
}

/// Checks the name of a field: 1 to 255 bytes, no control character, not starting with `_` or `-`.
///
/// Names that start with `_` are reserved for the index; the host engine refuses the others.
///
/// # Errors
/// [`ErrorCode::BadValue`].
pub(crate) fn check_field_name(name: &str) -> Result<()> {
    let error = |what: String| Err(Error::new(ErrorCode::BadValue, what).hint("rename the key"));
    if name.is_empty() {
        return error("a key has an empty name".to_owned());
    }
    if name.starts_with('_') {
        return error(format!("the key `{name}` is reserved: names that start with `_` belong to the index"));
    }
    if name.starts_with('-') {
        return error(format!("the key `{name}` starts with `-`, which means \"not\" in a query"));
    }
    if name.len() > MAX_FIELD_NAME_BYTES {
        let head: String = name.chars().take(40).collect();
        let what = format!("the key `{head}...` has {} bytes, more than {MAX_FIELD_NAME_BYTES}", name.len());
        return error(what);
    }
    check_characters(name)
}

/// Refuses control characters: the host engine uses some of them as separators inside its terms.
pub(crate) fn check_characters(name: &str) -> Result<()> {
    match name.chars().find(|c| c.is_control()) {
        None => Ok(()),
        Some(_) => {
            Err(Error::new(ErrorCode::BadValue, format!("the key {name:?} holds a control character"))
                .hint("rename the key"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_names() {
        for good in ["image", "text", "3d", "a-b_C", &"x".repeat(32)] {
            check_media_name(good).unwrap();
        }
        for bad in ["", "any", "a b", "ä", "a=b", &"x".repeat(33)] {
            assert_eq!(check_media_name(bad).unwrap_err().code(), ErrorCode::BadArgument, "{bad}");
        }
    }

    #[test]
    fn field_names() {
        for good in ["title", "a.b", "with space", "日本", "a_exact", &"x".repeat(255)] {
            check_field_name(good).unwrap();
        }
        for bad in ["", "_score", "-x", "a\0b", "a\u{1}b", &"x".repeat(256)] {
            assert_eq!(check_field_name(bad).unwrap_err().code(), ErrorCode::BadValue, "{bad:?}");
        }
    }
}
