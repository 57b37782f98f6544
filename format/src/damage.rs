//! What is wrong with a container.

use std::fmt;

/// One thing that is wrong with an open container.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Damage {
    /// Name of the section as in SPEC.md.
    pub section: String,
    /// Name of the media type, if the section belongs to one.
    pub media: Option<String>,
    /// First byte in the file at which it shows.
    pub offset: u64,
    /// What is wrong.
    pub reason: Reason,
}

/// What is wrong with a section. `row` is the first one concerned, `count` the number of rows concerned.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// The bytes changed after they were written.
    #[error("checksum is {got:08x} instead of {expected:08x}")]
    Checksum {
        /// Checksum stored in the table.
        expected: u32,
        /// Checksum of the bytes found.
        got: u32,
    },
    /// Bytes between this section and the next are not zero.
    #[error("{count} bytes of padding after the section are not zero")]
    Padding {
        /// Bytes that are not zero.
        count: usize,
    },
    /// A derived section has not the bytes that its rows and columns ask for.
    #[error("{rows} rows of {columns} columns are not its {length} bytes")]
    Shape {
        /// Rows.
        rows: u64,
        /// Columns.
        columns: u32,
        /// Bytes.
        length: u64,
    },
    /// A derived section names a media type that the file does not have.
    #[error("media index {got} is not one of the {count} media types")]
    MediaIndex {
        /// Media index found.
        got: usize,
        /// Number of media types.
        count: usize,
    },
    /// A derived section has the kind and the media index of one before it.
    #[error("it stands twice, first at byte {first}")]
    Duplicate {
        /// First byte of the section before it.
        first: u64,
    },
    /// Documents do not ascend.
    #[error("documents descend before row {row}, in {count} rows")]
    DocOrder {
        /// First row.
        row: usize,
        /// Rows.
        count: usize,
    },
    /// Documents are not below the number of documents.
    #[error("document of row {row} is not one of the {documents} documents, in {count} rows")]
    DocRange {
        /// First row.
        row: usize,
        /// Rows.
        count: usize,
        /// Number of documents.
        documents: u32,
    },
    /// Values are NaN or infinite.
    #[error("row {row} holds a NaN or infinite value, as {count} rows do")]
    NotFinite {
        /// First row.
        row: usize,
        /// Rows.
        count: usize,
    },
    /// Inverse norms are not those of the vectors.
    #[error("inverse norm of row {row} is {got} instead of {expected}, wrong in {count} rows")]
    InverseNorm {
        /// First row.
        row: usize,
        /// Rows.
        count: usize,
        /// Inverse norm of the stored vector.
        expected: f32,
        /// Inverse norm stored.
        got: f32,
    },
    /// Spans end before they start.
    #[error("span of row {row} ends before it starts, as in {count} rows")]
    Span {
        /// First row.
        row: usize,
        /// Rows.
        count: usize,
    },
    /// The rows of a cell do not ascend.
    #[error("rows of one cell descend before position {row}, in {count} places")]
    CellOrder {
        /// First position.
        row: usize,
        /// Positions.
        count: usize,
    },
    /// Ends of cells descend.
    #[error("ends descend before cell {row}, in {count} cells")]
    EndOrder {
        /// First cell.
        row: usize,
        /// Cells.
        count: usize,
    },
    /// The cells do not hold as many items as there are.
    #[error("the last end is {got} instead of {expected}")]
    LastEnd {
        /// Number of items.
        expected: usize,
        /// End of the last cell.
        got: usize,
    },
    /// The cells do not name each item once.
    #[error("position {row} names no row, or one that was named before it, as {count} positions do")]
    NotOnce {
        /// First position.
        row: usize,
        /// Positions.
        count: usize,
    },
    /// Codes are not 0 where no row or no element is.
    #[error("group {row} holds codes beyond the last row or element, as {count} groups do")]
    CodePadding {
        /// First group.
        row: usize,
        /// Groups.
        count: usize,
    },
    /// Steps are 0 or below.
    #[error("step of element {row} is not above 0, as of {count} elements")]
    Step {
        /// First element.
        row: usize,
        /// Elements.
        count: usize,
    },
    /// Numbers of a curve are below 0.
    #[error("row {row} holds a value below 0, as {count} rows do")]
    Negative {
        /// First row.
        row: usize,
        /// Rows.
        count: usize,
    },
    /// A section of the cells has another shape than its kind has.
    #[error("its {field} is {got} instead of {expected}")]
    Field {
        /// Name of the field of its table entry as in SPEC.md.
        field: &'static str,
        /// What the kind asks for.
        expected: u64,
        /// What the entry has.
        got: u64,
    },
    /// A section of the cells stands without another that belongs to it.
    #[error("it stands without {missing}")]
    Without {
        /// Name of the first section that is missing.
        missing: &'static str,
    },
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.section)?;
        if let Some(media) = &self.media {
            write!(f, " of {media}")?;
        }
        write!(f, " at byte {}: {}", self.offset, self.reason)
    }
}
