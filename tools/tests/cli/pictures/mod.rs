//! The command line over pictures and sentences: from drawn picture files to answers, with files that do not read, and
//! changes of an index.

mod attach;
mod bad_input;
mod cache;
mod cases;
mod change;
mod demo;
mod encoders;
mod kill;
mod media_key;
mod real_demo;
#[cfg(unix)]
mod scripts;
mod search;
pub(crate) mod support;
