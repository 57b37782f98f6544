//! The columns of a media type, and the types of their elements.

use crate::layout;
use crate::media::MediaInfo;

/// Type of the elements of a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ElementType {
    /// Single bytes.
    Bytes,
    /// Unsigned integers of 32 bits.
    U32,
    /// IEEE 754 binary16.
    F16,
    /// IEEE 754 binary32.
    F32,
}

impl ElementType {
    /// All element types, by ascending code.
    pub const ALL: [Self; 4] = [Self::Bytes, Self::U32, Self::F16, Self::F32];

    /// Number of the element type in the file.
    pub const fn code(self) -> u32 {
        match self {
            Self::Bytes => 0,
            Self::U32 => 1,
            Self::F16 => 2,
            Self::F32 => 3,
        }
    }

    /// Element type of a number in the file.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|element| element.code() == code)
    }

    /// Bytes of one element.
    pub const fn size(self) -> usize {
        match self {
            Self::Bytes => 1,
            Self::F16 => 2,
            Self::U32 | Self::F32 => 4,
        }
    }
}

/// A column of a media type: one section with one row per item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// Shared vectors `[n, d]`, f16 or f32.
    Vectors,
    /// Document of each item `[n]`, ascending, u32.
    Docs,
    /// Ordinal of each item in its document `[n]`, u32.
    Ordinals,
    /// First byte and byte after the last of each passage `[n, 2]`, u32; both 4294967295 for a whole item.
    Spans,
    /// Content hash of each item `[n, 16]`, bytes.
    Hashes,
    /// Inverse norm of each shared vector `[n]`, f32.
    InverseNorms,
    /// Item half of the metric network's first layer `[n, h]`, f16; only where `h > 0`.
    Halves,
    /// Hubs of each item `[n, g]`, f32; only where `g > 0`.
    Hubs,
}

impl Column {
    /// All columns in the order of the file.
    pub const ALL: [Self; 8] = [
        Self::Vectors,
        Self::Docs,
        Self::Ordinals,
        Self::Spans,
        Self::Hashes,
        Self::InverseNorms,
        Self::Halves,
        Self::Hubs,
    ];

    /// Name of the section, as in SPEC.md.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vectors => "VECTORS",
            Self::Docs => "DOCS",
            Self::Ordinals => "ORDINALS",
            Self::Spans => "SPANS",
            Self::Hashes => "HASHES",
            Self::InverseNorms => "INVERSE_NORMS",
            Self::Halves => "HALVES",
            Self::Hubs => "HUBS",
        }
    }

    /// Kind of the section.
    pub const fn kind(self) -> u32 {
        match self {
            Self::Vectors => layout::KIND_VECTORS,
            Self::Docs => layout::KIND_DOCS,
            Self::Ordinals => layout::KIND_ORDINALS,
            Self::Spans => layout::KIND_SPANS,
            Self::Hashes => layout::KIND_HASHES,
            Self::InverseNorms => layout::KIND_INVERSE_NORMS,
            Self::Halves => layout::KIND_HALVES,
            Self::Hubs => layout::KIND_HUBS,
        }
    }

    /// Column of a section kind, if it is one.
    pub fn from_kind(kind: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.kind() == kind)
    }

    /// Type of the elements in a media type.
    pub const fn element(self, info: &MediaInfo) -> ElementType {
        match self {
            Self::Vectors => info.dtype.element(),
            Self::Docs | Self::Ordinals | Self::Spans => ElementType::U32,
            Self::Hashes => ElementType::Bytes,
            Self::InverseNorms | Self::Hubs => ElementType::F32,
            Self::Halves => ElementType::F16,
        }
    }

    /// Elements per row in a media type.
    pub const fn columns(self, info: &MediaInfo) -> u32 {
        match self {
            Self::Vectors => info.dim,
            Self::Docs | Self::Ordinals | Self::InverseNorms => 1,
            Self::Spans => 2,
            Self::Hashes => 16,
            Self::Halves => info.half,
            Self::Hubs => info.hubs,
        }
    }

    /// Bytes per row in a media type; 0 for a column that is not stored.
    pub const fn row_bytes(self, info: &MediaInfo) -> usize {
        self.columns(info) as usize * self.element(info).size()
    }

    /// Flags of the section in the table.
    pub const fn flags(self) -> u32 {
        match self {
            Self::Halves | Self::Hubs => 0,
            _ => layout::FLAG_REQUIRED,
        }
    }

    /// The columns that a media type stores, in the order of the file.
    pub fn stored(info: &MediaInfo) -> impl Iterator<Item = Self> + use<> {
        let (halves, hubs) = (Self::Halves.is_stored(info), Self::Hubs.is_stored(info));
        Self::ALL.into_iter().filter(move |column| match column {
            Self::Halves => halves,
            Self::Hubs => hubs,
            _ => true,
        })
    }

    /// Whether a media type stores the column; all but halves and hubs always are.
    pub(crate) const fn is_stored(self, info: &MediaInfo) -> bool {
        self.columns(info) > 0 || !matches!(self, Self::Halves | Self::Hubs)
    }
}
