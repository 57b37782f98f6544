//! The fused steps between the matrices, as operations on tensors: each goes once over plain slices.

use std::slice::ChunksExactMut;

use candle_core::{CpuStorage, CustomOp1, CustomOp3, InplaceOp1, InplaceOp2, Layout, Result, Shape};

use super::config::{Activation, Pooling};
use super::tokens::Tokens;
use crate::encode::kernel::{gelu, gelu_tanh, on_vectors, sum, sum_of_squares};

/// The elements of a contiguous tensor.
pub(super) fn slice<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    let (start, end) = layout.contiguous_offsets().ok_or_else(not_contiguous)?;
    Ok(&storage.as_slice::<f32>()?[start..end])
}

fn slice_mut<'a>(storage: &'a mut CpuStorage, layout: &Layout) -> Result<&'a mut [f32]> {
    let (start, end) = layout.contiguous_offsets().ok_or_else(not_contiguous)?;
    match storage {
        CpuStorage::F32(values) => Ok(&mut values[start..end]),
        _ => Err(candle_core::Error::Msg("a step of the encoder needs f32".to_owned())),
    }
}

fn not_contiguous() -> candle_core::Error {
    candle_core::Error::Msg("a step of the encoder needs contiguous input".to_owned())
}

/// Layer normalization, `gamma (x - mean) / sqrt(variance + epsilon) + beta` of each row; `gamma`, `beta` are `[h]`.
pub(super) struct Norm {
    pub(super) gamma: Vec<f32>,
    pub(super) beta: Vec<f32>,
    pub(super) epsilon: f32,
}

impl Norm {
    #[inline(always)]
    fn row(&self, row: &mut [f32]) {
        let n = row.len() as f32;
        let mean = sum(row) / n;
        for x in row.iter_mut() {
            *x -= mean;
        }
        let scale = 1.0 / (sum_of_squares(row) / n + self.epsilon).sqrt();
        for ((x, gamma), beta) in row.iter_mut().zip(&self.gamma).zip(&self.beta) {
            *x = *x * scale * gamma + beta;
        }
    }
}

/// Rows of the tokens of `texts`, one text after the other, from the tables of words, positions and types `[_, h]`:
/// the sum of the three, normalized. Rows from there to `rows` are 0.
pub(super) struct Embed<'a> {
    pub(super) texts: &'a [&'a Tokens],
    pub(super) rows: usize,
    pub(super) norm: &'a Norm,
}

impl CustomOp3 for Embed<'_> {
    fn name(&self) -> &'static str {
        "embed"
    }

    /// Every id is a row of its table: the tokenizer was checked against them.
    fn cpu_fwd(
        &self,
        words: &CpuStorage,
        words_layout: &Layout,
        positions: &CpuStorage,
        positions_layout: &Layout,
        types: &CpuStorage,
        types_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let words = slice(words, words_layout)?;
        let positions = slice(positions, positions_layout)?;
        let types = slice(types, types_layout)?;
        let h = self.norm.gamma.len();
        let mut out = vec![0f32; self.rows * h];
        on_vectors(
            #[inline(always)]
            || {
                let mut rows = out.chunks_exact_mut(h);
                for text in self.texts {
                    let tokens = text.ids.iter().zip(&text.types).zip(positions.chunks_exact(h));
                    for (((&id, &kind), position), row) in tokens.zip(&mut rows) {
                        let word = &words[id as usize * h..][..h];
                        let kind = &types[kind as usize * h..][..h];
                        for (((x, word), kind), position) in row.iter_mut().zip(word).zip(kind).zip(position)
                        {
                            *x = word + kind + position;
                        }
                        self.norm.row(row);
                    }
                }
            },
        );
        Ok((CpuStorage::F32(out), Shape::from((self.rows, h))))
    }
}

/// `activation(x + bias)` in place; `bias` is a row.
pub(super) struct Activate<'a> {
    pub(super) bias: &'a [f32],
    pub(super) activation: Activation,
}

