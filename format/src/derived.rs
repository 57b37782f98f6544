//! Sections that are made from the columns, with rows of their own.

use bytemuck::AnyBitPattern;
use half::f16;

use crate::column::ElementType;
use crate::entry::label;
use crate::error::Error;
use crate::layout;
use crate::parts::Shape;
use crate::reader::{SectionInfo, Uvec};

/// Values of a derived section, row after row.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Values<'a> {
    /// Single bytes.
    Bytes(&'a [u8]),
    /// Unsigned integers of 32 bits.
    U32(&'a [u32]),
    /// IEEE 754 binary16.
    F16(&'a [f16]),
    /// IEEE 754 binary32.
    F32(&'a [f32]),
}

/// A derived section `[rows, columns]`.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Derived<'a> {
    /// Number of rows; it need not be the number of items.
    pub rows: usize,
    /// Values per row, at least 1.
    pub columns: usize,
    /// All values.
    pub values: Values<'a>,
}

impl<D: AsRef<[u8]>> Uvec<D> {
    /// The derived section of a kind and a media type (`None`: of the whole segment); `None` where the file has none. Its
    /// shape is checked here, its values are unchecked until [`Uvec::verify`].
    ///
    /// # Errors
    /// `Duplicate` where it stands twice; `ElementType` for an element type of a later version; `Field` where the file has no
    /// such media type, or where its length is not that of its rows.
    pub fn derived(&self, kind: u32, media: Option<usize>) -> Result<Option<Derived<'_>>, Error> {
        let mut found = self.derived_entries(kind, media);
        let Some((at, info)) = found.next() else { return Ok(None) };
        let name = media.and_then(|media| self.media().get(media)).map(|info| info.name.as_str());
        let section = || label(kind, name);
        let field = |field, place: usize, expected, got| Error::Field {
            section: section(),
            field,
            offset: self.entry_offset(at) + place as u64,
            expected,
            got,
        };
        let count = self.media().len();
        if let Some(got) = media.filter(|&media| media >= count) {
            let most = (count as u64).saturating_sub(1);
            return Err(field("media index", layout::entry::MEDIA, most, got as u64));
        }
        if let Some((again, _)) = found.next() {
            return Err(Error::Duplicate { section: section(), offset: self.entry_offset(again) });
        }
        let Some(element) = info.element() else {
            let offset = self.entry_offset(at) + layout::entry::ELEMENT as u64;
            return Err(Error::ElementType { section: section(), offset, got: info.element });
        };
        if info.columns == 0 {
            return Err(field("columns", layout::entry::COLUMNS, 1, 0));
        }
        if info.due() != Some(info.length) {
            let due = info.due().unwrap_or_default();
            return Err(field("length", layout::entry::LENGTH, due, info.length));
        }
        // No overflow: `open` found the section within the bytes, and a row has a byte at least.
        let start = info.offset as usize;
        let bytes = self.data().get(start..start + info.length as usize).unwrap_or_default();
        Ok(Some(Derived {
            rows: info.rows as usize,
            columns: info.columns as usize,
            values: match element {
                ElementType::Bytes => Values::Bytes(bytes),
                ElementType::U32 => Values::U32(cast(bytes)),
                ElementType::F16 => Values::F16(cast(bytes)),
                ElementType::F32 => Values::F32(cast(bytes)),
            },
        }))
    }

    /// The derived sections of a kind and a media type, with their places in the table.
    pub(crate) fn derived_entries(
        &self,
        kind: u32,
        media: Option<usize>,
    ) -> impl Iterator<Item = (usize, &SectionInfo)> {
        let is = move |info: &SectionInfo| info.derived && info.kind == kind && info.media == media;
        self.sections().iter().enumerate().filter(move |(_, info)| is(info))
    }

    /// Where the entry at a place of the table stands.
    pub(crate) fn entry_offset(&self, at: usize) -> u64 {
        self.table() + (at * layout::entry::SIZE) as u64
    }
}

impl SectionInfo {
    /// Type of the elements, where this version knows it.
    pub fn element(&self) -> Option<ElementType> {
        ElementType::from_code(self.element)
    }

    /// What the table says of the shape.
    pub(crate) fn shape(&self) -> Shape {
        Shape { element: self.element, rows: self.rows, columns: self.columns }
    }

    /// Whether rows and columns make its bytes, as far as this version knows its elements.
    pub(crate) fn is_whole(&self) -> bool {
        self.element().is_none() || (self.columns > 0 && self.due() == Some(self.length))
    }

    /// Bytes that rows, columns and element type ask for, where this version can tell.
    pub(crate) fn due(&self) -> Option<u64> {
        let size = self.element()?.size() as u64;
        self.rows.checked_mul(self.columns.into())?.checked_mul(size)
    }
}

/// The place and length were checked, so this fails only for data that moved since, see [`Uvec`].
fn cast<T: AnyBitPattern>(bytes: &[u8]) -> &[T] {
    bytemuck::try_cast_slice(bytes).unwrap_or_default()
}
