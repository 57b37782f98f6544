#![doc = include_str!("../SPEC.md")]
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used))]

#[cfg(target_endian = "big")]
compile_error!(
    "uncsm-format views little-endian sections in place: it does not build for big-endian targets"
);

mod column;
mod entry;
mod error;
pub mod layout;
mod map;
mod media;
mod reader;
mod rows;
mod verify;
mod view;
mod writer;

pub use column::{Column, ElementType};
pub use error::Error;
pub use layout::FORMAT_VERSION;
pub use map::map;
pub use media::{Dtype, MediaInfo};
pub use reader::{SectionInfo, Uvec};
pub use rows::{ItemRow, Rows, inverse_norm};
pub use verify::{Damage, Reason};
pub use view::{MediaView, Vectors};
pub use writer::Writer;
