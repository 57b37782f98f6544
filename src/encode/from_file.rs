//! An encoder that ran elsewhere: its features come from a file.

use std::ops::Range;

use super::{Encoder, Item};
use crate::corpus::{EncoderArg, FeatureTensor, PathwayArg};
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::media::Fingerprint;

/// Features of one media type that a tensor gives, under the name of the encoder that made them.
///
/// It serves rows of a tensor, and encodes nothing: a query on such a bundle must bring features of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FromFile {
    media: String,
    name: String,
    features: usize,
}

impl FromFile {
    /// Features of `media` with `features` elements, made by the encoder `name`.
    pub fn new(media: impl Into<String>, name: impl Into<String>, features: usize) -> Self {
        Self { media: media.into(), name: name.into(), features }
    }

    /// The source behind the tensor of one media type: named by the encoder of the same media type, else `features:TENSOR`.
    pub fn from_args(pathway: &PathwayArg, encoders: &[EncoderArg], tensor: &FeatureTensor<'_>) -> Self {
        let named = encoders.iter().find(|encoder| encoder.media == pathway.media);
        let name = match named {
            Some(encoder) => encoder.encoder.clone(),
            None => format!("features:{}", pathway.tensor),
        };
        Self::new(pathway.media.clone(), name, tensor.cols())
    }

    /// The media type.
    pub fn media(&self) -> &str {
        &self.media
    }

    /// Replaces `out` by `rows` of `tensor`, `[rows.len(), d_in]`.
    ///
    /// # Errors
    /// [`ErrorCode::BadDimension`] for a tensor of another width; those of [`FeatureTensor::read`].
    pub fn rows(&self, tensor: &FeatureTensor<'_>, rows: Range<usize>, out: &mut Vec<f32>) -> Result<()> {
        if tensor.cols() != self.features {
            let what = format!("the tensor `{}` does not fit the media type `{}`", tensor.name(), self.media);
            return Err(Error::new(ErrorCode::BadDimension, what)
                .file(tensor.file())
                .expected(format!("{} features per row, as `{}` makes them", self.features, self.name))
                .got(tensor.cols())
                .hint("take the tensor that the same encoder made"));
        }
        tensor.read(rows, out)
    }

    /// Why a new item of this media type cannot be encoded, and what to do.
    pub(crate) fn cannot_encode(&self) -> Error {
        let what = format!(
            "the media type `{}` of this bundle was trained on features named `{}`, which come from a file, so that a new item cannot be encoded",
            self.media, self.name
        );
        let hint = Hint::new("query with features of the same encoder:")
            .given(Setting::Features, "FILE.safetensors")
            .given(Setting::Pathway, format_args!("{}=TENSOR", self.media))
            .given(Setting::Rows, "A..B")
            .text(", or train again with")
            .given(Setting::Encoder, format_args!("{}=DIR", self.media));
        Error::new(ErrorCode::BadArgument, what).hint(hint)
    }
}

impl Encoder for FromFile {
    fn name(&self) -> &str {
        &self.name
    }

    /// Stands for the name and the width, since the weights are not known.
    fn fingerprint(&self) -> Fingerprint {
        let width = (self.features as u64).to_le_bytes();
        Fingerprint::of([b"features from a file".as_slice(), self.name.as_bytes(), &width])
    }

    fn features(&self) -> usize {
        self.features
    }

    fn encode(&self, items: &[Item<'_>]) -> Vec<Result<Vec<f32>>> {
        items.iter().map(|_| Err(self.cannot_encode())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_arguments() {
        let new = FromFile::new("image", "features:x", 4);
        assert_ne!(new.fingerprint(), FromFile::new("image", "features:x", 5).fingerprint());
        assert_ne!(new.fingerprint(), FromFile::new("image", "features:y", 4).fingerprint());
        assert_eq!(new.fingerprint(), FromFile::new("picture", "features:x", 4).fingerprint());
    }

    #[test]
    fn each_item_gets_the_way_out() {
        let results = FromFile::new("text", "minilm", 4).encode(&[Item::Text("a"), Item::Bytes(b"b")]);
        assert_eq!(results.len(), 2);
        for result in results {
            let error = result.unwrap_err();
            assert_eq!(error.code(), ErrorCode::BadArgument);
            let text = error.to_string();
            assert!(text.contains("`minilm`") && text.contains("`pathway` text=TENSOR"), "{text}");
        }
    }
}
