//! The rows of a segment that is being written, as cells are made of them.

use half::f16;
use uncsm_format::{Column, Dtype, MediaInfo, MediaView, Rows};

use crate::index::cells::RowSource;

/// The rows of new documents, still in memory.
pub(super) struct NewRows<'a> {
    info: &'a MediaInfo,
    len: usize,
    vectors: &'a [u8],
    halves: &'a [u8],
    hubs: &'a [u8],
    norms: &'a [u8],
}

impl<'a> NewRows<'a> {
    pub(super) fn new(rows: &'a Rows) -> Self {
        Self {
            info: rows.info(),
            len: rows.len(),
            vectors: rows.column(Column::Vectors),
            halves: rows.column(Column::Halves),
            hubs: rows.column(Column::Hubs),
            norms: rows.column(Column::InverseNorms),
        }
    }
}

fn f16s(bytes: &[u8], row: usize, out: &mut [f32]) {
    let bytes = &bytes.as_chunks::<2>().0[row * out.len()..];
    out.iter_mut().zip(bytes).for_each(|(out, bytes)| *out = f16::from_le_bytes(*bytes).to_f32());
}

fn f32s(bytes: &[u8], row: usize, out: &mut [f32]) {
    let bytes = &bytes.as_chunks::<4>().0[row * out.len()..];
    out.iter_mut().zip(bytes).for_each(|(out, bytes)| *out = f32::from_le_bytes(*bytes));
}

impl RowSource for NewRows<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn vector(&self, row: usize, vector: &mut [f32]) {
        match self.info.dtype {
            Dtype::F16 => f16s(self.vectors, row, vector),
            Dtype::F32 => f32s(self.vectors, row, vector),
        }
    }

    fn rest(&self, row: usize, half: &mut [f32], hubs: &mut [f32]) {
        f16s(self.halves, row, half);
        f32s(self.hubs, row, hubs);
    }

    fn inverse_norm(&self, row: usize) -> f32 {
        let mut norm = [0.0];
        f32s(self.norms, row, &mut norm);
        norm[0]
    }
}

/// The rows of several segments that stay, in the order of a merge.
pub(super) struct MergedRows<'a> {
    views: Vec<MediaView<'a>>,
    /// Source and row there.
    rows: Vec<(u32, u32)>,
}

impl<'a> MergedRows<'a> {
    /// `stays` tells of source and document whether it does.
    pub(super) fn new(views: Vec<MediaView<'a>>, stays: impl Fn(usize, u32) -> bool) -> Self {
        let mut rows = Vec::new();
        for (source, view) in views.iter().enumerate() {
            let of_source = view.docs.iter().enumerate().filter(|(_, doc)| stays(source, **doc));
            rows.extend(of_source.map(|(row, _)| (source as u32, row as u32)));
        }
        Self { views, rows }
    }

    fn at(&self, row: usize) -> (&MediaView<'a>, usize) {
        let (source, row) = self.rows[row];
        (&self.views[source as usize], row as usize)
    }
}

impl RowSource for MergedRows<'_> {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn vector(&self, row: usize, vector: &mut [f32]) {
        let (view, row) = self.at(row);
        view.vector_into(row, vector);
    }

    fn rest(&self, row: usize, half: &mut [f32], hubs: &mut [f32]) {
        let (view, row) = self.at(row);
        view.half_into(row, half);
        hubs.copy_from_slice(view.hubs_of(row));
    }

    fn inverse_norm(&self, row: usize) -> f32 {
        let (view, row) = self.at(row);
        view.inverse_norms[row]
    }
}
