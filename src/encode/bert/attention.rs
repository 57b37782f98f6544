//! Attention as an operation on tensors.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape};

use super::steps::slice;
use super::tokens::Tokens;
use crate::encode::kernel::Heads;

/// From `[rows, 3 h]` (query, key, value; without their bias) to `[rows, h]`.
pub(super) struct Attention<'a> {
    pub(super) texts: &'a [&'a Tokens],
    pub(super) heads: usize,
    /// `[3 h]`.
    pub(super) bias: &'a [f32],
}

impl CustomOp1 for Attention<'_> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, h) = (layout.dims()[0], self.bias.len() / 3);
        let qkv = slice(storage, layout)?;
        let mut out = vec![0f32; rows * h];
        let lengths: Vec<usize> = self.texts.iter().map(|text| text.ids.len()).collect();
        Heads { lengths: &lengths, heads: self.heads, bias: self.bias }.attend(qkv, &mut out);
        Ok((CpuStorage::F32(out), Shape::from((rows, h))))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    /// The formula in double precision.
    fn expected(qkv: &[f32], bias: &[f32], lengths: &[usize], heads: usize) -> Vec<f64> {
        let h = bias.len() / 3;
        let d = h / heads;
        let at = |row: usize, column: usize| f64::from(qkv[row * 3 * h + column]) + f64::from(bias[column]);
        let mut out = vec![0.0; qkv.len() / 3];
        let mut start = 0;
        for &n in lengths {
            for (i, head) in (start..start + n).flat_map(|i| (0..heads).map(move |head| (i, head))) {
                let dot =
                    |j: usize| (0..d).map(|c| at(i, head * d + c) * at(j, h + head * d + c)).sum::<f64>();
                let weights: Vec<f64> =
                    (start..start + n).map(|j| (dot(j) / (d as f64).sqrt()).exp()).collect();
                let total: f64 = weights.iter().sum();
                for c in 0..d {
                    let values = (start..start + n).map(|j| at(j, 2 * h + head * d + c));
                    out[i * h + head * d + c] = values.zip(&weights).map(|(v, w)| v * w).sum::<f64>() / total;
                }
            }
            start += n;
        }
        out
    }

    #[test]
    fn each_text_attends_to_itself_by_the_formula() {
        let lengths = [1usize, 19, 4, 33];
        let (heads, h, rows) = (3, 24, 60);
        let wave = |n: usize, f: f32| -> Vec<f32> { (0..n).map(|i| (i as f32 * f).sin() * 2.0).collect() };
        let (qkv, bias) = (wave(rows * 3 * h, 0.37), wave(3 * h, 1.9));
        let texts: Vec<Tokens> =
            lengths.iter().map(|&n| Tokens { ids: vec![0; n], types: vec![0; n] }).collect();
        let texts: Vec<&Tokens> = texts.iter().collect();
        let tensor = Tensor::from_vec(qkv.clone(), (rows, 3 * h), &Device::Cpu).unwrap();
        let op = Attention { texts: &texts, heads, bias: &bias };
        let out = tensor.apply_op1_no_bwd(&op).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        for (a, b) in out.iter().zip(expected(&qkv, &bias, &lengths, heads)) {
            assert!((f64::from(*a) - b).abs() < 1e-5, "{a} for {b}");
        }
        // Rows past the last text.
        assert!(out[57 * h..].iter().all(|x| *x == 0.0));
    }
}
