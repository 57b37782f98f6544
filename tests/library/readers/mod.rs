//! Corpora of all kinds through the one reader: equal content, equal documents.

mod bombs;
mod columns;
mod damage;
mod memory;
mod pictures;
mod refused;
mod sources;
mod support;
mod tar;
mod types;
