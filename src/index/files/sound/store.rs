//! How the host lays out a `.store`, checked before it reads one: it takes memory by what stands there, and where the system
//! does not give that memory the process ends.
//!
//! ```text
//! blocks of documents | index: count and ends of its layers, layers | version u32, start of the index u64, packing u8, 15 bytes
//! ```
//!
//! A packed block begins with the bytes that it unpacks to, a u32. The host reads blocks one by one, and the index whole.

use std::fmt::{self, Display};
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use tantivy::HasLen;
use tantivy::directory::{FileHandle, OwnedBytes};

use super::files::Fault;
use crate::error::{Error, ErrorCode, WAY_OUT};

/// Bytes of what ends the file, before the host's footer of any file.
const END: usize = 28;
/// Bytes of the longest number in the index.
const NUMBER: usize = 10;
/// Bytes that one byte of LZ4 stands for at most: one more of a length.
const LZ4_RATIO: usize = 255;
/// Bytes that a block of a zstd frame, of three bytes at least, stands for at most.
const ZSTD_BLOCK: usize = 128 << 10;

/// Bytes that are not what the host writes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    what: String,
    expected: String,
    got: String,
}

impl Misfit {
    pub(crate) fn new(what: impl Into<String>, expected: impl Display, got: impl Display) -> Self {
        Self { what: what.into(), expected: expected.to_string(), got: got.to_string() }
    }

    /// As an error of the file `name`.
    pub(crate) fn error(self, name: &Path) -> Error {
        let error = Error::new(ErrorCode::Damaged, self.what).file(name);
        error.expected(self.expected).got(self.got).hint(WAY_OUT)
    }

    /// As a fault of the file `name`.
    pub(super) fn fault(self, name: &Path) -> Fault {
        let Self { what, expected, got } = self;
        Fault::new(name, format!("{what} (expected {expected}, got {got})"))
    }
}

/// What the end of a `.store` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Where the blocks end and their index begins.
    blocks: usize,
    packing: Packing,
    /// How dates are stored.
    pub(crate) dates: Dates,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Packing {
    None,
    Lz4,
    Zstd,
}

/// What a stored date counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dates {
    /// Microseconds, in stores of the host's first version.
    Micros,
    /// Nanoseconds, in those that it writes now.
    Nanos,
}

impl Layout {
    /// Reads the end of a store, whose `bytes` are those before the footer of the file. Cost: two pages.
    pub(crate) fn of(bytes: &[u8]) -> Result<Self, Misfit> {
        let Some((rest, end)) = bytes.split_last_chunk::<END>() else {
            return Err(Misfit::new("the store of documents is cut", format!("{END} bytes"), bytes.len()));
        };
        let [a, b, c, d, start @ .., packing] = end.first_chunk::<13>().copied().unwrap_or_default();
        let dates = match u32::from_le_bytes([a, b, c, d]) {
            1 => Dates::Micros,
            2 => Dates::Nanos,
            other => return Err(Misfit::new("the store of documents has no known version", "1 or 2", other)),
        };
        let packing = match packing {
            0 => Packing::None,
            1 => Packing::Lz4,
            4 => Packing::Zstd,
            other => {
                return Err(Misfit::new(
                    "the store of documents is packed by no known method",
                    "0, 1 or 4",
                    other,
                ));
            }
        };
        let start = u64::from_le_bytes(start);
        let index = usize::try_from(start).ok().and_then(|start| rest.get(start..));
        let Some(index) = index else {
            let what = "the index of the store of documents begins behind its end";
            return Err(Misfit::new(what, format!("at most {}", rest.len()), start));
        };
        check_layers(index)?;
        Ok(Self { blocks: rest.len() - index.len(), packing, dates })
    }

    /// Whether what is read as one block may unpack to what it says.
    fn check_block(&self, block: &[u8]) -> Result<(), Misfit> {
        let Some((size, packed)) = block.split_first_chunk::<4>() else { return Ok(()) };
        let size = u32::from_le_bytes(*size);
        let most = match self.packing {
            Packing::None => return Ok(()),
            Packing::Lz4 => packed.len().saturating_mul(LZ4_RATIO),
            Packing::Zstd => match zstd_size(packed) {
                Some(said) if said != u64::from(size) => {
                    let what = "a block of stored documents unpacks to another size than it says";
                    return Err(Misfit::new(what, format!("{said} bytes"), size));
                }
                _ => (packed.len() / 3).saturating_mul(ZSTD_BLOCK),
            },
        };
        if size as usize <= most {
            return Ok(());
        }
        let what = "a block of stored documents says that it unpacks to more than it can";
        Err(Misfit::new(what, format!("at most {most} bytes"), size))
    }
}

