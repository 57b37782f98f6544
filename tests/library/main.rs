//! The library as an app uses it, over data that the tests make. One test binary: it is linked once.

#![allow(missing_docs, unreachable_pub, reason = "tests")]

mod analysis;
#[cfg(feature = "encoders")]
mod bert;
mod bundle_v0;
#[cfg(feature = "encoders")]
mod clip;
mod collector;
#[path = "../common/mod.rs"]
mod common;
mod corpus;
#[cfg(feature = "encoders")]
mod efficientnet;
mod encoders;
mod guest;
mod held;
#[cfg(feature = "hub")]
mod hub;
mod limits;
mod pipeline;
mod plugin;
#[cfg(feature = "parquet")]
mod readers;
mod search;
mod shards;
mod space;
#[cfg(feature = "train")]
mod training;
