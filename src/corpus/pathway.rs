//! `MEDIA=TENSOR` and `MEDIA=NAME`: arguments that say something about one media type.

use std::str::FromStr;

use crate::corpus::document::names::check_media_name;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};

/// The tensor that holds the features of one media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathwayArg {
    /// Name of the media type.
    pub media: String,
    /// Name of the tensor.
    pub tensor: String,
}

impl PathwayArg {
    /// Reads `MEDIA=TENSOR`; the name of a tensor may hold `=`.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`].
    pub fn parse(argument: &str) -> Result<Self> {
        let (media, tensor) = pair(argument, Setting::Pathway, "image=image_features")?;
        Ok(Self { media, tensor })
    }
}

/// The encoder of one media type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderArg {
    /// Name of the media type.
    pub media: String,
    /// Name of the encoder, or its directory.
    pub encoder: String,
}

impl EncoderArg {
    /// Reads `MEDIA=NAME_OR_DIR`.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`].
    pub fn parse(argument: &str) -> Result<Self> {
        let (media, encoder) = pair(argument, Setting::Encoder, "text=minilm")?;
        Ok(Self { media, encoder })
    }
}

impl FromStr for PathwayArg {
    type Err = Error;

    fn from_str(argument: &str) -> Result<Self> {
        Self::parse(argument)
    }
}

impl FromStr for EncoderArg {
    type Err = Error;

    fn from_str(argument: &str) -> Result<Self> {
        Self::parse(argument)
    }
}

fn pair(argument: &str, setting: Setting, example: &str) -> Result<(String, String)> {
    match argument.split_once('=') {
        Some((media, value)) if !value.is_empty() => {
            check_media_name(media)?;
            Ok((media.to_owned(), value.to_owned()))
        }
        _ => Err(Error::new(ErrorCode::BadArgument, "not a media type and a name")
            .expected("MEDIA=NAME")
            .got(format!("{argument:?}"))
            .hint(Hint::new("write").given(setting, example).text(", for instance"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments() {
        let arg = PathwayArg::parse("3d=a=b").unwrap();
        assert_eq!((arg.media.as_str(), arg.tensor.as_str()), ("3d", "a=b"));
        assert_eq!("text=x/y".parse::<EncoderArg>().unwrap().encoder, "x/y");
        for bad in ["", "image", "image=", "=x", "any=x", "a b=x"] {
            assert_eq!(PathwayArg::parse(bad).unwrap_err().code(), ErrorCode::BadArgument, "{bad}");
            assert_eq!(EncoderArg::parse(bad).unwrap_err().code(), ErrorCode::BadArgument, "{bad}");
        }
    }
}
