//! The directions in which the responses of the media types agree: regularised kernel canonical correlation analysis.
//!
//! With centred covariances `C_ab` of the responses and `K_aa` of the landmarks: `S_aa = C_aa + c K_aa`, `c = r v / m`, where
//! `v / m` is the mean variance of a direction of kernel principal components; `W_a S_aa W_a' = I`,
//! `M = W_a C_ab W_b' = U diag(s) V'`. The unit part of a response `k` is `diag(s)^p U' W_a (k - mean)`: whitened canonical
//! coordinates, each weighted by a power of its correlation. For more than two media types `U` stacks the eigenvectors of
//! the matrix of all `M_ab` (the sum of correlations: Horst, "Relations among m sets of measures", 1961).

use candle_core::{DType, Result, Tensor};

use super::moments::{Cross, Moments, Side};
use crate::train::linear::{Triplets, Whitener, elements, inner, largest_triplets, matrix, residual_bases};

/// Directions of each media type `[m, k]`, their correlations, and the means of the responses `[1, m]`.
pub(super) struct Units {
    directions: Vec<Tensor>,
    correlations: Vec<f64>,
    pub(super) means: Vec<Tensor>,
    /// More directions of each media type, whitened too, that are not in step with those of others; empty for none.
    more: Vec<Tensor>,
}

/// Weights `[k, m]` and bias `[k]` of the unit part of a media type.
pub(super) type Readout = (Vec<f32>, Vec<f32>);

impl Side {
    pub(super) fn mean(&self) -> Result<Tensor> {
        &self.sum * (1.0 / self.rows.max(1.0))
    }
}

impl Cross {
    /// The covariance `[m_a, m_b]` about the means of all rows of each media type.
    fn covariance(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let n = self.rows;
        let part = |x: &Tensor, y: &Tensor| inner(x, y);
        let linear = (part(a, &self.sums[1])? + part(&self.sums[0], b)?)?;
        ((&self.products - linear)? * (1.0 / n))? + part(a, b)?
    }
}

impl Units {
    /// At most `k` directions with the ridge `r`, and up to `more` beside them; `None` where no row has items of two media types.
    pub(super) fn fit(moments: &Moments, ridge: f64, k: usize, more: usize) -> Result<Option<Self>> {
        let sides = &moments.sides;
        if moments.cross.iter().all(|cross| cross.rows < 2.0) || k == 0 {
            return Ok(None);
        }
        let means = sides.iter().map(Side::mean).collect::<Result<Vec<_>>>()?;
        let mut whiteners = Vec::with_capacity(sides.len());
        for (side, mean) in sides.iter().zip(&means) {
            let covariance = ((&side.squares * (1.0 / side.rows.max(1.0)))? - inner(mean, mean)?)?;
            let m = side.kernel.len() as f64;
            // Responses to oneself are 1; what the mean does not explain of them is variance.
            let variance = (1.0 - elements(mean)?.iter().sum::<f64>() / m).max(1e-6);
            whiteners.push(Whitener::new(&(covariance + (&side.within * (ridge * variance / m))?)?)?);
        }
        let mut blocks = Vec::new();
        for cross in moments.cross.iter().filter(|cross| cross.rows >= 2.0) {
            let covariance = cross.covariance(&means[cross.a], &means[cross.b])?;
            let half = whiteners[cross.a].apply(&covariance)?;
            let whitened = whiteners[cross.b].apply(&half.t()?)?.t()?;
            blocks.push((cross.a, cross.b, whitened));
        }
        let (parts, correlations) = match (&blocks[..], sides.len()) {
            ([(_, _, m)], 2) => {
                let Triplets { left, values, right } = largest_triplets(m, k)?;
                (vec![left, right], values)
            }
            _ => stacked(&blocks, &sides.iter().map(|side| side.kernel.len()).collect::<Vec<_>>(), k)?,
        };
        // Where nothing correlates there is no direction.
        if correlations.is_empty() {
            return Ok(None);
        }
        let more = residual_bases(&blocks, &parts, more)?;
        // A media type that is paired with no other has nothing but rounding, which unit length would blow up.
        let unwhitened = |parts: Vec<Tensor>| -> Result<Vec<Tensor>> {
            let each = parts.iter().zip(&whiteners).enumerate();
            let each = each.map(|(m, (part, w))| match blocks.iter().any(|(a, b, _)| *a == m || *b == m) {
                true => w.apply_transposed(part),
                false => part.zeros_like(),
            });
            each.collect()
        };
        Ok(Some(Self {
            directions: unwhitened(parts)?,
            correlations,
            means,
            more: unwhitened(more.unwrap_or_default())?,
        }))
    }

