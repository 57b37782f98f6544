//! The hub term: what a vector loses for being near to everything.
//!
//! `h_b(v) = T ln mean_j exp(v . u_j / T)` over the anchors `u_j` of media type b, unit parts of its train rows; `v` is the unit part of
//! a shared vector of another media type. It lies between the mean and the maximum of the dot products. A head between media types
//! a and b subtracts `w (h_b(u) + h_a(v))`, so an item that is near to all queries gives way to one that is near to this one.
//! Source: the inverted softmax of Smith, Turban, Hamblin, Hammerla, "Offline bilingual word vectors", 2017, here for both sides and
//! over fixed anchors, so that each side is a number of its own row.

use super::floats::Floats;
use crate::encode::kernel::{Rows, Stored, dots32, products};

/// Rows whose products with all anchors are in memory together.
const TOGETHER: usize = 16;

/// The anchors of all media types; none by default.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Hubs {
    /// Elements of an anchor, `e`: the last of a shared vector.
    pub(crate) unit: usize,
    /// `T`, above 0.
    pub(crate) temperature: f32,
    /// `[A, e]` per media type, empty for one without; no media types where the bundle has no hub term.
    pub(crate) anchors: Vec<Floats>,
}

/// Where the hub of media type `other` stands among those of an item of `media`: the others in their order; `None` for itself.
pub(crate) fn hub_column(media: usize, other: usize) -> Option<usize> {
    (media != other).then(|| if other < media { other } else { other - 1 })
}

impl Hubs {
    /// Whether there are no anchors at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.anchors.iter().all(|anchors| anchors.is_empty())
    }

    /// Anchors of a media type.
    pub(crate) fn count(&self, media: usize) -> usize {
        self.anchors.get(media).and_then(|anchors| anchors.len().checked_div(self.unit)).unwrap_or(0)
    }

    /// Hubs that each item has, one per other media type; 0 without anchors.
    pub(crate) fn columns(&self) -> usize {
        if self.is_empty() { 0 } else { self.anchors.len() - 1 }
    }

    /// `h_other(v)` of each row of `vectors [n, d]`; 0 where `other` has no anchors.
    ///
    /// A row has the same bits alone and in any batch. Sums are of f64, so a last bit of an exponential does not show.
    /// Cost: `n * A` times `e` multiply-adds and one exponential, on the calling thread.
    pub(crate) fn of(&self, other: usize, vectors: &[f32], d: usize) -> Vec<f32> {
        let rows = vectors.len().checked_div(d).unwrap_or(0);
        let count = self.count(other);
        if count == 0 {
            return vec![0.0; rows];
        }
        if rows == 1 {
            // A query. As rows of a product, one vector alone would take several times as long.
            let (all, mut sums) = ((0..count as u32).collect::<Vec<u32>>(), vec![0.0f32; count]);
            let anchors = Stored::new(&self.anchors[other], self.unit, 0..self.unit);
            dots32(&vectors[d - self.unit..], anchors, &all, &mut sums);
            return vec![soft_maximum(&sums, self.temperature)];
        }
        let anchors = Rows::new(&self.anchors[other], self.unit);
        let mut sums = vec![0.0f32; TOGETHER.min(rows) * count];
        let mut out = Vec::with_capacity(rows);
        for vectors in vectors.chunks(TOGETHER * d) {
            let sums = &mut sums[..vectors.len() / d * count];
            let units = Rows::part(vectors, d, d - self.unit..d);
            products(units, anchors, sums);
            out.extend(sums.chunks_exact(count).map(|sums| soft_maximum(sums, self.temperature)));
        }
        out
    }

    /// Replaces `out [n, columns]` by all hubs of the items `vectors [n, d]` of `media`, see [`hub_column`].
    pub(crate) fn of_items(&self, media: usize, vectors: &[f32], d: usize, out: &mut [f32]) {
        let columns = self.columns();
        for other in 0..self.anchors.len() {
            let Some(column) = hub_column(media, other).filter(|column| *column < columns) else { continue };
            let values = self.of(other, vectors, d);
            out.chunks_exact_mut(columns).zip(values).for_each(|(out, value)| out[column] = value);
        }
    }
}

