//! What an address says beside an id.

use axum::http::Uri;
use uncsm_index::{Error, ErrorCode, Result};

/// The position of an index in `?index=N`.
///
/// # Errors
/// [`ErrorCode::BadArgument`] for any other.
pub fn index_of(uri: &Uri) -> Result<Option<usize>> {
    let Some(query) = uri.query().filter(|query| !query.is_empty()) else { return Ok(None) };
    let number = query.strip_prefix("index=").and_then(|number| number.parse().ok());
    let bad =
        || Error::new(ErrorCode::BadArgument, "the address asks for something else").expected("index=N");
    number.map(Some).ok_or_else(bad)
}

/// An address whose letters are none.
pub fn not_utf8() -> Error {
    Error::new(ErrorCode::BadArgument, "the address is no UTF-8, or has no number at its end")
}
