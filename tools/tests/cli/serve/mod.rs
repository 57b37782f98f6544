//! The server of `serve`: its answers, who is let in, and what hostile requests come to.
#![cfg(feature = "serve")]

mod answers;
mod client;
mod door;
mod hostile;
mod media;
mod record;
mod require;
