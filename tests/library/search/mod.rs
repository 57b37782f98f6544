//! Whole queries against a brute-force oracle: fusions, missing legs, ties, deletes, segments, several indexes.

#[cfg(feature = "train")]
mod beside;
mod cells;
mod engine;
mod facets;
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
mod words;
mod world;
