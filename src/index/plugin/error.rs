//! Errors on their way through the host.

use std::sync::Arc;

use tantivy::TantivyError;

use crate::error::{Error, ErrorCode};

/// `error` as the host carries it whole, so that `Error::from` gives it back.
pub(crate) fn whole(error: Error) -> TantivyError {
    TantivyError::IoError(Arc::new(std::io::Error::other(error)))
}

/// `error` as the host carries it.
pub(crate) fn to_tantivy(error: Error) -> TantivyError {
    match error.code() {
        ErrorCode::SpaceMismatch | ErrorCode::Io => whole(error),
        ErrorCode::Damaged => TantivyError::InternalError(format!("damaged: {error}")),
        _ => TantivyError::InvalidArgument(error.to_string()),
    }
}
