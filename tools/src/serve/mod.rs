//! A page to search with, and the JSON behind it: a server for one's own machine.
//!
//! A request carries bytes and names of documents, never a path. `door` lets it in, `body` reads it, `routes` says who answers,
//! and everything that takes time runs on a thread of its own, behind a limit of how many do.

mod about;
mod answer;
mod app;
mod aside;
mod base64;
mod body;
mod connections;
mod document;
mod door;
mod limits;
mod lock;
mod mark;
mod media;
mod metrics;
mod open;
mod page;
mod pictures;
mod place;
mod query;
mod record;
mod request;
mod roots;
mod routes;
mod sniff;
mod status;

pub use app::{App, Settings};
pub use connections::Listening;
pub use door::Door;
pub use limits::PIXELS;
pub use open::open_browser;
