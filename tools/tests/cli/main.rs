//! Tests of the real binary on data that they generate. One test binary: the data are made and a bundle is trained once.

mod append;
mod bad_build;
mod bad_query;
mod bad_train;
mod beside;
mod calibrate;
mod damage;
mod data;
mod determinism;
mod embed;
mod features;
mod flips;
mod feedback;
#[cfg(unix)]
mod foreign;
mod index_v0;
mod job;
mod kill;
mod left_over;
mod output;
mod query;
mod query_more;
#[cfg(unix)]
mod read_only;
mod readme;
mod resume;
mod run;
mod weights;
mod world;
