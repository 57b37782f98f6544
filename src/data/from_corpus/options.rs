//! How a corpus becomes training data.

use crate::corpus::{EncoderArg, Keys, Passages};
use crate::encode::{Encoders, FeatureCache, Registry};
use crate::model::ClassNames;

/// What becomes of a class that a trained bundle does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NewClasses {
    /// Its documents have no class, as an evaluation wants it.
    #[default]
    Unlabelled,
    /// An error, unless all of them are marked `test`.
    Refused,
}

/// How a corpus becomes training data.
#[derive(Default)]
pub struct CorpusOptions<'a> {
    /// The key that holds the class.
    pub label: Option<&'a str>,
    /// A key: documents of equal value stay on one side of the validation split, as those of equal `title` do.
    pub group: Option<&'a str>,
    /// Encoders that differ from the built-in one of their media type.
    pub encoders: &'a [EncoderArg],
    /// Where those are looked for.
    pub paths: Registry,
    /// Keys of the corpus that hold items, and those that are passed over.
    pub keys: Keys,
    /// How long texts are split into several items.
    pub passages: Option<Passages>,
    /// Encoders and classes of a trained bundle, to evaluate it or to train it further; none are learned then.
    pub trained: Option<(&'a Encoders, Option<&'a ClassNames>)>,
    /// What becomes of classes that `trained` does not have.
    pub new_classes: NewClasses,
    /// Features of earlier runs, and where those of this one go.
    pub cache: Option<&'a FeatureCache>,
}
