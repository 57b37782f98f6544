//! Typed slices of the columns of one media type.

use std::ops::Range;

use bytemuck::AnyBitPattern;
use half::f16;
use half::slice::HalfFloatSliceExt;

use crate::column::Column;
use crate::media::{Dtype, MediaInfo};
use crate::slots::Columns;

/// Shared vectors `[n, d]`, row after row.
#[derive(Debug, Clone, Copy)]
pub enum Vectors<'a> {
    /// Stored in binary16.
    F16(&'a [f16]),
    /// Stored in binary32.
    F32(&'a [f32]),
}

/// The columns of one media type, `n` rows each. Row order follows the documents.
#[derive(Debug, Clone, Copy)]
pub struct MediaView<'a> {
    /// Shared vectors `[n, d]`.
    pub vectors: Vectors<'a>,
    /// Document of each item `[n]`, ascending in an undamaged file.
    pub docs: &'a [u32],
    /// Ordinal of each item in its document `[n]`.
    pub ordinals: &'a [u32],
    /// First byte and byte after the last of each passage `[n]`; both `u32::MAX` for a whole item.
    pub spans: &'a [[u32; 2]],
    /// Content hash of each item `[n]`.
    pub hashes: &'a [[u8; 16]],
    /// Inverse norm of each shared vector `[n]`, 0 for a zero row.
    pub inverse_norms: &'a [f32],
    /// Item half of the metric network's first layer `[n, h]`; empty where none is stored.
    pub halves: &'a [f16],
    /// Hubs of each item `[n, g]`, one for each other media type; empty where none are stored.
    pub hubs: &'a [f32],
    /// Dimension `d` of the shared vectors.
    pub dim: usize,
    /// Width `h` of the halves; 0 where none are stored.
    pub half: usize,
    /// Number of hubs `g` of each item; 0 where none are stored.
    pub hub_columns: usize,
}

/// Cuts the columns out of the bytes of a file.
pub(crate) fn resolve<'a>(data: &'a [u8], info: &MediaInfo, columns: &Columns) -> MediaView<'a> {
    let vectors = columns.bytes(data, Column::Vectors);
    MediaView {
        vectors: match info.dtype {
            Dtype::F16 => Vectors::F16(cast(vectors)),
            Dtype::F32 => Vectors::F32(cast(vectors)),
        },
        docs: cast(columns.bytes(data, Column::Docs)),
        ordinals: cast(columns.bytes(data, Column::Ordinals)),
        spans: cast(columns.bytes(data, Column::Spans)),
        hashes: cast(columns.bytes(data, Column::Hashes)),
        inverse_norms: cast(columns.bytes(data, Column::InverseNorms)),
        halves: cast(columns.bytes(data, Column::Halves)),
        hubs: cast(columns.bytes(data, Column::Hubs)),
        dim: info.dim as usize,
        half: info.half as usize,
        hub_columns: info.hubs as usize,
    }
}

/// Open checked length and alignment, so this fails only for data that moved since, see [`crate::Uvec`].
fn cast<T: AnyBitPattern>(bytes: &[u8]) -> &[T] {
    bytemuck::try_cast_slice(bytes).unwrap_or_default()
}

impl MediaView<'_> {
    /// Number of items.
    pub fn len(&self) -> usize {
        self.docs.len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.docs.is_empty()
    }

    /// The rows of a document: none, one or more.
    ///
    /// Cost: O(1) where every document up to `doc` has one item, else O(log n). With documents out of order, as only a
    /// damaged file has them, the answer is some range of rows.
    pub fn items_of(&self, doc: u32) -> Range<usize> {
        let guess = doc as usize;
        let is = |row: usize| self.docs.get(row) == Some(&doc);
        if is(guess) && !is(guess + 1) && guess.checked_sub(1).is_none_or(|before| !is(before)) {
            return guess..guess + 1;
        }
        let start = self.docs.partition_point(|&d| d < doc);
        let rest = self.docs.get(start..).unwrap_or_default();
        start..start + rest.partition_point(|&d| d <= doc)
    }

    /// Writes the shared vector of a row to `out` `[d]`.
    ///
    /// # Panics
    /// If `row` is not below [`MediaView::len`], or `out` is not of `dim` values.
    pub fn vector_into(&self, row: usize, out: &mut [f32]) {
        match self.vectors {
            Vectors::F16(all) => of_row(all, row, self.dim).convert_to_f32_slice(out),
            Vectors::F32(all) => out.copy_from_slice(of_row(all, row, self.dim)),
        }
    }

    /// Writes the half of a row to `out` `[h]`; nothing where `h = 0`.
    ///
    /// # Panics
    /// If `row` is not below [`MediaView::len`], or `out` is not of `half` values.
    pub fn half_into(&self, row: usize, out: &mut [f32]) {
        of_row(self.halves, row, self.half).convert_to_f32_slice(out);
    }

    /// The hubs of a row `[g]`.
    ///
    /// # Panics
    /// If `row` is not below [`MediaView::len`], where there are hubs.
    pub fn hubs_of(&self, row: usize) -> &[f32] {
        of_row(self.hubs, row, self.hub_columns)
    }
}

fn of_row<T>(all: &[T], row: usize, width: usize) -> &[T] {
    let start = row.saturating_mul(width);
    match all.get(start..start.saturating_add(width)) {
        Some(values) => values,
        None => panic!("row {row} of {} values in rows of {width}", all.len()),
    }
}
