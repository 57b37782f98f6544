//! The rules of the source tree, read from its text alone: modules use only modules to their left, no file is part of a
//! larger circle, files stay short, `unsafe` stays where it is listed, the library speaks of no command line, and the
//! documents name what is there. A binary of its own: it uses nothing of the crate, `rustc --test` compiles it in seconds.

mod circles;
mod documents;
mod files;
mod modules;
mod names;
mod order;
mod resolve;
mod scan;
mod words;
