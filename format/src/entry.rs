//! The section table: from bytes to checked sections.

use std::ops::Range;

use rkyv::Portable;
use rkyv::api::high::HighValidator;
use rkyv::bytecheck::CheckBytes;
use rkyv::rancor::Failure;

use crate::column::{Column, ElementType};
use crate::error::Error;
use crate::layout::{self, Entry, padding};
use crate::parts;

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
        _ => parts::part(kind).map_or_else(|| format!("kind {kind}"), |part| part.name.to_owned()),
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
