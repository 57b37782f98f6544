//! A page to search with, and the JSON behind it: a server for one's own machine.
//!
//! A request carries bytes and names of documents, never a path. `door` lets it in and reads its body, `routes` says who answers, and answers,
//! and everything that takes time runs on a thread of its own, behind a limit of how many do.

mod about;
mod answer;
mod app;
mod door;
mod limits;
mod lock;
mod metrics;
mod open;
mod record;
mod roots;
mod routes;

pub use app::{App, Settings};
pub use door::Door;
pub use door::connections::Listening;
pub use limits::PIXELS;
pub use open::open_browser;
