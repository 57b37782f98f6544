//! The one place that opens encoders with weights: a new kind gets its line here.

use super::folder::Folder;
use super::kind::{Kind, Reads};
use crate::encode::Encoder;
use crate::encode::decode::DecodeLimits;
use crate::error::Result;

/// Opens the encoder of `media` in `folder`.
pub(super) fn open(folder: &Folder, media: &str, limits: DecodeLimits) -> Result<Box<dyn Encoder>> {
    let reads = folder.kind.reads(media).map_err(|error| error.file(&folder.path))?;
    open_kind(folder, reads, limits)
}

#[cfg(feature = "encoders")]
fn open_kind(folder: &Folder, reads: Reads, limits: DecodeLimits) -> Result<Box<dyn Encoder>> {
    use crate::encode::bert::SentenceEncoder;
    use crate::encode::clip::{ClipImage, ClipText, SiglipImage, SiglipText};
    use crate::encode::efficientnet::EfficientNetLite0;

    let (path, name) = (folder.path.as_path(), folder.name.as_str());
    Ok(match (folder.kind, reads) {
        (Kind::Bert, _) => Box::new(SentenceEncoder::open(path, name)?),
        (Kind::EfficientNetLite0, _) => Box::new(EfficientNetLite0::open(&lite0(path)?, name, limits)?),
        (Kind::Clip, Reads::Pictures) => Box::new(ClipImage::open(path, name, limits)?),
        (Kind::Clip, Reads::Texts) => Box::new(ClipText::open(path, name)?),
        (Kind::Siglip, Reads::Pictures) => Box::new(SiglipImage::open(path, name, limits)?),
        (Kind::Siglip, Reads::Texts) => Box::new(SiglipText::open(path, name)?),
        #[cfg(test)]
        (Kind::Test, _) => Box::new(super::testing::Bytes::open(path, name)?),
    })
}

/// The weights of a folder without settings may have any name.
#[cfg(feature = "encoders")]
fn lite0(path: &std::path::Path) -> Result<std::path::PathBuf> {
    if path.is_file() || path.join("config.json").is_file() {
        return Ok(path.to_path_buf());
    }
    super::kind::weights_in(path)
}

#[cfg(not(feature = "encoders"))]
fn open_kind(folder: &Folder, _: Reads, _: DecodeLimits) -> Result<Box<dyn Encoder>> {
    use crate::error::{Error, ErrorCode};

    #[cfg(test)]
    if folder.kind == super::kind::Kind::Test {
        return Ok(Box::new(super::testing::Bytes::open(&folder.path, &folder.name)?));
    }
    Err(Error::new(ErrorCode::BadArgument, "this build opens no encoders with weights")
        .file(&folder.path)
        .got(folder.kind.name())
        .hint("build it with the feature `encoders`"))
}
