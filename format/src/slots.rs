//! The sections of a file, each in its place.

use std::ops::Range;

use crate::column::Column;
use crate::entry::{Row, kind_name, label};
use crate::error::Error;
use crate::layout;
use crate::media::MediaInfo;

/// Where the columns of a media type stand.
#[derive(Debug, Clone, Default)]
pub(crate) struct Columns {
    /// By position in `Column::ALL`; empty for halves and hubs where none are stored.
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
            let stored = column.is_stored(info);
            let announced = if column == Column::Hubs { "hubs" } else { "half" };
            match slot {
                None if !stored => {}
                None => return Err(Error::Missing { section: label(column.kind(), Some(&info.name)) }),
                Some(row) if !stored => {
                    let expected = u64::from(row.entry.columns.to_native()).max(1);
                    let section = label(column.kind(), Some(&info.name));
                    return Err(Error::Field { section, field: announced, offset: row.at, expected, got: 0 });
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
