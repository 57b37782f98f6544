//! Rows in memory, for writers that see documents one at a time.

use std::io::Write;

use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::column::Column;
use crate::error::Error;
use crate::layout;
use crate::media::{Dtype, MediaInfo};
use crate::writer::Writer;

/// One item as it goes into the file.
#[derive(Debug, Clone, Copy)]
pub struct ItemRow<'a> {
    /// Document of the item.
    pub doc: u32,
    /// Ordinal of the item in its document.
    pub ordinal: u32,
    /// First byte and byte after the last of a passage; `None` for a whole item.
    pub span: Option<(u32, u32)>,
    /// Content hash.
    pub hash: [u8; 16],
    /// Shared vector `[d]`.
    pub vector: &'a [f32],
    /// Item half of the metric network's first layer `[h]`; empty where `h = 0`.
    pub half: &'a [f32],
    /// Hubs `[g]`, one for each other media type; empty where `g = 0`.
    pub hubs: &'a [f32],
}

/// Rows of one media type: one growing byte buffer per column.
#[derive(Debug, Clone)]
pub struct Rows {
    info: MediaInfo,
    len: usize,
    last_doc: Option<u32>,
    columns: [Vec<u8>; Column::ALL.len()],
    /// The vector as stored, and the same in f32 again.
    rounded: (Vec<f16>, Vec<f32>),
    half: Vec<f16>,
}

impl Rows {
    /// No rows of a media type.
    pub fn new(info: &MediaInfo) -> Self {
        Self {
            info: info.clone(),
            len: 0,
            last_doc: None,
            columns: Default::default(),
            rounded: Default::default(),
            half: Vec::new(),
        }
    }

    /// The media type.
    pub fn info(&self) -> &MediaInfo {
        &self.info
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Allocated bytes of all columns.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Vec::capacity).sum()
    }

    /// Appends an item: rounds its vector to the stored type and its half to f16, and computes the inverse norm from
    /// the rounded vector. An error leaves the rows as they were.
    ///
    /// # Errors
    /// `RowLength` for a vector, half or hubs of another length than the media type says, `NotFinite` for a value that is
    /// NaN or infinite once rounded, `DocOrder` for a document before the previous one, `Span` for a span that ends before
    /// it starts or is the mark of a whole item.
    pub fn push(&mut self, item: &ItemRow<'_>) -> Result<(), Error> {
        same_length(Column::Vectors, self.info.dim, item.vector)?;
        same_length(Column::Halves, self.info.half, item.half)?;
        same_length(Column::Hubs, self.info.hubs, item.hubs)?;
        if let Some(previous) = self.last_doc.filter(|&previous| previous > item.doc) {
            return Err(Error::DocOrder { previous, got: item.doc });
        }
        let (start, end) = item.span.unwrap_or((layout::NONE, layout::NONE));
        if item.span.is_some() && !is_span(start, end) {
            return Err(Error::Span { start, end });
        }
        let (short, wide) = &mut self.rounded;
        wide.clear();
        wide.extend_from_slice(item.vector);
        if self.info.dtype == Dtype::F16 {
            short.resize(item.vector.len(), f16::ZERO);
            short.convert_from_f32_slice(item.vector);
            short.convert_to_f32_slice(wide);
        }
        finite(Column::Vectors, item.vector, wide.iter().map(|value| value.is_finite()))?;
        self.half.resize(item.half.len(), f16::ZERO);
        self.half.convert_from_f32_slice(item.half);
        finite(Column::Halves, item.half, self.half.iter().map(|value| value.is_finite()))?;
        finite(Column::Hubs, item.hubs, item.hubs.iter().map(|value| value.is_finite()))?;

        let vector: &[u8] = match self.info.dtype {
            Dtype::F16 => bytemuck::cast_slice(short),
            Dtype::F32 => bytemuck::cast_slice(wide),
        };
        let [vectors, docs, ordinals, spans, hashes, inverse_norms, halves, hubs] = &mut self.columns;
        vectors.extend_from_slice(vector);
        docs.extend_from_slice(&item.doc.to_le_bytes());
        ordinals.extend_from_slice(&item.ordinal.to_le_bytes());
        spans.extend_from_slice(&start.to_le_bytes());
        spans.extend_from_slice(&end.to_le_bytes());
        hashes.extend_from_slice(&item.hash);
        inverse_norms.extend_from_slice(&inverse_norm(wide).to_le_bytes());
        halves.extend_from_slice(bytemuck::cast_slice(&self.half));
        hubs.extend_from_slice(bytemuck::cast_slice(item.hubs));
        self.last_doc = Some(item.doc);
        self.len += 1;
        Ok(())
    }

    /// The bytes of a column as they go into the file; empty for halves and hubs where none are stored.
    pub fn column(&self, column: Column) -> &[u8] {
        self.columns.get(column as usize).map_or(&[], Vec::as_slice)
    }

    /// Writes all columns as media type `media`.
    ///
    /// # Errors
    /// `Order` when the writer's media type `media` is not the one of these rows or is not due, `Io` when the sink
    /// fails.
    pub fn write_to<W: Write>(&self, media: usize, writer: &mut Writer<W>) -> Result<(), Error> {
        if writer.media().get(media) != Some(&self.info) {
            return Err(Error::Order {
                expected: format!("media {media}, {:?}", writer.media().get(media)),
                got: format!("rows of {:?}", self.info),
            });
        }
        for column in Column::stored(&self.info) {
            writer.begin(media, column)?;
            writer.write(self.column(column))?;
            writer.end()?;
        }
        Ok(())
    }
}

/// `1 / ||v||_2` of a stored vector `[d]`: the squares are summed in f64 in the order of the values, the result is
/// rounded to f32. It is 0 where the norm is 0, or so small that its inverse exceeds the range of f32.
pub fn inverse_norm(vector: &[f32]) -> f32 {
    let squares: f64 = vector.iter().fold(0.0, |sum, &value| sum + f64::from(value) * f64::from(value));
    let inverse = squares.sqrt().recip() as f32;
    if inverse.is_finite() { inverse } else { 0.0 }
}

/// Whether a pair is the span of a passage, and not the mark of a whole item.
pub(crate) fn is_span(start: u32, end: u32) -> bool {
    start <= end && end != layout::NONE
}

fn same_length(column: Column, expected: u32, values: &[f32]) -> Result<(), Error> {
    let (expected, got) = (expected as usize, values.len());
    if expected == got { Ok(()) } else { Err(Error::RowLength { column: column.name(), expected, got }) }
}

fn finite(column: Column, given: &[f32], mut stored: impl Iterator<Item = bool>) -> Result<(), Error> {
    match stored.position(|is_finite| !is_finite) {
        None => Ok(()),
        Some(position) => {
            let got = given.get(position).copied().unwrap_or(f32::NAN);
            Err(Error::NotFinite { column: column.name(), position, got })
        }
    }
}