impl InplaceOp1 for Activate<'_> {
    fn name(&self) -> &'static str {
        "bias-activation"
    }

    fn cpu_fwd(&self, storage: &mut CpuStorage, layout: &Layout) -> Result<()> {
        let rows = slice_mut(storage, layout)?.chunks_exact_mut(self.bias.len());
        on_vectors(
            #[inline(always)]
            || match self.activation {
                Activation::Gelu => apply(rows, self.bias, gelu),
                Activation::GeluTanh => apply(rows, self.bias, gelu_tanh),
                Activation::Relu => apply(rows, self.bias, |x| if x > 0.0 { x } else { 0.0 }),
            },
        );
        Ok(())
    }
}

#[inline(always)]
fn apply(rows: ChunksExactMut<'_, f32>, bias: &[f32], f: impl Fn(f32) -> f32) {
    for row in rows {
        for (x, bias) in row.iter_mut().zip(bias) {
            *x = f(*x + bias);
        }
    }
}

/// `norm(x + bias + residual)` in place; the residual is the second tensor, `bias` a row.
pub(super) struct AddNorm<'a> {
    pub(super) bias: &'a [f32],
    pub(super) norm: &'a Norm,
}

impl InplaceOp2 for AddNorm<'_> {
    fn name(&self) -> &'static str {
        "bias-residual-norm"
    }

    fn cpu_fwd(
        &self,
        x: &mut CpuStorage,
        x_layout: &Layout,
        residual: &CpuStorage,
        layout: &Layout,
    ) -> Result<()> {
        let h = self.bias.len();
        let (x, residual) = (slice_mut(x, x_layout)?, slice(residual, layout)?);
        on_vectors(
            #[inline(always)]
            || {
                for (row, residual) in x.chunks_exact_mut(h).zip(residual.chunks_exact(h)) {
                    for ((x, residual), bias) in row.iter_mut().zip(residual).zip(self.bias) {
                        *x = *x + bias + residual;
                    }
                    self.norm.row(row);
                }
            },
        );
        Ok(())
    }
}

/// One row per text, `[texts, h]`, from the rows of its tokens.
pub(super) struct Pool<'a> {
    pub(super) texts: &'a [&'a Tokens],
    pub(super) pooling: Pooling,
    /// Scales each row to length 1.
    pub(super) normalize: bool,
}

impl CustomOp1 for Pool<'_> {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (rows, h) = (slice(storage, layout)?, layout.dims()[1]);
        let mut out = vec![0f32; self.texts.len() * h];
        on_vectors(
            #[inline(always)]
            || {
                let mut at = 0;
                for (text, out) in self.texts.iter().zip(out.chunks_exact_mut(h)) {
                    let rows = &rows[at * h..(at + text.ids.len()) * h];
                    at += text.ids.len();
                    self.pool(rows, out);
                }
            },
        );
        Ok((CpuStorage::F32(out), Shape::from((self.texts.len(), h))))
    }
}

impl Pool<'_> {
    #[inline(always)]
    fn pool(&self, rows: &[f32], out: &mut [f32]) {
        let h = out.len();
        out.copy_from_slice(&rows[..h]);
        for row in rows.chunks_exact(h).skip(1) {
            match self.pooling {
                Pooling::Mean => out.iter_mut().zip(row).for_each(|(out, x)| *out += x),
                Pooling::Max => {
                    out.iter_mut().zip(row).for_each(|(out, x)| *out = if x > out { *x } else { *out })
                }
                Pooling::Cls => break,
            }
        }
        if self.pooling == Pooling::Mean {
            let count = (rows.len() / h) as f32;
            out.iter_mut().for_each(|x| *x /= count);
        }
        if self.normalize {
            let length = sum_of_squares(out).sqrt().max(1e-12);
            out.iter_mut().for_each(|x| *x /= length);
        }
    }
}
