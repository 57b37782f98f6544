//! Indexes that shuffle their documents: the mapping of document ids is private to tantivy, so vectors cannot follow.

use crate::error::{Error, ErrorCode, Result};

/// Refuses index settings under which document ids are shuffled: their mapping is private to tantivy.
pub(crate) fn refuse_sorting(settings: &tantivy::IndexSettings) -> Result<()> {
    if settings.sort_by_field.is_some() || settings.manual_doc_id_mapping {
        return Err(sorting_error("the index settings sort documents"));
    }
    Ok(())
}

pub(crate) fn sorting_error(message: &str) -> Error {
    Error::new(ErrorCode::BadArgument, message)
        .expected("documents in the order in which they were added")
        .hint("create the index without `sort_by_field` and `manual_doc_id_mapping`")
}
