//! An embedded cross-media search engine: a plugin for tantivy, an index format, and the model that they score with.
//!
//! Data flows one way, and so do the modules: `error`, [`media`], [`corpus`], [`encode`], [`model`], [`index`],
//! [`search`], [`eval`]. A module uses only modules to its left.

mod error;
pub mod media;
pub mod corpus;
pub mod encode;
pub mod model;
pub mod index;
pub mod search;
pub mod eval;

pub use error::{Error, ErrorCode, Facts, Result};

/// The code of the README, which must compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
