//! Tests of the real binary on data that they generate. One test binary: the data are made and a bundle is trained once.

#![allow(unreachable_pub, reason = "tests")]

mod append;
mod bad_build;
mod bad_query;
mod bad_train;
mod beside;
mod calibrate;
mod completions;
mod corpora;
mod damage;
mod data;
mod determinism;
mod documents;
mod embed;
mod feature_files;
mod features;
mod feedback;
#[path = "../../../tests/common/files.rs"]
#[allow(dead_code, reason = "shared with the tests of the library")]
mod files;
mod flips;
#[cfg(unix)]
mod foreign;
mod guest;
mod index_v0;
mod job;
mod kill;
mod left_over;
mod output;
mod pictures;
mod query;
mod query_more;
#[cfg(unix)]
mod read_only;
mod readme;
mod resume;
mod run;
mod serve;
mod shards;
mod sorted;
mod weights;
mod words;
mod world;
