//! Indexes that shuffle their documents: the host keeps the mapping of document ids to itself, so vectors cannot follow.

use std::io;

use super::names::FIELD_TYPE;
use crate::error::{Error, ErrorCode, Result};

/// Refuses index settings under which document ids are shuffled.
///
/// # Errors
/// [`ErrorCode::BadArgument`].
pub(crate) fn refuse_sorting(settings: &tantivy::IndexSettings) -> Result<()> {
    if settings.sort_by_field.is_some() || settings.manual_doc_id_mapping {
        return Err(sorting_error("the index settings sort documents"));
    }
    Ok(())
}

/// Refuses a `meta.json` of an index with `sort_by_field` before it is written, where vectors are kept in it. The host never
/// writes `manual_doc_id_mapping` down.
///
/// # Errors
/// The error of [`refuse_sorting`], whole inside of one of the system's kind.
pub(crate) fn refuse_sorted_meta(meta: &[u8]) -> io::Result<()> {
    #[derive(serde::Deserialize)]
    struct Meta {
        #[serde(default)]
        index_settings: tantivy::IndexSettings,
        #[serde(default)]
        persisted_custom_extensions: Vec<String>,
    }
    // What does not parse is for whoever reads it.
    let Ok(meta) = serde_json::from_slice::<Meta>(meta) else { return Ok(()) };
    if !meta.persisted_custom_extensions.iter().any(|extension| extension == FIELD_TYPE) {
        return Ok(());
    }
    refuse_sorting(&meta.index_settings).map_err(io::Error::other)
}

pub(crate) fn sorting_error(message: &str) -> Error {
    Error::new(ErrorCode::BadArgument, message)
        .expected("documents in the order in which they were added")
        .hint("create the index without `sort_by_field` and `manual_doc_id_mapping`, and sort at query time by a fast field")
}
