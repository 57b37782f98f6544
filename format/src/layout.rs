//! The fixed bytes of the container: magics, kinds, limits, and the fields of every record as chains of offsets.
//!
//! SPEC.md is the normative text; a test compares its tables with these constants.

use rkyv::bytecheck::CheckBytes;
use rkyv::rend::{u32_le, u64_le};
use rkyv::{Portable, bytecheck};

/// Version of the format that this crate writes, and the only one that it reads.
pub const FORMAT_VERSION: u32 = 0;
/// First eight bytes of a file; the line ends in it reveal a transfer in text mode.
pub const MAGIC: [u8; 8] = *b"uvec\r\n\x1a\n";
/// Last eight bytes of a file.
pub const TRAILER_MAGIC: [u8; 8] = *b"uvec-end";
/// Alignment in bytes of every section and of the section table.
pub const ALIGNMENT: usize = 64;
/// Media index of a section that belongs to no media type, and both ends of the span of a whole item.
pub const NONE: u32 = u32::MAX;
/// Flag bit of a section that a reader must know, or else refuse the file.
pub const FLAG_REQUIRED: u32 = 1;
/// Flag bit of a section that is made from the columns and has rows of its own; a merge does not copy it.
pub const FLAG_DERIVED: u32 = 2;

/// Section kind: the records of the media types.
pub const KIND_MEDIA: u32 = 1;
/// Section kind: count of rejected values and the first reason.
pub const KIND_STATUS: u32 = 2;
/// Section kind: shared vectors `[n, d]`.
pub const KIND_VECTORS: u32 = 16;
/// Section kind: document of each item `[n]`.
pub const KIND_DOCS: u32 = 17;
/// Section kind: ordinal of each item in its document `[n]`.
pub const KIND_ORDINALS: u32 = 18;
/// Section kind: byte span of each passage `[n, 2]`.
pub const KIND_SPANS: u32 = 19;
/// Section kind: content hash of each item `[n, 16]`.
pub const KIND_HASHES: u32 = 20;
/// Section kind: inverse norm of each shared vector `[n]`.
pub const KIND_INVERSE_NORMS: u32 = 21;
/// Section kind: item half of the metric network's first layer `[n, h]`.
pub const KIND_HALVES: u32 = 22;
/// Section kind: hubs of each item `[n, g]`.
pub const KIND_HUBS: u32 = 23;

/// Most media types of one file.
pub const MAX_MEDIA: usize = 256;
/// Most hubs of an item: one for each other media type.
pub const MAX_HUBS: u32 = 255;
/// Longest name of a media type in bytes.
pub const MAX_NAME: usize = 32;
/// Largest dimension of shared vectors, and largest width of halves.
pub const MAX_DIM: u32 = 65_536;
/// Longest first reason of a rejection in bytes.
pub const MAX_REASON: usize = 1024;

/// Offsets of the fields of the header.
pub mod header {
    /// Magic, 8 bytes.
    pub const MAGIC: usize = 0;
    /// Format version, u32.
    pub const VERSION: usize = MAGIC + 8;
    /// Length of the header in bytes, u32.
    pub const LENGTH: usize = VERSION + 4;
    /// `space` fingerprint, 32 bytes.
    pub const SPACE: usize = LENGTH + 4;
    /// Zeros, 16 bytes.
    pub const RESERVED: usize = SPACE + 32;
    /// Size of the header.
    pub const SIZE: usize = RESERVED + 16;
}

/// Offsets of the fields of a table entry.
pub mod entry {
    /// Section kind, u32.
    pub const KIND: usize = 0;
    /// Media index, u32.
    pub const MEDIA: usize = KIND + 4;
    /// Flags, u32.
    pub const FLAGS: usize = MEDIA + 4;
    /// Element type, u32.
    pub const ELEMENT: usize = FLAGS + 4;
    /// Offset of the section in the file, u64.
    pub const OFFSET: usize = ELEMENT + 4;
    /// Length of the section in bytes, u64.
    pub const LENGTH: usize = OFFSET + 8;
    /// Rows, u64.
    pub const ROWS: usize = LENGTH + 8;
    /// Elements per row, u32.
    pub const COLUMNS: usize = ROWS + 8;
    /// CRC-32 of the section, u32.
    pub const CRC: usize = COLUMNS + 4;
    /// Size of an entry.
    pub const SIZE: usize = CRC + 4;
}

