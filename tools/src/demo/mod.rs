//! The pieces of the demo: a corpus of drawn scenes with captions, and the page that shows what was found in it.

pub mod caption;
pub mod corpus;
pub mod html;
pub mod raster;
pub mod report;
pub mod scene;
pub mod svg;
#[cfg(test)]
mod tests;
