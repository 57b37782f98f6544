//! SigLIP: two towers, each an encoder.

use std::sync::Arc;

use super::seam::{Family, Opening};
use super::signs::Signs;
use crate::encode::Encoder;
use crate::error::Result;

pub(super) struct Siglip;

impl Family for Siglip {
    fn name(&self) -> &'static str {
        "siglip"
    }

    fn media(&self) -> &'static [&'static str] {
        &["image", "text"]
    }

    fn detect(&self, signs: &Signs) -> bool {
        signs.model_type() == Some("siglip")
    }

    #[cfg(feature = "encoders")]
    fn open(&self, opening: &Opening<'_>) -> Result<Arc<dyn Encoder>> {
        use super::seam::{Reads, reads};
        use crate::encode::clip::{SiglipImage, SiglipText};

        let Opening { path, name, limits, .. } = *opening;
        Ok(match reads(self, opening.media)? {
            Reads::Pictures => Arc::new(SiglipImage::open(path, name, limits)?),
            Reads::Texts => Arc::new(SiglipText::open(path, name)?),
        })
    }

    #[cfg(not(feature = "encoders"))]
    fn open(&self, opening: &Opening<'_>) -> Result<Arc<dyn Encoder>> {
        Err(opening.not_in_this_build(self.name()))
    }

    #[cfg(not(feature = "encoders"))]
    fn is_in_this_build(&self) -> bool {
        false
    }
}
