//! What an address says: in its path, or behind it, where a browser takes `.` and `..` for no steps.

use std::collections::BTreeMap;

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::Uri;
use uncsm_index::{Error, ErrorCode, Result};

use crate::serve::door::encoded;

/// The id and the position of the index of `/ID?index=N`, or of `?id=ID&index=N`.
///
/// # Errors
/// [`ErrorCode::BadArgument`] for any other.
pub fn document(
    path: Option<std::result::Result<Path<String>, PathRejection>>,
    uri: &Uri,
) -> Result<(String, Option<usize>)> {
    match path {
        Some(path) => {
            let Path(id) = path.map_err(|_| not_utf8())?;
            let [index] = behind(uri, ["index"])?;
            Ok((id, index.map(|index| number(&index)).transpose()?))
        }
        None => {
            let [id, index] = behind(uri, ["id", "index"])?;
            Ok((id.ok_or_else(|| other(&["id"]))?, index.map(|index| number(&index)).transpose()?))
        }
    }
}

/// The id, the number of the picture and the position of the index of `/ID/ORDINAL?index=N`, or of `?id=ID&ordinal=ORDINAL&index=N`.
///
/// # Errors
/// [`ErrorCode::BadArgument`] for any other.
pub fn picture(
    path: Option<std::result::Result<Path<(String, usize)>, PathRejection>>,
    uri: &Uri,
) -> Result<(String, usize, Option<usize>)> {
    let (id, ordinal, index) = match path {
        Some(path) => {
            let Path((id, ordinal)) = path.map_err(|_| not_utf8())?;
            let [index] = behind(uri, ["index"])?;
            (id, ordinal, index)
        }
        None => {
            let [id, ordinal, index] = behind(uri, ["id", "ordinal", "index"])?;
            let (Some(id), Some(ordinal)) = (id, ordinal) else { return Err(other(&["id", "ordinal"])) };
            (id, number(&ordinal)?, index)
        }
    };
    Ok((id, ordinal, index.map(|index| number(&index)).transpose()?))
}

/// The address of a picture.
pub fn address(id: &str, ordinal: usize, index: Option<usize>) -> String {
    let steps = matches!(id, "." | "..");
    let place = match steps {
        true => format!("/media?id={id}&ordinal={ordinal}"),
        false => format!("/media/{}/{ordinal}", encoded(id)),
    };
    let mark = if steps { '&' } else { '?' };
    index.map(|index| format!("{place}{mark}index={index}")).unwrap_or(place)
}

/// The values of the only keys that may stand behind the path, each once.
fn behind<const N: usize>(uri: &Uri, keys: [&'static str; N]) -> Result<[Option<String>; N]> {
    let mut given = BTreeMap::new();
    for pair in uri.query().unwrap_or("").split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| other(&keys))?;
        let known = keys.contains(&key);
        if !known || given.insert(key, decoded(value)?).is_some() {
            return Err(other(&keys));
        }
    }
    Ok(keys.map(|key| given.remove(key)))
}

/// A value as a form writes it: `%` and two digits, and `+` for a blank.
fn decoded(value: &str) -> Result<String> {
    let mut rest = value.bytes();
    let mut out = Vec::with_capacity(value.len());
    while let Some(byte) = rest.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || rest.next().and_then(|digit| char::from(digit).to_digit(16));
                let (Some(high), Some(low)) = (digit(), digit()) else { return Err(not_utf8()) };
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(out).map_err(|_| not_utf8())
}

fn number(text: &str) -> Result<usize> {
    text.parse().map_err(|_| {
        Error::new(ErrorCode::BadArgument, "the address has no number where one belongs").got(text)
    })
}

fn other(keys: &[&str]) -> Error {
    Error::new(ErrorCode::BadArgument, "the address asks for something else").expected(keys.join(", "))
}

/// An address whose letters are none.
fn not_utf8() -> Error {
    Error::new(ErrorCode::BadArgument, "the address is no UTF-8, or has no number at its end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_stands_behind_the_path_too() {
        let asked = |query: &str| picture(None, &format!("/media?{query}").parse().unwrap()).ok();
        for (query, id, ordinal, index) in [
            ("id=..&ordinal=0", "..", 0, None),
            ("index=2&ordinal=10&id=.", ".", 10, Some(2)),
            ("id=a%2Fb%26+%C3%A9&ordinal=1", "a/b& \u{e9}", 1, None),
        ] {
            assert_eq!(asked(query), Some((id.to_owned(), ordinal, index)), "{query}");
        }
        for query in [
            "",
            "id=a",
            "ordinal=0",
            "id=a&id=b&ordinal=0",
            "id=a&ordinal=x",
            "id=%f&ordinal=0",
            "id=%ff&ordinal=0",
            "id=a&ordinal=0&path=x",
            "id&ordinal=0",
        ] {
            assert_eq!(asked(query), None, "{query}");
        }
        let id = |query: &str| document(None, &format!("/api/document?{query}").parse().unwrap()).ok();
        assert_eq!(id("id=..&index=1"), Some(("..".to_owned(), Some(1))));
        assert_eq!((id("index=1"), id("id=a&ordinal=0")), (None, None));
        // What is written is read.
        for given in [".", ".."] {
            for index in [None, Some(3)] {
                let uri = address(given, 4, index).parse().unwrap();
                assert_eq!(picture(None, &uri).unwrap(), (given.to_owned(), 4, index));
            }
        }
        assert_eq!(address("a/b", 1, Some(2)), "/media/a%2Fb/1?index=2");
    }
}
