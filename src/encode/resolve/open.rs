//! The one place that opens encoders with weights: a new kind gets its line here.

use super::folder::Folder;
use super::kind::Reads;
use crate::encode::{DecodeLimits, Encoder};
use crate::error::{Error, ErrorCode, Result};

/// Opens the encoder of `media` in `folder`.
pub(super) fn open(folder: &Folder, media: &str, limits: DecodeLimits) -> Result<Box<dyn Encoder>> {
    let reads = folder.kind.reads(media).map_err(|error| error.file(&folder.path))?;
    #[cfg(test)]
    if folder.kind == super::Kind::Test {
        return Ok(Box::new(super::testing::Bytes::open(&folder.path, &folder.name)?));
    }
    open_kind(folder, reads, limits)
}

#[cfg(feature = "encoders")]
fn open_kind(folder: &Folder, reads: Reads, limits: DecodeLimits) -> Result<Box<dyn Encoder>> {
    let _ = (reads, limits);
    Err(Error::new(ErrorCode::BadArgument, "this build does not open this kind of encoder")
        .file(&folder.path)
        .got(folder.kind.name()))
}

#[cfg(not(feature = "encoders"))]
fn open_kind(folder: &Folder, _: Reads, _: DecodeLimits) -> Result<Box<dyn Encoder>> {
    Err(Error::new(ErrorCode::BadArgument, "this build opens no encoders with weights")
        .file(&folder.path)
        .got(folder.kind.name())
        .hint("build it with the feature `encoders`"))
}
