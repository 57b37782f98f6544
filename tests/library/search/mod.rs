//! Whole queries against a brute-force oracle: fusions, missing legs, ties, deletes, segments, several indexes.

#[cfg(feature = "train")]
mod beside;
mod cells;
mod combined;
mod engine;
mod facets;
mod fan_out;
mod filters;
mod fusion;
mod hubs;
mod keywords;
mod oracle;
mod parts;
mod required;
mod segments;
mod sorted;
mod sources;
mod stores;
mod synonyms;
mod words;
mod world;
