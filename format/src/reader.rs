//! Opens a container: checks its structure, and resolves its columns.

use std::ops::Range;

use rkyv::util::AlignedVec;

use crate::column::{Column, ElementType};
use crate::entry::{Columns, Row, Slots, kind_name, record};
use crate::error::Error;
use crate::layout::{self, Entry, Header, MediaRecord, Trailer, padding};
use crate::media::{self, MediaInfo};
use crate::view::{self, MediaView};

/// What the section table says of one section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SectionInfo {
    /// Kind.
    pub kind: u32,
    /// Name of the kind as in SPEC.md; `kind N` for one that this version does not know.
    pub name: String,
    /// Media index, if the section belongs to a media type.
    pub media: Option<usize>,
    /// First byte in the file.
    pub offset: u64,
    /// Bytes.
    pub length: u64,
    /// Rows.
    pub rows: u64,
    /// Elements per row.
    pub columns: u32,
    /// Stored CRC-32.
    pub crc: u32,
    /// Whether a reader must know the kind.
    pub required: bool,
}

#[derive(Debug, Clone)]
enum Bytes<D> {
    Given(D),
    Copied(AlignedVec<{ layout::ALIGNMENT }>),
}

/// An open container.
///
/// `D` must give the same bytes at the same address each time, also after it is moved, as `&[u8]`, `Vec<u8>`,
/// `Arc<[u8]>`, a mapping and tantivy's `OwnedBytes` do. Columns of a `D` that breaks this read as empty.
#[derive(Debug, Clone)]
pub struct Uvec<D> {
    bytes: Bytes<D>,
    space: [u8; 32],
    documents: u32,
    rejected: u64,
    reason: Option<String>,
    media: Vec<MediaInfo>,
    columns: Vec<Columns>,
    sections: Vec<SectionInfo>,
    table: u64,
}

impl<D: AsRef<[u8]>> Uvec<D> {
    /// Opens a container.
    ///
    /// Checks header, table, trailer and their checksum, the place and shape of every section, and the checksums of
    /// MEDIA and STATUS. Cost: O(number of sections), whatever the number of items. The checksums of the columns are
    /// left to [`Uvec::verify`].
    ///
    /// Bytes that do not start at a multiple of 64 in memory are copied once, and `data` is dropped: see
    /// [`Uvec::is_copied`].
    ///
    /// # Errors
    /// `Magic`, `Version`, `Truncated`, `TrailerMagic` and `Checksum` for bytes that are no whole container of this
    /// version; `UnknownRequired` and `ElementType` for one of a later version; `Field`, `Reserved`, `Missing`,
    /// `Duplicate`, `Text`, `MediaName` and `Limit` for one that breaks the rules of the format.
    pub fn open(data: D) -> Result<Self, Error> {
        let given = data.as_ref();
        // Foreign bytes are looked at before they are copied.
        check_start(given)?;
        let bytes = if given.as_ptr().addr().is_multiple_of(layout::ALIGNMENT) {
            Bytes::Given(data)
        } else {
            let mut copy = AlignedVec::with_capacity(given.len());
            copy.extend_from_slice(given);
            Bytes::Copied(copy)
        };
        let all = slice(&bytes);
        let (header, trailer) = frame(all)?;
        let (space, documents, table) =
            (header.space, trailer.documents.to_native(), trailer.table.to_native());
        let rows = table_rows(all, trailer)?;
        let mut slots = Slots::new();
        let mut end = layout::header::SIZE as u64;
        for row in &rows {
            end = row.check_place(end, table)?;
            row.check_kind()?;
            slots.put(*row)?;
        }
        check_table_place(all, end, table)?;
        let media = read_media(all, slots.media)?;
        slots.check_media(media.len())?;
        let columns: Vec<Columns> =
            media.iter().enumerate().map(|(m, info)| slots.columns_of(m, info)).collect::<Result<_, _>>()?;
        let (rejected, reason) = read_status(all, slots.status)?;
        let sections = rows.iter().map(section_info).collect();
        Ok(Self { space, documents, rejected, reason, media, columns, sections, table, bytes })
    }

    /// `space` fingerprint of the bundle that made the vectors.
    pub fn space(&self) -> &[u8; 32] {
        &self.space
    }

    /// Number of documents of the segment, with and without items.
    pub fn documents(&self) -> u32 {
        self.documents
    }

    /// Count of values that could not be taken into the segment, and why the first could not.
    pub fn rejected(&self) -> (u64, Option<&str>) {
        (self.rejected, self.reason.as_deref())
    }

    /// The media types.
    pub fn media(&self) -> &[MediaInfo] {
        &self.media
    }

    /// The sections in the order of the file, also those that this version does not know.
    pub fn sections(&self) -> &[SectionInfo] {
        &self.sections
    }

    /// Whether the data was not aligned, and was copied when it was opened.
    pub fn is_copied(&self) -> bool {
        matches!(self.bytes, Bytes::Copied(_))
    }

