//! From features to what an index stores.

use half::f16;
use rayon::prelude::*;

use super::Bundle;
use crate::error::{Error, ErrorCode, Result};
use crate::model::metric::dot;
use crate::model::pathway::Pathway;

/// Rows that go through a pathway together on one core.
const TOGETHER: usize = 48;

/// Vectors of items as an index stores them.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Shared vectors `[n, d]`.
    pub vectors: Vec<f16>,
    /// Item halves `[n, h]`, of the rounded vectors.
    pub halves: Vec<f16>,
    /// Hubs `[n, columns]`, of the rounded vectors; none where the bundle has no hub term.
    pub hubs: Vec<f32>,
    /// One over the Euclidean norm of each rounded vector; 0 for a zero row.
    pub inverse_norms: Vec<f32>,
}

/// [`Stored`] before its halves are rounded, without norms; the vectors are rounded, and wide again.
pub(crate) struct Unrounded {
    /// Shared vectors `[n, d]`, rounded to f16.
    pub(crate) vectors: Vec<f32>,
    /// Item halves `[n, h]`.
    pub(crate) halves: Vec<f32>,
    /// Hubs `[n, columns]`.
    pub(crate) hubs: Vec<f32>,
}

impl Bundle {
    /// Shared vectors `[n, d]` of the features `[n, d_in]` of one media type, both row-major.
    ///
    /// Each row is a pure function of its features. Cost: `k * (d_in + d)` multiply-adds per row, on all cores.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`], [`ErrorCode::BadDimension`] where the length is no multiple of `d_in`,
    /// [`ErrorCode::NotFinite`] naming the first bad row.
    pub fn project(&self, media: usize, features: &[f32]) -> Result<Vec<f32>> {
        let (Some(config), Some(pathway)) = (self.media.get(media), self.pathways.get(media)) else {
            return Err(Error::new(ErrorCode::UnknownMedia, "no media type of this number here")
                .expected(format!("less than {}", self.media.len()))
                .got(media));
        };
        self.check_pathway(media)?;
        let d_in = config.features;
        if !features.len().is_multiple_of(d_in) {
            return Err(Error::new(
                ErrorCode::BadDimension,
                format!("features of `{}` do not fit its pathway", config.name),
            )
            .expected(format!("a multiple of {d_in} elements"))
            .got(features.len()));
        }
        if let Some(at) = features.iter().position(|x| !x.is_finite()) {
            return Err(not_finite(&config.name, at / d_in, at % d_in));
        }
        Ok(self.through(pathway, d_in, features))
    }

    /// Whole rows of finite features through their pathway.
    fn through(&self, pathway: &Pathway, d_in: usize, features: &[f32]) -> Vec<f32> {
        let d = self.dim();
        let mut out = vec![0.0f32; features.len() / d_in * d];
        out.par_chunks_mut(TOGETHER * d)
            .zip(features.par_chunks(TOGETHER * d_in))
            .for_each(|(out, x)| pathway.project(out.len() / d, x, self.posterior_scale, out));
        out
    }

    /// Shared vectors `[n, d]`, halves `[n, h]` and hubs of features `[n, d_in]`, as an index stores them but still in f32: the
    /// vectors are rounded to f16, since halves and hubs are of the rounded ones, and the halves are not yet.
    ///
    /// The caller has checked that the features are whole rows and finite; the rows that come out may not be.
    ///
    /// # Panics
    /// When `media` does not exist.
    pub(crate) fn rows(&self, media: usize, features: &[f32]) -> Unrounded {
        let (d, h) = (self.dim(), self.metric.half);
        let mut vectors = self.through(&self.pathways[media], self.media[media].features, features);
        let mut halves = vec![0.0f32; vectors.len() / d * h];
        for (at, row) in vectors.chunks_mut(d).enumerate() {
            row.iter_mut().for_each(|x| *x = f16::from_f32(*x).to_f32());
            self.metric.item_half(media, row, &mut halves[at * h..(at + 1) * h]);
        }
        let hubs = self.hubs(media, &vectors);
        Unrounded { vectors, halves, hubs }
    }

    /// Hubs `[n, columns]` of rounded vectors `[n, d]`, on all cores.
    fn hubs(&self, media: usize, vectors: &[f32]) -> Vec<f32> {
        let (d, columns) = (self.dim(), self.metric.hub_columns());
        let mut hubs = vec![0.0f32; vectors.len() / d * columns];
        if columns > 0 {
            hubs.par_chunks_mut(TOGETHER * columns)
                .zip(vectors.par_chunks(TOGETHER * d))
                .for_each(|(hubs, vectors)| self.metric.item_hubs(media, vectors, hubs));
        }
        hubs
    }

    /// Shared vectors `[n, d]` as an index stores them: rounded to f16, with halves and hubs of the rounded vectors.
    ///
    /// # Panics
    /// When `media` does not exist or `shared` is no multiple of `d`.
    pub fn store(&self, media: usize, shared: &[f32]) -> Stored {
        let (d, h) = (self.dim(), self.metric.half);
        assert!(shared.len().is_multiple_of(d), "whole shared vectors");
        let vectors: Vec<f16> = shared.iter().map(|x| f16::from_f32(*x)).collect();
        let rows = shared.len() / d;
        let mut halves = vec![f16::ZERO; rows * h];
        let mut inverse_norms = vec![0.0f32; rows];
        let mut half = vec![0.0f32; h];
        let rounded: Vec<f32> = vectors.iter().map(|x| x.to_f32()).collect();
        for (i, row) in rounded.chunks_exact(d).enumerate() {
            let norm = dot(row, row).sqrt();
            inverse_norms[i] = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            self.metric.item_half(media, row, &mut half);
            for (stored, x) in halves[i * h..(i + 1) * h].iter_mut().zip(&half) {
                *stored = f16::from_f32(*x);
            }
        }
        let hubs = self.hubs(media, &rounded);
        Stored { vectors, halves, hubs, inverse_norms }
    }
}

/// The error of a number that is NaN or infinite.
pub(crate) fn not_finite(tensor: &str, row: usize, column: usize) -> Error {
    Error::new(
        ErrorCode::NotFinite,
        format!("row {row} of the features of `{tensor}` holds NaN or infinity in column {column}"),
    )
    .expected("finite numbers")
}
