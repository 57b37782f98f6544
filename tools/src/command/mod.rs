//! One file per command.

pub mod add;
pub mod attach;
pub mod build;
pub mod calibrate;
pub mod delete;
pub mod demo;
pub mod demo_queries;
pub mod documents;
pub mod encoders;
pub mod eval;
pub mod features;
pub mod fuse;
pub mod inspect;
pub mod query;
pub mod query_batch;
pub mod query_request;
pub mod query_text;
pub mod rows;
pub mod schema;
pub mod train;
pub mod verify;
