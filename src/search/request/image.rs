//! A picture of a query.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A picture that a query is asked with. As JSON a path is a string, bytes are `{"bytes": [137, 80, ..]}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
#[non_exhaustive]
pub enum Image {
    /// A file.
    Path(PathBuf),
    /// The bytes of a file.
    Bytes(#[serde(with = "bytes")] Vec<u8>),
}

impl From<&Path> for Image {
    fn from(path: &Path) -> Self {
        Self::Path(path.into())
    }
}

impl From<PathBuf> for Image {
    fn from(path: PathBuf) -> Self {
        Self::Path(path)
    }
}

impl From<Vec<u8>> for Image {
    fn from(bytes: Vec<u8>) -> Self {
        Self::Bytes(bytes)
    }
}

/// Bytes under a name: a list of numbers alone would read as a list of pictures.
mod bytes {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named<B> {
        bytes: B,
    }

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        Named { bytes }.serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        Named::deserialize(deserializer).map(|named| named.bytes)
    }
}
