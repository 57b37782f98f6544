//! Pictures: from bytes of any format to pixels, within limits.

mod container;
mod decode;
#[cfg(feature = "encoders")]
mod resample;

pub use decode::{DecodeLimits, RgbImage, decode};
#[cfg(feature = "encoders")]
pub(crate) use resample::{Filter, resize};
