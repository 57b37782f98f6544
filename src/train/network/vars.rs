//! Variables with their first values, and values of tensors.

use candle_core::{DType, Device, Result, Tensor, Var};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// Uniform numbers of variance `gain / rows`, `[rows * columns]`.
pub(super) fn uniform(rows: usize, columns: usize, gain: f32, rng: &mut ChaCha8Rng) -> Vec<f32> {
    let limit = (3.0 * gain / rows.max(1) as f32).sqrt();
    (0..rows * columns).map(|_| (rng.random::<f32>() * 2.0 - 1.0) * limit).collect()
}

pub(super) fn matrix(rows: usize, columns: usize, gain: f32, rng: &mut ChaCha8Rng) -> Result<Var> {
    Var::from_vec(uniform(rows, columns, gain, rng), (rows, columns), &Device::Cpu)
}

pub(super) fn zeros(n: usize) -> Result<Var> {
    Var::zeros(n, DType::F32, &Device::Cpu)
}

pub(super) fn values(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1::<f32>()
}
