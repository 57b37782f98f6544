//! What a bundle says about its media types and classes.

use serde::{Deserialize, Serialize};

use crate::media::Fingerprint;

/// A media type of a bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MediaConfig {
    /// Name of the media type, at most 32 bytes.
    pub name: String,
    /// The encoder that made the features; the name of the tensor where nothing else is known.
    pub encoder: String,
    /// Elements of the features of one item, `d_in`.
    pub features: usize,
    /// Elements of what the encoder has learned, such as an idf; 0 for an encoder that learns nothing.
    #[serde(default)]
    pub state: usize,
    /// Whether the pathway reads the roots of features instead of the features.
    #[serde(default, skip_serializing_if = "is_false")]
    pub roots: bool,
    /// Stands for the encoder's weights and preprocessing; `None` where nobody knows what made the features.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<Fingerprint>,
}

fn is_false(x: &bool) -> bool {
    !x
}

/// The classes that a bundle was trained with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassNames {
    /// Number of classes, `C`.
    pub count: usize,
    /// Their names in order, where they have names.
    pub names: Option<Vec<String>>,
    /// The field or tensor that held them.
    pub key: String,
}
