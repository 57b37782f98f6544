//! Where encoders with weights are looked for, and how one is told from another.
//!
//! Weights lie in folders as they are published. [`EncoderPaths`] finds a folder by path or by name, [`Kind`] tells from
//! its content which encoder it is, and one function in `open.rs` opens it. A bundle keeps the name and the fingerprint of
//! each encoder, so that [`EncoderPaths::find`] finds the same one again, wherever it lies by then.

mod find;
mod folder;
#[cfg(feature = "hub")]
mod hub;
mod kind;
mod list;
mod open;
mod paths;
#[cfg(test)]
pub(crate) mod testing;

pub use folder::Folder;
#[cfg(feature = "hub")]
pub use hub::{fetch, fetch_from};
pub use kind::Kind;
pub use list::{Listed, ListedMedia, list};
pub use paths::EncoderPaths;