/// Offsets of the fields of the trailer.
pub mod trailer {
    /// Offset of the section table in the file, u64.
    pub const TABLE: usize = 0;
    /// Number of sections, u32.
    pub const SECTIONS: usize = TABLE + 8;
    /// Number of documents of the segment, u32.
    pub const DOCUMENTS: usize = SECTIONS + 4;
    /// CRC-32 of header, table and the other bytes of the trailer, u32.
    pub const CRC: usize = DOCUMENTS + 4;
    /// Zeros, 4 bytes.
    pub const RESERVED: usize = CRC + 4;
    /// Magic, 8 bytes.
    pub const MAGIC: usize = RESERVED + 4;
    /// Size of the trailer.
    pub const SIZE: usize = MAGIC + 8;
}

/// Offsets of the fields of a record of the MEDIA section.
pub mod media {
    /// Name, 32 bytes.
    pub const NAME: usize = 0;
    /// Dimension of the shared vectors, u32.
    pub const DIM: usize = NAME + 32;
    /// Element type of the shared vectors, u32.
    pub const DTYPE: usize = DIM + 4;
    /// Width of the halves, u32.
    pub const HALF: usize = DTYPE + 4;
    /// Number of hubs of each item, u32.
    pub const HUBS: usize = HALF + 4;
    /// Zeros, 16 bytes.
    pub const RESERVED: usize = HUBS + 4;
    /// Size of a record.
    pub const SIZE: usize = RESERVED + 16;
}

/// Offsets of the fields of the STATUS section.
pub mod status {
    /// Count of rejected values, u64.
    pub const REJECTED: usize = 0;
    /// Text of the first reason, the rest of the section.
    pub const REASON: usize = REJECTED + 8;
}

/// Bytes of a field of a record.
trait Put {
    fn put(&self, out: &mut Vec<u8>);
}

impl Put for u32_le {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_native().to_le_bytes());
    }
}

impl Put for u64_le {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.to_native().to_le_bytes());
    }
}

impl<const N: usize> Put for [u8; N] {
    fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }
}

/// Declares a record, and proves that the compiler lays it out as the chain of offsets of `$chain` says.
macro_rules! record {
    ($(#[$doc:meta])* $name:ident in $chain:ident { $($field:ident @ $offset:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, Portable, CheckBytes)]
        #[bytecheck(crate = bytecheck)]
        #[repr(C)]
        pub(crate) struct $name { $(pub(crate) $field: $type,)* }

        impl $name {
            /// The bytes of the record.
            pub(crate) fn to_vec(self) -> Vec<u8> {
                let mut out = Vec::with_capacity($chain::SIZE);
                $(self.$field.put(&mut out);)*
                out
            }
        }

        const _: () = {
            assert!(size_of::<$name>() == $chain::SIZE);
            // Without this a gap that the compiler inserts would be a gap in the file.
            assert!(0 $(+ size_of::<$type>())* == $chain::SIZE);
            $(assert!(std::mem::offset_of!($name, $field) == $chain::$offset);)*
        };
    };
}

record! {
    /// The first bytes of a file.
    Header in header {
        magic @ MAGIC: [u8; 8],
        version @ VERSION: u32_le,
        length @ LENGTH: u32_le,
        space @ SPACE: [u8; 32],
        reserved @ RESERVED: [u8; 16],
    }
}

record! {
    /// One section in the table.
    Entry in entry {
        kind @ KIND: u32_le,
        media @ MEDIA: u32_le,
        flags @ FLAGS: u32_le,
        element @ ELEMENT: u32_le,
        offset @ OFFSET: u64_le,
        length @ LENGTH: u64_le,
        rows @ ROWS: u64_le,
        columns @ COLUMNS: u32_le,
        crc @ CRC: u32_le,
    }
}

record! {
    /// The last bytes of a file.
    Trailer in trailer {
        table @ TABLE: u64_le,
        sections @ SECTIONS: u32_le,
        documents @ DOCUMENTS: u32_le,
        crc @ CRC: u32_le,
        reserved @ RESERVED: [u8; 4],
        magic @ MAGIC: [u8; 8],
    }
}

record! {
    /// One media type.
    MediaRecord in media {
        name @ NAME: [u8; 32],
        dim @ DIM: u32_le,
        dtype @ DTYPE: u32_le,
        half @ HALF: u32_le,
        hubs @ HUBS: u32_le,
        reserved @ RESERVED: [u8; 16],
    }
}

/// Bytes from `position` to the next multiple of [`ALIGNMENT`].
pub(crate) fn padding(position: u64) -> usize {
    (position.wrapping_neg() % ALIGNMENT as u64) as usize
}

/// CRC-32 over the header, the table, and the trailer without its own checksum field.
pub(crate) fn frame_crc(header: &[u8], table: &[u8], trailer: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header);
    hasher.update(table);
    hasher.update(trailer.get(..trailer::CRC).unwrap_or_default());
    hasher.update(trailer.get(trailer::RESERVED..).unwrap_or_default());
    hasher.finalize()
}
