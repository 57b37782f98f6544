//! The command line over pictures and sentences: from drawn picture files to answers, with files that do not read, and
//! changes of an index.

#![allow(missing_docs, unreachable_pub, reason = "tests")]

#[path = "pictures/attach.rs"]
mod attach;
#[path = "pictures/bad_input.rs"]
mod bad_input;
#[path = "pictures/cache.rs"]
mod cache;
#[path = "pictures/cases.rs"]
mod cases;
#[path = "pictures/change.rs"]
mod change;
#[path = "pictures/demo.rs"]
mod demo;
#[path = "pictures/encoders.rs"]
mod encoders;
#[path = "pictures/kill.rs"]
mod kill;
#[path = "pictures/search.rs"]
mod search;
#[path = "pictures/support.rs"]
mod support;
