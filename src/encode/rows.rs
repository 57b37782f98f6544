//! The rows of a features file by media type, each under the name of its encoder.

use super::from_file::FromFile;
use crate::corpus::{EncoderArg, FeatureTensor, FeaturesFile, PathwayArg};
use crate::error::{Error, ErrorCode, Result};

/// The features of one media type in a file.
#[derive(Debug, Clone)]
pub struct FeatureRows<'a> {
    /// Media type and encoder.
    pub encoder: FromFile,
    /// The rows.
    pub tensor: FeatureTensor<'a>,
}

impl<'a> FeatureRows<'a> {
    /// The tensors of `pathways` in `file`, all of the same number of rows; `encoders` name who made them.
    ///
    /// # Errors
    /// Those of [`FeaturesFile::select`]; [`ErrorCode::BadArgument`] for two encoders of one media type;
    /// [`ErrorCode::UnknownMedia`] for an encoder of a media type without pathway.
    pub fn find(
        file: &'a FeaturesFile,
        pathways: &[PathwayArg],
        encoders: &[EncoderArg],
    ) -> Result<Vec<Self>> {
        for (i, arg) in encoders.iter().enumerate() {
            if !pathways.iter().any(|pathway| pathway.media == arg.media) {
                let known: Vec<&str> = pathways.iter().map(|pathway| pathway.media.as_str()).collect();
                return Err(Error::new(
                    ErrorCode::UnknownMedia,
                    "an encoder is named for a media type without pathway",
                )
                .expected(known.join(" or "))
                .got(&arg.media));
            }
            if encoders[..i].iter().any(|other| other.media == arg.media) {
                return Err(Error::new(ErrorCode::BadArgument, "an encoder is named twice for a media type")
                    .got(&arg.media));
            }
        }
        let selected = file.select(pathways, None, None)?;
        let rows = |(pathway, (_, tensor)): (&PathwayArg, (String, FeatureTensor<'a>))| {
            let encoder = FromFile::from_args(pathway, encoders, &tensor);
            Self { encoder, tensor }
        };
        Ok(pathways.iter().zip(selected.pathways).map(rows).collect())
    }
}
