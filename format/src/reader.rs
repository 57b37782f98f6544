//! Opens a container: checks its structure, and resolves its columns.

use rkyv::util::AlignedVec;

use crate::column::{Column, ElementType};
use crate::entry::{Row, kind_name, record};
use crate::error::Error;
use crate::frame::{check_start, check_table_place, frame, table_rows};
use crate::layout::{self, MediaRecord};
use crate::media::{self, MediaInfo};
use crate::slots::{Columns, Slots};
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
    /// Number of the element type, see [`SectionInfo::element`].
    pub element: u32,
    /// Stored CRC-32.
    pub crc: u32,
    /// Whether a reader must know the kind.
    pub required: bool,
    /// Whether it is made from the columns, see [`Uvec::derived`].
    pub derived: bool,
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

    /// The columns of a media type. Cost: eight slices of the data.
    ///
    /// # Panics
    /// If there is no media type `media`.
    pub fn view(&self, media: usize) -> MediaView<'_> {
        let (info, columns) = self.of(media);
        view::resolve(self.data(), info, columns)
    }

    /// The bytes of one column; none for halves and hubs where none are stored.
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
        element: entry.element.to_native(),
        crc: entry.crc.to_native(),
        required: entry.flags.to_native() & layout::FLAG_REQUIRED != 0,
        // Known kinds have the flags of their kind.
        derived: entry.flags.to_native() & layout::FLAG_DERIVED != 0,
    }
}