    /// The columns of a media type. Cost: seven slices of the data.
    ///
    /// # Panics
    /// If there is no media type `media`.
    pub fn view(&self, media: usize) -> MediaView<'_> {
        let (info, columns) = self.of(media);
        view::resolve(self.data(), info, columns)
    }

    /// The bytes of one column; none for halves where none are stored.
    ///
    /// # Panics
    /// If there is no media type `media`.
    pub fn column_bytes(&self, media: usize, column: Column) -> &[u8] {
        let (_, columns) = self.of(media);
        columns.bytes(self.data(), column)
    }

    /// All bytes of the container.
    pub fn data(&self) -> &[u8] {
        slice(&self.bytes)
    }

    fn of(&self, media: usize) -> (&MediaInfo, &Columns) {
        match (self.media.get(media), self.columns.get(media)) {
            (Some(info), Some(columns)) => (info, columns),
            _ => panic!("media type {media} of {}", self.media.len()),
        }
    }

    /// Start of the section table.
    pub(crate) fn table(&self) -> u64 {
        self.table
    }
}

fn slice<D: AsRef<[u8]>>(bytes: &Bytes<D>) -> &[u8] {
    match bytes {
        Bytes::Given(data) => data.as_ref(),
        Bytes::Copied(copy) => copy,
    }
}

/// Checks what every version has in common: magic and version.
fn check_start(bytes: &[u8]) -> Result<(), Error> {
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
fn frame(bytes: &[u8]) -> Result<(&Header, &Trailer), Error> {
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

fn table_rows<'a>(bytes: &'a [u8], trailer: &Trailer) -> Result<Vec<Row<'a>>, Error> {
    let table = table_range(bytes.len(), trailer)?;
    table
        .step_by(layout::entry::SIZE)
        .map(|at| Ok(Row { at: at as u64, entry: record::<Entry>(bytes, at)? }))
        .collect()
}

fn check_table_place(bytes: &[u8], end: u64, table: u64) -> Result<(), Error> {
    let expected = end + padding(end) as u64;
    if table == expected {
        return Ok(());
    }
    let offset = (bytes.len().saturating_sub(layout::trailer::SIZE) + layout::trailer::TABLE) as u64;
    Err(Error::Field { section: "trailer".to_owned(), field: "table offset", offset, expected, got: table })
}

fn read_media(bytes: &[u8], row: Option<Row<'_>>) -> Result<Vec<MediaInfo>, Error> {
    let row = row.ok_or_else(|| Error::Missing { section: kind_name(layout::KIND_MEDIA) })?;
    let rows = row.entry.rows.to_native();
    row.check_shape(ElementType::Bytes, rows, layout::media::SIZE as u64)?;
    let (least, most) = (0, layout::MAX_MEDIA as u64);
    if rows > most {
        return Err(Error::Limit { what: "number of media types", least, most, got: rows });
    }
    row.check_crc(bytes)?;
    let media = row
        .range()
        .step_by(layout::media::SIZE)
        .map(|at| MediaInfo::from_record(record::<MediaRecord>(bytes, at)?, at as u64))
        .collect::<Result<Vec<_>, _>>()?;
    media::check(&media)?;
    Ok(media)
}

fn read_status(bytes: &[u8], row: Option<Row<'_>>) -> Result<(u64, Option<String>), Error> {
    let row = row.ok_or_else(|| Error::Missing { section: kind_name(layout::KIND_STATUS) })?;
    let columns = u64::from(row.entry.columns.to_native());
    row.check_shape(ElementType::Bytes, 1, columns)?;
    let (least, most) = (layout::status::REASON as u64, (layout::status::REASON + layout::MAX_REASON) as u64);
    if !(least..=most).contains(&columns) {
        return Err(Error::Limit { what: "bytes of STATUS", least, most, got: columns });
    }
    row.check_crc(bytes)?;
    let offset = row.entry.offset.to_native() + layout::status::REASON as u64;
    let text = || Error::Text { section: kind_name(layout::KIND_STATUS), offset };
    let (count, reason) =
        bytes.get(row.range()).and_then(|status| status.split_first_chunk::<8>()).ok_or_else(text)?;
    let reason = std::str::from_utf8(reason).map_err(|_| text())?;
    Ok((u64::from_le_bytes(*count), Some(reason.to_owned()).filter(|reason| !reason.is_empty())))
}

fn section_info(row: &Row<'_>) -> SectionInfo {
    let entry = row.entry;
    let media = entry.media.to_native();
    SectionInfo {
        kind: row.kind(),
        name: kind_name(row.kind()),
        media: (media != layout::NONE).then_some(media as usize),
        offset: entry.offset.to_native(),
        length: entry.length.to_native(),
        rows: entry.rows.to_native(),
        columns: entry.columns.to_native(),
        crc: entry.crc.to_native(),
        required: entry.flags.to_native() & layout::FLAG_REQUIRED != 0,
    }
}