/// What a zstd frame says of its own size (RFC 8878, 3.1.1.1), where it does.
fn zstd_size(frame: &[u8]) -> Option<u64> {
    let (&flags, header) = frame.strip_prefix(&[0x28, 0xb5, 0x2f, 0xfd])?.split_first()?;
    let is_single = flags >> 5 & 1 == 1;
    let dictionary = [0, 1, 2, 4][usize::from(flags & 3)];
    let size = header.get(usize::from(!is_single) + dictionary..)?;
    match flags >> 6 {
        0 => size.first().filter(|_| is_single).map(|&size| size.into()),
        1 => size.first_chunk().map(|size| u64::from(u16::from_le_bytes(*size)) + 256),
        2 => size.first_chunk().map(|size| u32::from_le_bytes(*size).into()),
        _ => size.first_chunk().map(|size| u64::from_le_bytes(*size)),
    }
}

/// The layers of the index: how many, and where each ends, which the host takes memory for and cuts by.
fn check_layers(index: &[u8]) -> Result<(), Misfit> {
    let mut left = index;
    let cut =
        || Misfit::new("the index of the store of documents is cut", "the ends of its layers", "its end");
    let layers = number(&mut left).ok_or_else(cut)?;
    if layers > left.len() as u64 {
        let what = "the index of the store of documents has more layers than bytes";
        return Err(Misfit::new(what, format!("at most {}", left.len()), layers));
    }
    let mut ends = Vec::new();
    for _ in 0..layers {
        ends.push(number(&mut left).ok_or_else(cut)?);
    }
    let is_in_order = ends.is_sorted() && ends.last().is_none_or(|&end| end <= left.len() as u64);
    if is_in_order {
        return Ok(());
    }
    let expected = format!("ascending ends, at most {}", left.len());
    let got = Listed(&ends).to_string();
    Err(Misfit::new(
        "the index of the store of documents has layers that do not follow each other",
        expected,
        got,
    ))
}

/// Some numbers of many.
struct Listed<'n>(&'n [u64]);

impl Display for Listed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, number) in self.0.iter().take(8).enumerate() {
            write!(f, "{}{number}", if at > 0 { ", " } else { "" })?;
        }
        if self.0.len() > 8 { write!(f, ", ..") } else { Ok(()) }
    }
}

/// A number of the host: seven bits a byte, the least first, the last byte with its high bit set. `None` where it does not end.
pub(crate) fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for (at, &byte) in bytes.iter().take(NUMBER).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 != 0 {
            *bytes = bytes.get(at + 1..)?;
            return Some(value);
        }
    }
    None
}

/// A `.store` whose blocks are compared with what they may unpack to before the host has them.
#[derive(Debug)]
pub(crate) struct StoreFile {
    file: Arc<dyn FileHandle>,
    name: Box<Path>,
    layout: Layout,
}

impl StoreFile {
    /// The file `name`, of which `body` bytes stand before its footer.
    pub(super) fn new(file: Arc<dyn FileHandle>, name: &Path, body: usize) -> Result<Self, Fault> {
        let bytes = file.read_bytes(0..body).map_err(|error| Fault::read(name, &error))?;
        let layout = Layout::of(&bytes).map_err(|misfit| misfit.fault(name))?;
        Ok(Self::laid_out(file, name, layout))
    }

    /// The file `name` with this layout.
    pub(crate) fn laid_out(file: Arc<dyn FileHandle>, name: &Path, layout: Layout) -> Self {
        Self { file, name: name.into(), layout }
    }
}

impl HasLen for StoreFile {
    fn len(&self) -> usize {
        self.file.len()
    }
}

