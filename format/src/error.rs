//! Everything that can go wrong, with the facts as fields.

/// Why a container cannot be written or read.
///
/// Offsets count bytes from the start of the container.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The writer's sink failed.
    #[error("writing the vectors failed ({0}): free the disk or fix the directory, and write again")]
    Io(#[from] std::io::Error),

    /// The first bytes are those of another kind of file.
    #[error("these bytes start with {got:02x?} and are no .uvec container: give a segment's .uvec file")]
    Magic {
        /// The first eight bytes found.
        got: [u8; 8],
    },
    /// The file has another format version.
    #[error("the container has format version {got}, this build reads {expected}: rebuild the index with it")]
    Version {
        /// Version that this crate reads.
        expected: u32,
        /// Version found.
        got: u32,
    },
    /// The file is shorter or longer than its parts, or its end is missing.
    #[error("the container has {got} bytes where {expected} are due: restore the file or rebuild the index")]
    Truncated {
        /// Bytes that the container must have, at least.
        expected: u64,
        /// Bytes found.
        got: u64,
    },
    /// The last bytes are not those of a whole container.
    #[error("the trailer at byte {offset} is missing: restore the file, it was cut or never finished")]
    TrailerMagic {
        /// Where the trailer should start.
        offset: u64,
    },
    /// Bytes changed after they were written.
    #[error(
        "checksum of {section} at byte {offset} is {got:08x} instead of {expected:08x}: restore the file or \
         rebuild the index"
    )]
    Checksum {
        /// The part that the checksum covers.
        section: String,
        /// Where that part starts.
        offset: u64,
        /// Checksum stored in the file.
        expected: u32,
        /// Checksum of the bytes found.
        got: u32,
    },
    /// A field has a value that the format does not allow there.
    #[error(
        "{field} of {section} at byte {offset} is {got} instead of {expected}: the writer of this file is at \
         fault, rebuild the index"
    )]
    Field {
        /// The part that holds the field, or that it describes.
        section: String,
        /// Name of the field as in SPEC.md.
        field: &'static str,
        /// Where the field stands.
        offset: u64,
        /// The value that must stand there.
        expected: u64,
        /// The value found.
        got: u64,
    },
    /// Reserved bytes are not zero.
    #[error(
        "reserved bytes of {section} at byte {offset} are not zero: a newer version is needed to read this"
    )]
    Reserved {
        /// The record that holds them.
        section: String,
        /// Where the reserved bytes start.
        offset: u64,
    },
    /// A section of a kind that this version does not know, and that must be known to read the file.
    #[error(
        "section kind {kind} (table entry at byte {offset}) is required and unknown: use a newer version"
    )]
    UnknownRequired {
        /// The kind found.
        kind: u32,
        /// Where its table entry stands.
        offset: u64,
    },
    /// A known section has an element type that does not exist.
    #[error("element type {got} of {section} at byte {offset} is unknown: use a newer version")]
    ElementType {
        /// The section.
        section: String,
        /// Where the field stands.
        offset: u64,
        /// The value found.
        got: u32,
    },
    /// A section that the file must have is not there.
    #[error("{section} is missing: the writer of this file is at fault, rebuild the index")]
    Missing {
        /// The section.
        section: String,
    },
    /// Two sections say the same.
    #[error("{section} stands twice, again in the entry at byte {offset}: rebuild the index")]
    Duplicate {
        /// The section.
        section: String,
        /// Where the second table entry stands.
        offset: u64,
    },
    /// A text is not UTF-8, or too long.
    #[error("text of {section} at byte {offset} is not UTF-8 or over its limit: rebuild the index")]
    Text {
        /// The section.
        section: String,
        /// Where the text starts.
        offset: u64,
    },

    /// A media type has a name that cannot be stored.
    #[error("media type name {name:?} cannot be stored ({reason}): choose another name")]
    MediaName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A count is outside of the limits of the format.
    #[error("{what} is {got}, allowed are {least} to {most}: change the model or the schema")]
    Limit {
        /// What is counted.
        what: &'static str,
        /// Smallest allowed value.
        least: u64,
        /// Largest allowed value.
        most: u64,
        /// Value given.
        got: u64,
    },
    /// Calls to the writer came in another order than the file has.
    #[error("the writer got {got} where {expected} was due: write every column of every media type in order")]
    Order {
        /// The step that was due.
        expected: String,
        /// The step that was asked for.
        got: String,
    },
    /// A column does not end with a whole row.
    #[error("{section} got {got} bytes, no multiple of its row of {row} bytes: write whole rows")]
    PartialRow {
        /// The section.
        section: String,
        /// Bytes of one row.
        row: u64,
        /// Bytes written.
        got: u64,
    },
    /// The columns of one media type have different numbers of rows.
    #[error("{section} got {got} rows where the first column has {expected}: write equal numbers of rows")]
    RowCount {
        /// The section.
        section: String,
        /// Rows of the first column of the media type.
        expected: u64,
        /// Rows written.
        got: u64,
    },
    /// A row has another number of values than its media type says.
    #[error(
        "a row of {column} has {got} values instead of {expected}: use the model that the index was made with"
    )]
    RowLength {
        /// Name of the column.
        column: &'static str,
        /// Values per row.
        expected: usize,
        /// Values given.
        got: usize,
    },
    /// A value is NaN or infinite after rounding to the stored type.
    #[error("value {position} of {column} is {got} once stored: give finite values within the type's range")]
    NotFinite {
        /// Name of the column.
        column: &'static str,
        /// Position of the value in its row.
        position: usize,
        /// The value as given.
        got: f32,
    },
    /// The documents of the items do not ascend.
    #[error(
        "document {got} comes after document {previous}: write the items in the order of their documents"
    )]
    DocOrder {
        /// Document of the item before.
        previous: u32,
        /// Document of the item.
        got: u32,
    },
    /// An item belongs to a document that the segment does not have.
    #[error("an item belongs to document {got} of {documents} documents: count all documents of the segment")]
    DocRange {
        /// Number of documents given.
        documents: u32,
        /// Largest document of an item.
        got: u32,
    },
    /// A passage ends before it starts, or is the mark of a whole item.
    #[error("span {start}..{end} is none: give a start that is not after the end, both below 4294967295")]
    Span {
        /// First byte.
        start: u32,
        /// Byte after the last.
        end: u32,
    },
}

impl Error {
    /// Where in the container the error was found, if it was found at one place.
    pub fn offset(&self) -> Option<u64> {
        match self {
            Self::Magic { .. } => Some(crate::layout::header::MAGIC as u64),
            Self::Version { .. } => Some(crate::layout::header::VERSION as u64),
            Self::Truncated { got, .. } => Some(*got),
            Self::TrailerMagic { offset }
            | Self::Checksum { offset, .. }
            | Self::Field { offset, .. }
            | Self::Reserved { offset, .. }
            | Self::UnknownRequired { offset, .. }
            | Self::ElementType { offset, .. }
            | Self::Duplicate { offset, .. }
            | Self::Text { offset, .. } => Some(*offset),
            _ => None,
        }
    }
}
