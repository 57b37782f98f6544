//! Sentence transformers of the BERT family: BERT, RoBERTa, XLM-RoBERTa.

use std::sync::Arc;

use super::seam::{Family, Opening};
use super::signs::Signs;
use crate::encode::Encoder;
use crate::error::Result;

/// Networks of one form; only the numbers of positions and the names of tensors differ.
const MODEL_TYPES: [&str; 3] = ["bert", "roberta", "xlm-roberta"];

pub(super) struct Bert;

impl Family for Bert {
    fn name(&self) -> &'static str {
        "bert"
    }

    fn media(&self) -> &'static [&'static str] {
        &["text"]
    }

    fn detect(&self, signs: &Signs) -> bool {
        signs.model_type().is_some_and(|name| MODEL_TYPES.contains(&name))
    }

    #[cfg(feature = "encoders")]
    fn open(&self, opening: &Opening<'_>) -> Result<Arc<dyn Encoder>> {
        Ok(Arc::new(crate::encode::bert::SentenceEncoder::open(opening.path, opening.name)?))
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
