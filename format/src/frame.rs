//! Header, table and trailer: what holds a container together.

use std::ops::Range;

use crate::entry::{Row, record};
use crate::error::Error;
use crate::layout::{self, Entry, Header, Trailer, padding};

/// Checks what every version has in common: magic and version.
pub(crate) fn check_start(bytes: &[u8]) -> Result<(), Error> {
    let least = layout::header::SIZE + layout::trailer::SIZE;
    let short = Error::Truncated { expected: least as u64, got: bytes.len() as u64 };
    let Some((magic, rest)) = bytes.split_first_chunk::<8>() else { return Err(short) };
    if *magic != layout::MAGIC {
        return Err(Error::Magic { got: *magic });
    }
    let Some((version, _)) = rest.split_first_chunk::<4>() else { return Err(short) };
    let got = u32::from_le_bytes(*version);
    if got != layout::FORMAT_VERSION {
        return Err(Error::Version { expected: layout::FORMAT_VERSION, got });
    }
    if bytes.len() < least { Err(short) } else { Ok(()) }
}

/// Header and trailer, checked with the table that lies between.
pub(crate) fn frame(bytes: &[u8]) -> Result<(&Header, &Trailer), Error> {
    let at = bytes.len().saturating_sub(layout::trailer::SIZE);
    // A whole file has a multiple of 16 bytes; at another place the trailer could not be viewed.
    let magic = bytes.get(at + layout::trailer::MAGIC..);
    if !at.is_multiple_of(align_of::<Trailer>()) || magic != Some(&layout::TRAILER_MAGIC) {
        return Err(Error::TrailerMagic { offset: at as u64 });
    }
    let (header, trailer) = (record::<Header>(bytes, 0)?, record::<Trailer>(bytes, at)?);
    let table = table_range(bytes.len(), trailer)?;
    let part = |range: Range<usize>| bytes.get(range).unwrap_or_default();
    let got = layout::frame_crc(part(0..layout::header::SIZE), part(table), part(at..bytes.len()));
    let expected = trailer.crc.to_native();
    if expected != got {
        return Err(Error::Checksum {
            section: "header, table and trailer".to_owned(),
            offset: 0,
            expected,
            got,
        });
    }
    let length = header.length.to_native();
    if length as usize != layout::header::SIZE {
        return Err(Error::Field {
            section: "header".to_owned(),
            field: "header length",
            offset: layout::header::LENGTH as u64,
            expected: layout::header::SIZE as u64,
            got: length.into(),
        });
    }
    let reserved = [
        ("header", layout::header::RESERVED, header.reserved.as_slice()),
        ("trailer", at + layout::trailer::RESERVED, trailer.reserved.as_slice()),
    ];
    match reserved.into_iter().find(|(_, _, bytes)| bytes.iter().any(|&b| b != 0)) {
        Some((section, at, _)) => Err(Error::Reserved { section: section.to_owned(), offset: at as u64 }),
        None => Ok((header, trailer)),
    }
}

/// Where the table lies: right before the trailer, and aligned.
fn table_range(total: usize, trailer: &Trailer) -> Result<Range<usize>, Error> {
    let end = total.saturating_sub(layout::trailer::SIZE);
    let length = u64::from(trailer.sections.to_native()) * layout::entry::SIZE as u64;
    let offset = trailer.table.to_native();
    let expected = offset.saturating_add(length).saturating_add(layout::trailer::SIZE as u64);
    if expected != total as u64 {
        return Err(Error::Truncated { expected, got: total as u64 });
    }
    // No overflow: the table ends within the bytes.
    let start = offset as usize;
    if !start.is_multiple_of(layout::ALIGNMENT) || start < layout::header::SIZE {
        return Err(Error::Field {
            section: "trailer".to_owned(),
            field: "table offset",
            offset: (end + layout::trailer::TABLE) as u64,
            expected: (start + padding(start as u64)).max(layout::header::SIZE) as u64,
            got: offset,
        });
    }
    Ok(start..end)
}

/// The entries of the table, and where each stands.
pub(crate) fn table_rows<'a>(bytes: &'a [u8], trailer: &Trailer) -> Result<Vec<Row<'a>>, Error> {
    let table = table_range(bytes.len(), trailer)?;
    table
        .step_by(layout::entry::SIZE)
        .map(|at| Ok(Row { at: at as u64, entry: record::<Entry>(bytes, at)? }))
        .collect()
}

/// Checks that the table starts at the first aligned byte after `end` of the last section.
pub(crate) fn check_table_place(bytes: &[u8], end: u64, table: u64) -> Result<(), Error> {
    let expected = end + padding(end) as u64;
    if table == expected {
        return Ok(());
    }
    let offset = (bytes.len().saturating_sub(layout::trailer::SIZE) + layout::trailer::TABLE) as u64;
    Err(Error::Field { section: "trailer".to_owned(), field: "table offset", offset, expected, got: table })
}