/// `T ln mean exp(x / T)`.
fn soft_maximum(x: &[f32], temperature: f32) -> f32 {
    let t = f64::from(temperature);
    let max = f64::from(x.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let sum: f64 = x.iter().map(|x| ((f64::from(*x) - max) / t).exp()).sum();
    (max + t * (sum / x.len() as f64).ln()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, f: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * f).sin()).collect()
    }

    #[test]
    fn columns_are_the_other_media_types_in_order() {
        let columns = |media| (0..3).map(|other| hub_column(media, other)).collect::<Vec<_>>();
        assert_eq!(columns(0), [None, Some(0), Some(1)]);
        assert_eq!(columns(1), [Some(0), None, Some(1)]);
        assert_eq!(columns(2), [Some(0), Some(1), None]);
    }

    #[test]
    fn hubs_are_the_formula_and_those_of_a_row_alone() {
        let (d, unit, media) = (23, 17, 3);
        let anchors: Vec<Floats> =
            [wave(41 * unit, 0.7), Vec::new(), wave(5 * unit, 1.1)].map(Floats::from).to_vec();
        for temperature in [0.15f32, 1e-4, 1e-30, 40.0] {
            let hubs = Hubs { unit, temperature, anchors: anchors.clone() };
            assert_eq!(hubs.columns(), 2);
            let vectors = wave(37 * d, 0.31);
            for item in 0..media {
                let mut out = vec![f32::NAN; 37 * 2];
                hubs.of_items(item, &vectors, d, &mut out);
                for (v, out) in vectors.chunks(d).zip(out.chunks(2)) {
                    let mut alone = [f32::NAN; 2];
                    hubs.of_items(item, v, d, &mut alone);
                    assert_eq!(alone.map(f32::to_bits), [out[0].to_bits(), out[1].to_bits()]);
                    let others = (0..media).filter(|other| *other != item);
                    for (other, out) in others.zip(out) {
                        assert!((f64::from(*out) - by_hand(&hubs, other, &v[d - unit..])).abs() < 1e-5);
                    }
                }
            }
        }
    }

    /// In f64, with the maximum taken out as any sum of exponentials needs.
    fn by_hand(hubs: &Hubs, other: usize, v: &[f32]) -> f64 {
        let anchors = &hubs.anchors[other];
        if anchors.is_empty() {
            return 0.0;
        }
        let t = f64::from(hubs.temperature);
        let dots: Vec<f64> = anchors
            .chunks(hubs.unit)
            .map(|u| u.iter().zip(v).map(|(u, v)| f64::from(*u) * f64::from(*v)).sum())
            .collect();
        let max = dots.iter().copied().fold(f64::MIN, f64::max);
        let mean = dots.iter().map(|x| ((x - max) / t).exp()).sum::<f64>() / dots.len() as f64;
        max + t * mean.ln()
    }

    #[test]
    fn a_hub_lies_between_mean_and_maximum() {
        let x = [0.5f32, -0.25, 0.75, 0.0];
        assert!((soft_maximum(&x, 1e-6) - 0.75).abs() < 1e-4, "cold: the maximum");
        assert!((soft_maximum(&x, 1e4) - 0.25).abs() < 1e-3, "hot: the mean");
        assert_eq!(soft_maximum(&[0.3; 7], 0.15), 0.3);
    }

    #[test]
    fn without_anchors_there_are_no_columns() {
        let none = Hubs::default();
        assert!(none.is_empty() && none.columns() == 0);
        none.of_items(0, &wave(20, 0.3), 10, &mut []);
        let empty = Hubs { unit: 3, temperature: 0.5, anchors: vec![Floats::default(); 4] };
        assert!(empty.is_empty() && empty.columns() == 0);
        empty.of_items(1, &wave(20, 0.3), 10, &mut []);
        assert_eq!(empty.of(2, &wave(20, 0.3), 10), [0.0, 0.0]);
    }
}
