#![doc = include_str!("../SPEC.md")]
//!
//! # Example
//! ```
//! use uncsm_format::{Dtype, ItemRow, MediaInfo, Rows, Uvec, Writer};
//!
//! let media = [MediaInfo { name: "image".into(), dim: 2, dtype: Dtype::F16, half: 0, hubs: 0 }];
//! let mut rows = Rows::new(&media[0]);
//! let (vector, hash) = (&[3.0, 4.0], [7; 16]);
//! rows.push(&ItemRow { doc: 3, ordinal: 0, span: None, hash, vector, half: &[], hubs: &[] })?;
//! let mut writer = Writer::new(Vec::new(), &[0; 32], &media)?;
//! rows.write_to(0, &mut writer)?;
//! let bytes = writer.finish(5, 0, None)?;
//!
//! let uvec = Uvec::open(bytes)?;
//! assert!(uvec.verify().is_empty());
//! let view = uvec.view(0);
//! assert_eq!(view.items_of(3), 0..1);
//! assert_eq!(view.inverse_norms, [0.2]);
//! # Ok::<(), uncsm_format::Error>(())
//! ```
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing, clippy::expect_used))]

#[cfg(target_endian = "big")]
compile_error!(
    "uncsm-format views little-endian sections in place: it does not build for big-endian targets"
);

pub mod cells;
mod check_cells;
mod column;
mod damage;
mod derived;
mod docs;
mod entry;
mod error;
mod frame;
pub mod layout;
mod map;
mod media;
mod parts;
mod reader;
mod rows;
mod slots;
mod verify;
mod view;
mod writer;

pub use cells::{Cells, Curves};
pub use column::{Column, ElementType};
pub use damage::{Damage, Reason};
pub use derived::{Derived, Values};
pub use error::Error;
pub use layout::FORMAT_VERSION;
pub use map::map;
pub use media::{Dtype, MediaInfo};
pub use reader::{SectionInfo, Uvec};
pub use rows::{ItemRow, Rows, inverse_norm};
pub use view::{MediaView, Vectors};
pub use writer::Writer;
