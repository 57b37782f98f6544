//! The command line over corpora of all kinds: Parquet files, folders of media, passages, and corpora with bad parts.

mod bad;
mod blind;
mod feedback;
mod folder;
mod formats;
#[cfg(feature = "parquet")]
mod parquet;
mod passages;
mod support;

/// The bundle of the drawn corpus, whose encoders need no weights.
pub(crate) fn bundle() -> &'static std::path::Path {
    &support::world().bundle
}
