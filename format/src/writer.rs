//! Writes a container from front to back, without seeking.

use std::io::Write;

use crate::column::{Column, ElementType};
use crate::docs::DocsCheck;
use crate::entry::{is_known, label};
use crate::error::Error;
use crate::layout::{self, Entry, Header, Trailer, padding};
use crate::media::{self, MediaInfo};
use crate::parts;

/// A section that is being written.
struct Open {
    name: String,
    /// The column that it is, unless it is derived.
    column: Option<Column>,
    place: Place,
    columns: u32,
    row: u64,
    offset: u64,
    length: u64,
    hasher: crc32fast::Hasher,
    docs: DocsCheck,
}

/// What the table says of a section, but for its bytes and shape.
#[derive(Clone, Copy)]
struct Place {
    kind: u32,
    media: u32,
    flags: u32,
    element: ElementType,
}

impl Place {
    /// Of bytes that belong to no media type.
    fn required(kind: u32) -> Self {
        Self { kind, media: layout::NONE, flags: layout::FLAG_REQUIRED, element: ElementType::Bytes }
    }

    /// Its table entry.
    fn entry(self, offset: u64, length: u64, rows: u64, columns: u32, crc: u32) -> Entry {
        Entry {
            kind: self.kind.into(),
            media: self.media.into(),
            flags: self.flags.into(),
            element: self.element.code().into(),
            offset: offset.into(),
            length: length.into(),
            rows: rows.into(),
            columns: columns.into(),
            crc: crc.into(),
        }
    }
}

/// A media type as the table has it.
fn index(media: Option<usize>) -> u32 {
    media.map_or(layout::NONE, |m| m as u32)
}

/// Streams a container into `W`, one section at a time.
///
/// Memory: a few kilobytes, whatever the size of the file. Bytes go to `W` in the pieces in which they come, so `W`
/// should be buffered. After an `Io` error the writer refuses every further call with `Order`.
pub struct Writer<W: Write> {
    inner: W,
    position: u64,
    header: Vec<u8>,
    media: Vec<MediaInfo>,
    plan: Vec<(usize, Column)>,
    done: usize,
    rows: u64,
    open: Option<Open>,
    entries: Vec<Entry>,
    last_doc: Option<u32>,
    failed: bool,
}

impl<W: Write> Writer<W> {
    /// Writes the header and the MEDIA section.
    ///
    /// # Errors
    /// `MediaName` for a name that is empty, over 32 bytes, with a zero character or there twice; `Limit` for over 256
    /// media types, or a dimension, width of halves or number of hubs outside of its limits; `Io` when `inner` fails.
    pub fn new(inner: W, space: &[u8; 32], media: &[MediaInfo]) -> Result<Self, Error> {
        media::check(media)?;
        let header = Header {
            magic: layout::MAGIC,
            version: layout::FORMAT_VERSION.into(),
            length: (layout::header::SIZE as u32).into(),
            space: *space,
            reserved: [0; 16],
        }
        .to_vec();
        let plan = media
            .iter()
            .enumerate()
            .flat_map(|(m, info)| Column::stored(info).map(move |c| (m, c)))
            .collect();
        let mut writer = Self {
            inner,
            position: 0,
            header,
            media: media.to_vec(),
            plan,
            done: 0,
            rows: 0,
            open: None,
            entries: Vec::new(),
            last_doc: None,
            failed: false,
        };
        let header = writer.header.clone();
        writer.put(&header)?;
        let records: Vec<u8> = media.iter().flat_map(|info| info.record().to_vec()).collect();
        writer.whole(
            Place::required(layout::KIND_MEDIA),
            media.len() as u64,
            layout::media::SIZE,
            &records,
        )?;
        Ok(writer)
    }

    /// The media types of the file.
    pub fn media(&self) -> &[MediaInfo] {
        &self.media
    }

    /// Starts column `column` of media type `media`.
    ///
    /// Columns come in the order media 0: `Column::ALL`, media 1: `Column::ALL`, and so on; `Halves` and `Hubs` only
    /// of a media type that has them. A media type without items has all its columns, with no rows.
    ///
    /// # Errors
    /// `Order` when another step is due; `Io` when the sink fails.
    pub fn begin(&mut self, media: usize, column: Column) -> Result<(), Error> {
        let info = match (self.media.get(media), self.plan.get(self.done)) {
            (Some(info), Some(&due)) if due == (media, column) && self.open.is_none() && !self.failed => info,
            _ => return Err(self.out_of_order(format!("the start of {} of media {media}", column.name()))),
        };
        let place = Place {
            kind: column.kind(),
            media: index(Some(media)),
            flags: column.flags(),
            element: column.element(info),
        };
        let columns = column.columns(info);
        self.start(Some(column), place, columns)
    }

