//! A family of encoders: how its weights are told from others, and opened.

use std::path::Path;
use std::sync::Arc;

use super::signs::Signs;
use crate::encode::Encoder;
use crate::encode::picture::DecodeLimits;
use crate::error::{Error, ErrorCode, Result};

/// Encoders of one kind.
///
/// The families of this library are one file each in `encode/family/`, and one line in its list; an app registers its own
/// with [`Registry::with_family`](crate::encode::Registry::with_family).
pub trait Family: Send + Sync {
    /// A short name, such as `bert`, which lists show.
    fn name(&self) -> &'static str;

    /// Media types of a corpus that it encodes. One of a single media type serves media types of other names too.
    fn media(&self) -> &'static [&'static str];

    /// Names of its encoders that need no weights.
    fn names(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether weights with these signs are its own.
    fn detect(&self, _signs: &Signs) -> bool {
        false
    }

    /// Opens an encoder that is called `opening.name`. Cost: reads and hashes its weights.
    ///
    /// # Errors
    /// Where weights or state are none of this family's, or do not read.
    fn open(&self, opening: &Opening<'_>) -> Result<Arc<dyn Encoder>>;

    /// Whether [`Family::open`] can open anything here; false for one that the build knows by its signs alone, as without the
    /// feature `encoders`.
    fn is_in_this_build(&self) -> bool {
        true
    }
}

/// What a family is to open.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Opening<'a> {
    /// The media type that the encoder is to serve.
    pub media: &'a str,
    /// The name that a bundle keeps.
    pub name: &'a str,
    /// The folder or file of the weights; empty for one of [`Family::names`].
    pub path: &'a Path,
    /// What the encoder has learned from a corpus; empty for most.
    pub state: &'a [f32],
    /// Limits of encoders that decode pictures.
    pub limits: DecodeLimits,
}

impl<'a> Opening<'a> {
    /// Weights at `path` for the media type `media`, under `name`.
    pub fn new(media: &'a str, name: &'a str, path: &'a Path, limits: DecodeLimits) -> Self {
        Self { media, name, path, state: &[], limits }
    }

    /// The error of a build without encoders with weights.
    #[cfg(not(feature = "encoders"))]
    pub(crate) fn not_in_this_build(&self, family: &str) -> Error {
        Error::new(ErrorCode::BadArgument, "this build opens no encoders with weights")
            .file(self.path)
            .got(family)
            .hint("build it with the feature `encoders`")
    }
}

/// What an encoder reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    Texts,
    Pictures,
}

/// What `family` reads for items of `media`.
///
/// # Errors
/// [`ErrorCode::BadArgument`] for texts that a picture encoder should read, and the like.
pub(crate) fn reads(family: &dyn Family, media: &str) -> Result<Reads> {
    let serves = |name: &str| if name == "text" { Reads::Texts } else { Reads::Pictures };
    match family.media() {
        known if known.contains(&media) => Ok(serves(media)),
        [only] if media != "image" && media != "text" => Ok(serves(only)),
        known => {
            let what = format!("an encoder of kind {} does not serve the media type", family.name());
            Err(Error::new(ErrorCode::BadArgument, what).expected(known.join(" or ")).got(media))
        }
    }
}
