//! Features that a file holds already, one row per document.

use crate::corpus::{FeatureTensor, FeaturesFile, PathwayArg};
use crate::error::{Error, ErrorCode, Result};

/// The features of one media type in a file, with the name of the encoder that made them.
#[derive(Debug, Clone)]
pub struct FeatureRows<'a> {
    /// Media type.
    pub media: String,
    /// Name of the encoder, or `features:TENSOR` where nobody named it.
    pub encoder: String,
    /// The rows.
    pub tensor: FeatureTensor<'a>,
}

impl<'a> FeatureRows<'a> {
    /// Finds the tensors of `pathways` in `file`; `encoders` name who made them. All have the same number of rows.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] without pathways, or for a media type that stands twice;
    /// [`ErrorCode::UnknownMedia`] for an encoder of a media type without pathway; those of [`FeaturesFile::tensor`] and
    /// [`FeaturesFile::check_rows`].
    pub fn find(
        file: &'a FeaturesFile,
        pathways: &[PathwayArg],
        encoders: &[PathwayArg],
    ) -> Result<Vec<Self>> {
        if pathways.is_empty() {
            return Err(Error::new(ErrorCode::BadArgument, "no tensor is named")
                .file(file.path())
                .hint("give --pathway MEDIA=TENSOR for each media type"));
        }
        for (i, arg) in encoders.iter().enumerate() {
            if !pathways.iter().any(|pathway| pathway.media == arg.media) {
                return Err(Error::new(
                    ErrorCode::UnknownMedia,
                    "an encoder of a media type without pathway",
                )
                .expected(pathways.iter().map(|p| p.media.as_str()).collect::<Vec<_>>().join(" or "))
                .got(&arg.media));
            }
            refuse_twice(&encoders[..i], arg, "--encoder")?;
        }
        let mut found: Vec<Self> = Vec::with_capacity(pathways.len());
        for (i, pathway) in pathways.iter().enumerate() {
            refuse_twice(&pathways[..i], pathway, "--pathway")?;
            let tensor = file.tensor(&pathway.name)?;
            if let Some(first) = found.first() {
                file.check_rows(tensor.name(), first.tensor.rows(), tensor.rows())?;
            }
            let named = encoders.iter().find(|encoder| encoder.media == pathway.media);
            let encoder = named.map_or_else(|| format!("features:{}", pathway.name), |arg| arg.name.clone());
            found.push(Self { media: pathway.media.clone(), encoder, tensor });
        }
        Ok(found)
    }
}

fn refuse_twice(before: &[PathwayArg], arg: &PathwayArg, flag: &str) -> Result<()> {
    if !before.iter().any(|other| other.media == arg.media) {
        return Ok(());
    }
    Err(Error::new(ErrorCode::BadArgument, format!("{flag} names a media type twice")).got(&arg.media))
}