impl FileHandle for StoreFile {
    fn read_bytes(&self, range: Range<usize>) -> io::Result<OwnedBytes> {
        let bytes = self.file.read_bytes(range.clone())?;
        // Whoever reads all blocks at once copies them as they are: the first of them stands for itself alone, and is in bounds.
        if range.end <= self.layout.blocks
            && let Err(misfit) = self.layout.check_block(&bytes)
        {
            return Err(io::Error::new(io::ErrorKind::InvalidData, misfit.error(&self.name)));
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Blocks, an index of two layers, and an end.
    fn store(packing: u8) -> Vec<u8> {
        let mut bytes = vec![9; 40];
        bytes.extend([0x82, 0x83, 0x87, 1, 2, 3, 4, 5, 6, 7]);
        bytes.extend(2u32.to_le_bytes());
        bytes.extend(40u64.to_le_bytes());
        bytes.push(packing);
        bytes.extend([0; 15]);
        bytes
    }

    #[test]
    fn the_end_of_a_store_is_read_and_no_byte_of_it_is_trusted() {
        let layout = Layout::of(&store(1)).unwrap();
        assert_eq!(layout, Layout { blocks: 40, packing: Packing::Lz4, dates: Dates::Nanos });
        let mut old = store(0);
        old[50] = 1;
        assert_eq!(Layout::of(&old).unwrap().dates, Dates::Micros);
        // What the host would take memory for, cut by or throw over.
        let damaged = |at: usize, with: u8| {
            let mut bytes = store(1);
            bytes[at] = with;
            Layout::of(&bytes).unwrap_err()
        };
        for (at, with) in
            [(40, 0x02), (40, 0xff), (41, 0x88), (42, 0x88), (50, 3), (54, 51), (61, 1), (62, 2)]
        {
            let misfit = damaged(at, with);
            assert!(!misfit.expected.is_empty() && misfit.expected != misfit.got, "{at}: {misfit:?}");
        }
        for cut in 0..store(1).len() {
            assert!(Layout::of(&store(1)[..cut]).is_err(), "{cut}");
        }
    }

    #[test]
    fn a_block_unpacks_to_what_its_bytes_can_hold() {
        let layout = |packing| Layout::of(&store(packing)).unwrap();
        let block = |size: u32| [size.to_le_bytes().as_slice(), &[7; 10]].concat();
        assert_eq!(layout(0).check_block(&block(u32::MAX)), Ok(()));
        assert_eq!(layout(1).check_block(&block(2550)), Ok(()));
        assert!(layout(1).check_block(&block(2551)).is_err());
        assert_eq!(layout(4).check_block(&block(3 * (128 << 10))), Ok(()));
        assert!(layout(4).check_block(&block(3 * (128 << 10) + 1)).is_err());
        let frames: [(&[u8], u32); 4] = [
            (&[0x20, 200], 200),
            (&[0x41, 9, 7, 1, 0], 257),
            (&[0xa0, 1, 2, 0, 0], 513),
            (&[0xe0, 5, 0, 0, 0, 0, 0, 0, 0], 5),
        ];
        for (header, size) in frames {
            let frame = [&[0x28, 0xb5, 0x2f, 0xfd], header, &[0; 9]].concat();
            let block = |size: u32| [size.to_le_bytes().as_slice(), &frame].concat();
            assert_eq!(layout(4).check_block(&block(size)), Ok(()), "{header:?}");
            assert!(layout(4).check_block(&block(size + 1)).is_err(), "{header:?}");
        }
        let file = StoreFile::laid_out(Arc::new(OwnedBytes::new(store(1))), Path::new("a.store"), layout(1));
        let error = file.read_bytes(0..40).unwrap_err();
        let error = error.get_ref().unwrap().downcast_ref::<Error>().unwrap();
        assert_eq!(error.code(), ErrorCode::Damaged);
        assert_eq!(error.facts().file.as_deref(), Some(Path::new("a.store")));
        assert_eq!(error.facts().got, Some(0x0909_0909.to_string()));
        // The index is no block.
        assert_eq!(file.read_bytes(40..50).unwrap().len(), 10);
        assert_eq!(file.read_bytes(0..file.len()).unwrap().len(), file.len());
    }

    #[test]
    fn numbers_end() {
        let read = |bytes: &[u8]| number(&mut &*bytes);
        assert_eq!(read(&[0x80]), Some(0));
        assert_eq!(read(&[0x7f, 0x81]), Some(255));
        assert_eq!(read(&[0; 9]), None);
        assert_eq!(read(&[0; 30]), None);
        assert_eq!(read(&[0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x7f, 0x81]), Some(u64::MAX));
    }
}
