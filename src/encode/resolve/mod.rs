//! Where encoders come from, and how the very one of a bundle is found again.
//!
//! Weights lie in folders as they are published. A [`Registry`](crate::encode::Registry) finds a folder by path or by name, the
//! [families](crate::encode::Family) tell from its content whose it is, and one of them opens it. A bundle keeps the name
//! and the fingerprint of each encoder, so that [`find`](crate::encode::Registry::find) finds the same one again, wherever it lies by then. An
//! app adds encoders and families of its own.

mod families;
mod find;
mod folder;
#[cfg(feature = "hub")]
mod hub;
mod list;
mod open;
pub(super) mod registry;

pub use find::Found;
pub use folder::Folder;
#[cfg(feature = "hub")]
pub use hub::{fetch, fetch_from};
pub use list::{Listed, ListedMedia, list};
