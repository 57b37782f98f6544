//! Signs of random hyperplanes: near rows often have equal ones (Charikar, "Similarity estimation techniques from rounding algorithms", 2002).

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::data::MediaFeatures;
use crate::encode::kernel::{Rows, products};
use crate::model::dot;

/// The signs of a row in each table.
pub(super) type Keys = [u16; Planes::TABLES];

/// Tables of hyperplanes through a mean.
pub(super) struct Planes {
    /// `[TABLES * BITS, d]`.
    normals: Vec<f32>,
    offsets: Vec<f32>,
    d: usize,
}

impl Planes {
    pub(super) const TABLES: usize = 12;
    const BITS: usize = 16;

    /// Planes through `mean [d]`.
    pub(super) fn draw(mean: &[f32]) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(0x6e65_6172);
        let d = mean.len();
        let normals: Vec<f32> =
            (0..Self::TABLES * Self::BITS * d).map(|_| rng.random::<f32>() - 0.5).collect();
        let offsets = normals.chunks_exact(d).map(|plane| dot(plane, mean)).collect();
        Self { normals, offsets, d }
    }

    /// The keys of rows `[n, d]` of unit length.
    pub(super) fn keys(&self, units: &[f32]) -> Vec<Keys> {
        let n = units.len() / self.d;
        let mut all = vec![0.0; n * self.offsets.len()];
        products(Rows::new(units, self.d), Rows::new(&self.normals, self.d), &mut all);
        let of_row = |products: &[f32]| {
            let mut keys = [0; Self::TABLES];
            for (at, (product, offset)) in products.iter().zip(&self.offsets).enumerate() {
                keys[at / Self::BITS] |= u16::from(product > offset) << (at % Self::BITS);
            }
            keys
        };
        all.chunks_exact(self.offsets.len()).map(of_row).collect()
    }
}

/// The features of some rows `[rows.len(), d_in]`, each of unit length; zeros stay.
pub(super) fn units(media: &MediaFeatures, rows: &[usize]) -> Vec<f32> {
    let mut all = media.gather(rows);
    for row in all.chunks_exact_mut(media.d_in) {
        let norm = dot(row, row).sqrt();
        let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        row.iter_mut().for_each(|x| *x *= inverse);
    }
    all
}