    /// A map `[m, q]` of the responses of media type `side`, less their mean, to its directions and those beside them, each scaled by the
    /// root of its correlation, or of the least.
    pub(super) fn coordinates(&self, side: usize) -> Result<Tensor> {
        let mut scales = self.factors(0.5);
        let least = scales.last().copied().unwrap_or_default();
        let all = match self.more.get(side) {
            Some(more) => Tensor::cat(&[&self.directions[side], more], 1)?,
            None => self.directions[side].clone(),
        };
        let q = all.dim(1)?;
        scales.resize(q, least);
        all.broadcast_mul(&matrix(scales, 1, q)?)
    }

    /// Correlations to the power `p` `[k]`.
    pub(super) fn factors(&self, power: f64) -> Vec<f64> {
        self.correlations.iter().map(|s| s.max(0.0).powf(power)).collect()
    }

    /// The map `[q, unit]` of coordinates to the unit part with correlations to the power `p`, filled up with zeros.
    pub(super) fn start(&self, side: usize, power: f64, unit: usize) -> Result<Tensor> {
        let q = self.correlations.len() + self.more.get(side).map_or(Ok(0), |more| more.dim(1))?;
        let mut map = vec![0.0; q * unit];
        // Coordinates have the root of the correlation already.
        for (i, (all, root)) in self.factors(power).into_iter().zip(self.factors(0.5)).enumerate() {
            map[i * unit + i] = if root > 0.0 { all / root } else { 0.0 };
        }
        matrix(map, q, unit)
    }

    /// The readout of media type `side`, with correlations to the power `p`.
    pub(super) fn readout(&self, side: usize, power: f64) -> Result<Readout> {
        let k = self.correlations.len();
        let directions = self.directions[side].broadcast_mul(&matrix(self.factors(power), 1, k)?)?;
        readout(&directions, &self.means[side])
    }

    /// The readouts of all media types.
    pub(super) fn readouts(&self, power: f64) -> Result<Vec<Readout>> {
        (0..self.directions.len()).map(|side| self.readout(side, power)).collect()
    }
}

/// The readout of directions `[m, k]` of responses, less their mean `[1, m]`.
pub(super) fn readout(directions: &Tensor, mean: &Tensor) -> Result<Readout> {
    let bias = elements(&mean.matmul(directions)?.neg()?)?;
    let weights = elements(&directions.t()?.contiguous()?)?;
    Ok((narrow(&weights), narrow(&bias)))
}

pub(super) fn narrow(x: &[f64]) -> Vec<f32> {
    x.iter().map(|x| *x as f32).collect()
}

/// The leading eigenvectors of the symmetric matrix of all blocks `(a, b, M_ab)`, cut by media type, and the eigenvalues.
fn stacked(blocks: &[(usize, usize, Tensor)], sizes: &[usize], k: usize) -> Result<(Vec<Tensor>, Vec<f64>)> {
    let ends: Vec<usize> = sizes
        .iter()
        .scan(0, |end, size| {
            *end += size;
            Some(*end)
        })
        .collect();
    let n = ends.last().copied().unwrap_or(0);
    let others = (sizes.len() - 1).max(1) as f64;
    // No eigenvalue is below minus the number of other media types: shifted, all are singular values.
    let mut all: Vec<f64> =
        elements(&Tensor::eye(n, DType::F64, &candle_core::Device::Cpu)?.affine(others, 0.0)?)?;
    for (a, b, block) in blocks {
        let (from_a, from_b) = (ends[*a] - sizes[*a], ends[*b] - sizes[*b]);
        for (i, row) in elements(block)?.chunks_exact(sizes[*b]).enumerate() {
            for (j, x) in row.iter().enumerate() {
                all[(from_a + i) * n + from_b + j] = *x;
                all[(from_b + j) * n + from_a + i] = *x;
            }
        }
    }
    let Triplets { left, values, .. } = largest_triplets(&matrix(all, n, n)?, k)?;
    // Those that are not positive agree in nothing.
    let kept = values.iter().take_while(|x| **x > others * (1.0 + 1e-9)).count().max(1);
    // With two media types each part of a stacked vector has the length sqrt(1/2); so every part is brought to 1 on average.
    let left = (left.narrow(1, 0, kept)? * (sizes.len() as f64).sqrt())?;
    let parts = ends.iter().zip(sizes).map(|(end, size)| left.narrow(0, end - size, *size)?.contiguous());
    let correlations = values[..kept].iter().map(|x| (x - others).max(0.0) / others).collect();
    Ok((parts.collect::<Result<_>>()?, correlations))
}
