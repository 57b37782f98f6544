//! The section table: from bytes to checked sections.

use std::ops::Range;

use rkyv::Portable;
use rkyv::api::high::HighValidator;
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Failure;

use crate::column::{Column, ElementType};
use crate::error::Error;
use crate::layout::{self, Entry, padding};
use crate::media::MediaInfo;

/// Whether this version knows a section kind.
pub(crate) fn is_known(kind: u32) -> bool {
    matches!(kind, layout::KIND_MEDIA | layout::KIND_STATUS) || Column::from_kind(kind).is_some()
}

/// Name of a section kind, as in SPEC.md.
pub(crate) fn kind_name(kind: u32) -> String {
    match (kind, Column::from_kind(kind)) {
        (_, Some(column)) => column.name().to_owned(),
        (layout::KIND_MEDIA, _) => "MEDIA".to_owned(),
        (layout::KIND_STATUS, _) => "STATUS".to_owned(),
        _ => format!("kind {kind}"),
    }
}

/// Name of a section with its media type, for messages.
pub(crate) fn label(kind: u32, media: Option<&str>) -> String {
    match media {
        Some(media) => format!("{} of {media}", kind_name(kind)),
        None => kind_name(kind),
    }
}

/// Views the record at `position` of 64-byte aligned `bytes`.
pub(crate) fn record<T>(bytes: &[u8], position: usize) -> Result<&T, Error>
where
    T: Portable + for<'a> CheckBytes<HighValidator<'a, Failure>>,
{
    rkyv::api::high::access_pos::<T, Failure>(bytes, position).map_err(|Failure| Error::Truncated {
        expected: position as u64 + size_of::<T>() as u64,
        got: bytes.len() as u64,
    })
}

/// A table entry and where it stands.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) at: u64,
    pub(crate) entry: &'a Entry,
}

impl Row<'_> {
    pub(crate) fn kind(&self) -> u32 {
        self.entry.kind.to_native()
    }

    /// The section's bytes in the file. Only of an entry that passed [`Row::check_place`].
    pub(crate) fn range(&self) -> Range<usize> {
        let start = self.entry.offset.to_native() as usize;
        start..start + self.entry.length.to_native() as usize
    }

    pub(crate) fn field(&self, field: &'static str, at: usize, expected: u64, got: u64) -> Result<(), Error> {
        if expected == got {
            return Ok(());
        }
        Err(Error::Field {
            section: kind_name(self.kind()),
            field,
            offset: self.at + at as u64,
            expected,
            got,
        })
    }

    /// Checks that the section starts at the first aligned byte after `end` of the one before, and ends before `table`;
    /// gives its end.
    pub(crate) fn check_place(&self, end: u64, table: u64) -> Result<u64, Error> {
        // No overflow: `end` is at most `table`, which is at most the length of a slice.
        let due = end + padding(end) as u64;
        self.field("offset", layout::entry::OFFSET, due, self.entry.offset.to_native())?;
        let length = self.entry.length.to_native();
        let room = table.saturating_sub(due);
        if length > room {
            self.field("length", layout::entry::LENGTH, room, length)?;
        }
        Ok(due.saturating_add(length))
    }

    /// Checks what the kind alone says: flags and element type of known kinds, no required unknown kind.
    pub(crate) fn check_kind(&self) -> Result<(), Error> {
        let kind = self.kind();
        let flags = self.entry.flags.to_native();
        if !is_known(kind) {
            if flags & layout::FLAG_REQUIRED != 0 {
                return Err(Error::UnknownRequired { kind, offset: self.at });
            }
            return Ok(());
        }
        let due = Column::from_kind(kind).map_or(layout::FLAG_REQUIRED, Column::flags);
        self.field("flags", layout::entry::FLAGS, due.into(), flags.into())?;
        let element = self.entry.element.to_native();
        if ElementType::from_code(element).is_none() {
            let offset = self.at + layout::entry::ELEMENT as u64;
            return Err(Error::ElementType { section: kind_name(kind), offset, got: element });
        }
        if Column::from_kind(kind).is_none() {
            self.field(
                "media index",
                layout::entry::MEDIA,
                layout::NONE.into(),
                self.entry.media.to_native().into(),
            )?;
        }
        Ok(())
    }

    /// Checks element type and shape of a known section.
    pub(crate) fn check_shape(&self, element: ElementType, rows: u64, columns: u64) -> Result<(), Error> {
        let entry = self.entry;
        self.field(
            "element type",
            layout::entry::ELEMENT,
            element.code().into(),
            entry.element.to_native().into(),
        )?;
        self.field("columns", layout::entry::COLUMNS, columns, entry.columns.to_native().into())?;
        self.field("rows", layout::entry::ROWS, rows, entry.rows.to_native())?;
        let length = rows.checked_mul(columns).and_then(|n| n.checked_mul(element.size() as u64));
        match length {
            Some(length) => self.field("length", layout::entry::LENGTH, length, entry.length.to_native()),
            None => self.field("rows", layout::entry::ROWS, 0, rows),
        }
    }

    /// Checks the section's checksum against its bytes.
    pub(crate) fn check_crc(&self, bytes: &[u8]) -> Result<(), Error> {
        let expected = self.entry.crc.to_native();
        let got = crc32fast::hash(bytes.get(self.range()).unwrap_or_default());
        if expected == got {
            return Ok(());
        }
        let offset = self.entry.offset.to_native();
        Err(Error::Checksum { section: kind_name(self.kind()), offset, expected, got })
    }
}

