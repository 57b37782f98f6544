//! What makes, changes and checks indexes.

pub mod add;
pub mod attach;
pub mod build;
pub mod delete;
mod documents;
pub mod inspect;
pub mod merge;
pub mod schema;
pub mod verify;