    /// Starts a derived section between two columns, for [`Writer::write`] and [`Writer::end`]: rows of `columns` little-endian
    /// values, as many as are written. It is of a media type or of the whole segment.
    ///
    /// # Errors
    /// `Order` for a known kind, one that the media type has already, a media type that does not exist, or inside of a
    /// section; `Limit` for no columns; `Io` when the sink fails.
    pub fn begin_derived(
        &mut self,
        kind: u32,
        media: Option<usize>,
        element: ElementType,
        columns: u32,
    ) -> Result<(), Error> {
        let place = self.derived_place(kind, media, element, columns)?;
        self.start(None, place, columns)
    }

    /// Appends little-endian bytes to the column or derived section that was begun, any number of times, cut anywhere.
    ///
    /// Documents are checked for their order. Other values are taken as they are: copy them from a file that passed
    /// [`crate::Uvec::verify_media`], or make them with [`crate::Rows`].
    ///
    /// # Errors
    /// `Order` when none was begun, `DocOrder` when documents do not ascend, `Io` when the sink fails.
    pub fn write(&mut self, rows: &[u8]) -> Result<(), Error> {
        let Some(mut open) = self.open.take().filter(|_| !self.failed) else {
            return Err(self.out_of_order("rows".to_owned()));
        };
        let checked = if open.column == Some(Column::Docs) { open.docs.pass(rows) } else { Ok(()) };
        let result = checked.and_then(|()| self.put(rows));
        if result.is_ok() {
            open.hasher.update(rows);
            open.length += rows.len() as u64;
        }
        self.open = Some(open);
        result
    }

    /// Ends the column or derived section.
    ///
    /// # Errors
    /// `PartialRow` when its bytes are no whole rows and `RowCount` when it has another number of rows than the first
    /// column of its media type, both of which leave it open for more bytes; `Order` when none was begun.
    pub fn end(&mut self) -> Result<(), Error> {
        let (Some(open), false) = (&self.open, self.failed) else {
            return Err(self.out_of_order("the end of a section".to_owned()));
        };
        // Rows are never of zero bytes: dimension and width are at least 1 where the column is stored.
        let rows = open.length / open.row.max(1);
        if !open.length.is_multiple_of(open.row.max(1)) {
            return Err(Error::PartialRow { section: open.name.clone(), row: open.row, got: open.length });
        }
        let follows = open.column.is_some_and(|column| column != Column::Vectors);
        if follows && rows != self.rows {
            return Err(Error::RowCount { section: open.name.clone(), expected: self.rows, got: rows });
        }
        let crc = open.hasher.clone().finalize();
        self.entries.push(open.place.entry(open.offset, open.length, rows, open.columns, crc));
        if open.column.is_some() {
            self.rows = rows;
            self.last_doc = self.last_doc.max(open.docs.last);
            self.done += 1;
        }
        self.open = None;
        Ok(())
    }

    /// Writes a whole optional section of a kind that this version does not know, between two columns.
    ///
    /// Readers of this version list it, check its checksum and skip it.
    ///
    /// # Errors
    /// `Order` for a known kind, for a media type that does not exist, or inside of a column; `Io` when the sink fails.
    pub fn optional(&mut self, kind: u32, media: Option<usize>, bytes: &[u8]) -> Result<(), Error> {
        if !self.takes(kind, media) || parts::part(kind).is_some() {
            return Err(self.out_of_order(format!("an optional section of kind {kind} of media {media:?}")));
        }
        let place = Place { kind, media: index(media), flags: 0, element: ElementType::Bytes };
        self.whole(place, 1, bytes.len(), bytes)
    }

    /// Writes a whole derived section between two columns: `bytes` are rows of `columns` little-endian values, as many as
    /// they make. It is of a media type or of the whole segment.
    ///
    /// Readers of this version find it with [`crate::Uvec::derived`]; a merge does not copy it.
    ///
    /// # Errors
    /// `Order` for a known kind, one that the media type has already, a media type that does not exist, or inside of a
    /// column; `Limit` for no columns; `PartialRow` for bytes that are no whole rows; `Io` when the sink fails.
    pub fn derived(
        &mut self,
        kind: u32,
        media: Option<usize>,
        element: ElementType,
        columns: u32,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let place = self.derived_place(kind, media, element, columns)?;
        let (row, got) = (u64::from(columns) * element.size() as u64, bytes.len() as u64);
        if !got.is_multiple_of(row) {
            return Err(Error::PartialRow { section: self.name_of(place), row, got });
        }
        self.whole(place, got / row, columns as usize, bytes)
    }

