//! One file per command.

pub mod build;
pub mod eval;
pub mod inspect;
pub mod query;
pub mod schema;
pub mod train;
pub mod verify;