/// Where the columns of a media type stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    /// By position in `Column::ALL`; empty for halves where none are stored.
    pub(crate) ranges: [Range<usize>; Column::ALL.len()],
    pub(crate) rows: usize,
}

impl Columns {
    /// The bytes of a column in the bytes of the file.
    pub(crate) fn bytes<'a>(&self, data: &'a [u8], column: Column) -> &'a [u8] {
        self.ranges.get(column as usize).and_then(|range| data.get(range.clone())).unwrap_or_default()
    }
}

/// The sections of a file by what they are for, each at most once.
pub(crate) struct Slots<'a> {
    pub(crate) media: Option<Row<'a>>,
    pub(crate) status: Option<Row<'a>>,
    /// Per media type, by position in `Column::ALL`.
    pub(crate) columns: Vec<[Option<Row<'a>>; Column::ALL.len()]>,
}

impl<'a> Slots<'a> {
    pub(crate) fn new() -> Self {
        Self { media: None, status: None, columns: Vec::new() }
    }

    /// Puts a section in its place; unknown ones have none.
    pub(crate) fn put(&mut self, row: Row<'a>) -> Result<(), Error> {
        let kind = row.kind();
        let slot = match (kind, Column::from_kind(kind)) {
            (layout::KIND_MEDIA, _) => &mut self.media,
            (layout::KIND_STATUS, _) => &mut self.status,
            (_, Some(column)) => {
                let media = row.entry.media.to_native() as usize;
                if media >= layout::MAX_MEDIA {
                    let most = layout::MAX_MEDIA as u64 - 1;
                    return row.field("media index", layout::entry::MEDIA, most, media as u64);
                }
                if media >= self.columns.len() {
                    self.columns.resize_with(media + 1, Default::default);
                }
                match self.columns.get_mut(media).and_then(|slots| slots.get_mut(column as usize)) {
                    Some(slot) => slot,
                    None => return Ok(()),
                }
            }
            _ => return Ok(()),
        };
        match slot.replace(row) {
            None => Ok(()),
            Some(_) => Err(Error::Duplicate { section: kind_name(kind), offset: row.at }),
        }
    }

    /// Refuses columns of a media type that the MEDIA section does not have.
    pub(crate) fn check_media(&self, count: usize) -> Result<(), Error> {
        match self.columns.iter().skip(count).flatten().flatten().next() {
            None => Ok(()),
            Some(row) => row.field(
                "media index",
                layout::entry::MEDIA,
                (count as u64).saturating_sub(1),
                row.entry.media.to_native().into(),
            ),
        }
    }

    /// Checks the columns of media type `media`: none missing, of the right shape, and of equal row counts.
    pub(crate) fn columns_of(&self, media: usize, info: &MediaInfo) -> Result<Columns, Error> {
        let none = Default::default();
        let slots = self.columns.get(media).unwrap_or(&none);
        let mut found = Columns::default();
        let mut count = None;
        for ((column, slot), range) in Column::ALL.into_iter().zip(slots).zip(&mut found.ranges) {
            let stored = column != Column::Halves || info.half > 0;
            match slot {
                None if !stored => {}
                None => return Err(Error::Missing { section: label(column.kind(), Some(&info.name)) }),
                Some(row) if !stored => {
                    let expected = u64::from(row.entry.columns.to_native()).max(1);
                    let section = label(column.kind(), Some(&info.name));
                    return Err(Error::Field { section, field: "half", offset: row.at, expected, got: 0 });
                }
                Some(row) => {
                    let count = *count.get_or_insert(row.entry.rows.to_native());
                    row.check_shape(column.element(info), count, column.columns(info).into())?;
                    found.rows = count as usize;
                    *range = row.range();
                }
            }
        }
        Ok(found)
    }
}
