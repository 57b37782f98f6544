//! The text encoder against `transformers`, on a tiny random checkpoint that `make.py` made; purity; and files that are
//! not as they should be.

mod agreement;
mod files;
mod folder;
mod long;
mod multilingual;
