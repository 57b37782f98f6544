//! The command line over corpora of all kinds: Parquet files, folders of media, passages, and corpora with bad parts.

#![allow(missing_docs, unreachable_pub, reason = "tests")]

#[path = "corpora/bad.rs"]
mod bad;
#[path = "corpora/blind.rs"]
mod blind;
#[path = "corpora/feedback.rs"]
mod feedback;
#[path = "corpora/folder.rs"]
mod folder;
#[cfg(feature = "parquet")]
#[path = "corpora/parquet.rs"]
mod parquet;
#[path = "corpora/passages.rs"]
mod passages;
#[path = "corpora/support.rs"]
mod support;
