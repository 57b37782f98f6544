//! Corpora of all kinds through the one reader: equal content, equal documents.

#![cfg(feature = "parquet")]
#![allow(missing_docs, unreachable_pub, reason = "tests")]

#[path = "readers/bombs.rs"]
mod bombs;
#[path = "readers/columns.rs"]
mod columns;
#[path = "readers/damage.rs"]
mod damage;
#[path = "readers/pictures.rs"]
mod pictures;
#[path = "readers/refused.rs"]
mod refused;
#[path = "readers/support.rs"]
mod support;
#[path = "readers/types.rs"]
mod types;
