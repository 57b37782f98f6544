//! Media types, items and the shared space that their vectors live in.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorCode, Result};

pub use uncsm_format::Dtype;

/// A SHA-256 over the parts of a bundle that something depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// The fingerprint of `parts`, each preceded by its length so that borders count.
    pub fn of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = Sha256::new();
        for part in parts {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        Self(hasher.finalize().into())
    }

    /// Reads 64 hexadecimal digits.
    ///
    /// # Errors
    /// [`ErrorCode::BadValue`] for anything else.
    pub fn from_hex(hex: &str) -> Result<Self> {
        let bad = || {
            Error::new(ErrorCode::BadValue, "not a fingerprint")
                .expected("64 hexadecimal digits")
                .got(format!("{hex:?}"))
        };
        let mut bytes = [0; 32];
        if hex.len() != 64 || !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(bad());
        }
        for (i, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).map_err(|_| bad())?;
        }
        Ok(Self(bytes))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

impl Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let hex = String::deserialize(deserializer)?;
        Self::from_hex(&hex).map_err(serde::de::Error::custom)
    }
}

/// The first 16 bytes of a SHA-256 over an item's source bytes: equal content, equal vector.
pub fn content_hash(bytes: &[u8]) -> [u8; 16] {
    let digest = Sha256::digest(bytes);
    let mut hash = [0; 16];
    hash.copy_from_slice(&digest[..16]);
    hash
}

/// How the items of one media type are stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MediaSpec {
    /// Name of the media type: `image`, `text`, or any other of at most 32 bytes.
    pub name: String,
    /// Elements of a shared vector, `d`.
    pub dim: usize,
    /// Width of the stored item half of the metric network's first layer, `h`; 0 where none is stored.
    pub half: usize,
    /// Hubs that are stored of each item, one per other media type in their order; 0 where none are.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hubs: usize,
    /// Element type of stored shared vectors; halves are always f16, hubs f32.
    #[serde(with = "dtype_name")]
    pub dtype: Dtype,
}

fn is_zero(x: &usize) -> bool {
    *x == 0
}

/// The shared space that an index belongs to: what a `.uvec` file must fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpaceSpec {
    /// The `space` fingerprint of the bundle.
    pub space: Fingerprint,
    /// Media types; an item names its own by position in this list.
    pub media: Vec<MediaSpec>,
}

impl SpaceSpec {
    /// Position of the media type `name`.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`], naming those that exist.
    pub fn media_index(&self, name: &str) -> Result<usize> {
        self.media.iter().position(|media| media.name == name).ok_or_else(|| {
            let known: Vec<&str> = self.media.iter().map(|media| media.name.as_str()).collect();
            Error::new(ErrorCode::UnknownMedia, format!("no media type `{name}` here"))
                .expected(known.join(" or "))
                .got(name)
        })
    }
}

/// Where an item stands in its document and what it was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemOrigin {
    /// Position among the document's items of its media type; unchanged when a sibling failed to decode.
    pub ordinal: u32,
    /// Byte span `start..end` of a passage in its text; `None` for a whole item.
    pub span: Option<(u32, u32)>,
    /// [`content_hash`] of the source bytes.
    pub hash: [u8; 16],
}

mod dtype_name {
    use serde::{Deserialize, Deserializer, Serializer};
    use uncsm_format::Dtype;

    pub(super) fn serialize<S: Serializer>(dtype: &Dtype, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(match dtype {
            Dtype::F16 => "f16",
            Dtype::F32 => "f32",
        })
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Dtype, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            "f16" => Ok(Dtype::F16),
            "f32" => Ok(Dtype::F32),
            other => Err(serde::de::Error::custom(format!("expected f16 or f32, got {other}"))),
        }
    }
}
