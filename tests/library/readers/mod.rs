//! Corpora of all kinds through the one reader: equal content, equal documents.

mod bombs;
mod columns;
mod damage;
mod pictures;
mod refused;
mod support;
mod types;
