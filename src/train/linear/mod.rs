//! Linear algebra of the closed-form fits, in f64, on the products of the tensor library.
//!
//! Three things are needed: the factor of a positive definite matrix, the largest singular triplets of a general one, and directions
//! beside those of these. All are mostly products of matrices, which the library does at full speed; a package for the rest would compile longer
//! than what is here takes to read.

mod residual;
mod singular;
mod whiten;

use candle_core::{Device, Result, Tensor};

pub(crate) use residual::residual_bases;
pub(crate) use singular::{Triplets, largest_triplets};
pub(crate) use whiten::Whitener;

/// A matrix `[rows, columns]` of f64.
pub(crate) fn matrix(values: Vec<f64>, rows: usize, columns: usize) -> Result<Tensor> {
    Tensor::from_vec(values, (rows, columns), &Device::Cpu)
}

/// The elements, row by row.
pub(crate) fn elements(x: &Tensor) -> Result<Vec<f64>> {
    x.flatten_all()?.to_vec1()
}

/// `x' y`.
pub(crate) fn inner(x: &Tensor, y: &Tensor) -> Result<Tensor> {
    x.t()?.matmul(y)
}
