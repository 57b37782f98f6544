//! The landmarks of a kernel member: train rows of unit length, read as f32 or where they lie in binary16.

use std::sync::OnceLock;

use half::slice::HalfFloatSliceExt;

use crate::encode::kernel::{Rows, Stored, dot, dots16, products};
use crate::model::floats::Narrow;

/// Rows up to which landmarks are read where they lie: widening all of them pays for more.
const FEW: usize = 4;

/// Landmarks `[m, d_in]`, rounded to f16.
#[derive(Clone)]
pub(crate) struct Landmarks {
    rows: Narrow,
    d_in: usize,
    squares: OnceLock<Vec<f32>>,
}

impl Landmarks {
    /// Those of `rows [m, d_in]`.
    pub(crate) fn new(rows: Narrow, d_in: usize) -> Self {
        Self { rows, d_in, squares: OnceLock::new() }
    }

    /// Their number, `m`.
    pub(crate) fn count(&self) -> usize {
        self.rows.len().checked_div(self.d_in).unwrap_or(0)
    }

    /// Elements of one.
    pub(crate) fn d_in(&self) -> usize {
        self.d_in
    }

    /// All numbers `[m, d_in]` as f32.
    pub(crate) fn wide(&self) -> &[f32] {
        &self.rows
    }

    /// `|z_j|^2 [m]`.
    pub(crate) fn squares(&self) -> &[f32] {
        self.squares.get_or_init(|| match self.rows.stored() {
            Some(stored) => {
                let (mut z, mut square) = (vec![0.0; self.d_in], [0.0]);
                let rows = Stored::new(stored, self.d_in, 0..self.d_in);
                let squares = stored.chunks_exact(self.d_in.max(1)).zip(0..).map(|(row, at)| {
                    row.convert_to_f32_slice(&mut z);
                    dots16(&z, rows, &[at], &mut square);
                    square[0]
                });
                squares.collect()
            }
            None => self.wide().chunks_exact(self.d_in.max(1)).map(|z| dot(z, z)).collect(),
        })
    }

    /// `out [n, m]`: the dot product of each row of `z [n, d_in]` with each landmark, the same bits either way.
    pub(crate) fn products(&self, z: &[f32], out: &mut [f32]) {
        let (n, m) = (z.len() / self.d_in.max(1), self.count());
        match self.rows.stored() {
            Some(stored) if n <= FEW => {
                let all: Vec<u32> = (0..m as u32).collect();
                for (z, out) in z.chunks_exact(self.d_in).zip(out.chunks_exact_mut(m.max(1))) {
                    dots16(z, Stored::new(stored, self.d_in, 0..self.d_in), &all, out);
                }
            }
            _ => products(Rows::new(z, self.d_in), Rows::new(self.wide(), self.d_in), out),
        }
    }
}

/// What follows from the rows does not count.
impl PartialEq for Landmarks {
    fn eq(&self, other: &Self) -> bool {
        self.d_in == other.d_in && self.rows == other.rows
    }
}

impl std::fmt::Debug for Landmarks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Landmarks([{}, {}])", self.count(), self.d_in)
    }
}