    /// Writes STATUS, table and trailer, and hands the sink back. It is not flushed.
    ///
    /// `documents` counts all documents of the segment, also those without items. `rejected` counts values that could
    /// not be taken; `first_reason` says why the first was not, and is cut to 1,024 bytes. An empty reason is none.
    ///
    /// # Errors
    /// `Order` when a column is missing or open, `DocRange` when an item belongs to a document that is not below
    /// `documents`, `Limit` for more sections than the table counts, `Io` when the sink fails.
    pub fn finish(mut self, documents: u32, rejected: u64, first_reason: Option<&str>) -> Result<W, Error> {
        if self.open.is_some() || self.done < self.plan.len() || self.failed {
            return Err(self.out_of_order("the end of the file".to_owned()));
        }
        if let Some(got) = self.last_doc.filter(|&doc| doc >= documents) {
            return Err(Error::DocRange { documents, got });
        }
        let reason = first_reason.unwrap_or_default();
        let mut status = rejected.to_le_bytes().to_vec();
        status.extend_from_slice(cut(reason, layout::MAX_REASON).as_bytes());
        self.whole(Place::required(layout::KIND_STATUS), 1, status.len(), &status)?;
        self.pad()?;
        let sections = u32::try_from(self.entries.len()).map_err(|_| Error::Limit {
            what: "number of sections",
            least: 2,
            most: u32::MAX.into(),
            got: self.entries.len() as u64,
        })?;
        let mut trailer = Trailer {
            table: self.position.into(),
            sections: sections.into(),
            documents: documents.into(),
            crc: 0.into(),
            reserved: [0; 4],
            magic: layout::TRAILER_MAGIC,
        };
        let table: Vec<u8> = self.entries.iter().flat_map(|entry| entry.to_vec()).collect();
        trailer.crc = layout::frame_crc(&self.header, &table, &trailer.to_vec()).into();
        self.put(&table)?;
        self.put(&trailer.to_vec())?;
        Ok(self.inner)
    }

    /// Writes a section at once.
    fn whole(&mut self, place: Place, rows: u64, columns: usize, bytes: &[u8]) -> Result<(), Error> {
        let columns = u32::try_from(columns).map_err(|_| Error::Limit {
            what: "bytes of an optional section",
            least: 0,
            most: u32::MAX.into(),
            got: bytes.len() as u64,
        })?;
        self.pad()?;
        let offset = self.position;
        self.put(bytes)?;
        self.entries.push(place.entry(offset, bytes.len() as u64, rows, columns, crc32fast::hash(bytes)));
        Ok(())
    }

    /// Starts a section that is written in pieces.
    fn start(&mut self, column: Option<Column>, place: Place, columns: u32) -> Result<(), Error> {
        let open = Open {
            name: self.name_of(place),
            column,
            place,
            columns,
            row: u64::from(columns) * place.element.size() as u64,
            offset: self.position.saturating_add(padding(self.position) as u64),
            length: 0,
            hasher: crc32fast::Hasher::new(),
            docs: DocsCheck::default(),
        };
        self.pad()?;
        self.open = Some(open);
        Ok(())
    }

    /// The place of a derived section that may stand here.
    fn derived_place(
        &self,
        kind: u32,
        media: Option<usize>,
        element: ElementType,
        columns: u32,
    ) -> Result<Place, Error> {
        let place = Place { kind, media: index(media), flags: layout::FLAG_DERIVED, element };
        let same = |entry: &Entry| {
            (entry.kind.to_native(), entry.media.to_native()) == (kind, place.media)
                && entry.flags.to_native() & layout::FLAG_DERIVED != 0
        };
        // Cells are of a media type.
        let lacks_media = media.is_none() && parts::part(kind).is_some();
        if !self.takes(kind, media) || lacks_media || self.entries.iter().any(same) {
            return Err(self.out_of_order(format!("a derived section of kind {kind} of media {media:?}")));
        }
        if columns == 0 {
            let (least, most) = (1, u32::MAX.into());
            return Err(Error::Limit { what: "columns of a derived section", least, most, got: 0 });
        }
        Ok(place)
    }

    /// The section at a place, for messages.
    fn name_of(&self, place: Place) -> String {
        label(place.kind, self.media.get(place.media as usize).map(|info| info.name.as_str()))
    }

    /// Whether a section of an unknown kind may stand here.
    fn takes(&self, kind: u32, media: Option<usize>) -> bool {
        let exists = media.is_none_or(|m| m < self.media.len());
        self.open.is_none() && !self.failed && !is_known(kind) && exists
    }

    fn pad(&mut self) -> Result<(), Error> {
        let zeros = [0; layout::ALIGNMENT];
        self.put(zeros.get(..padding(self.position)).unwrap_or_default())
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        // Until the sink took the bytes the position is unknown.
        self.failed = true;
        self.inner.write_all(bytes)?;
        self.failed = false;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn out_of_order(&self, got: String) -> Error {
        let expected = match (&self.open, self.plan.get(self.done)) {
            _ if self.failed => "nothing after a failed write".to_owned(),
            (Some(open), _) => format!("the end of {}", open.name),
            (None, Some(&(media, column))) => format!("the start of {} of media {media}", column.name()),
            (None, None) => "the end of the file, or an optional section of an unknown kind".to_owned(),
        };
        Error::Order { expected, got }
    }
}

/// The longest start of `text` of at most `most` bytes that ends at a character.
fn cut(text: &str, most: usize) -> &str {
    (0..=most.min(text.len())).rev().find_map(|end| text.get(..end)).unwrap_or_default()
}
