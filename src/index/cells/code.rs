//! Codes of four bits per element: what they stand for, and comparing a query with them.
//!
//! `x_j ~ mean_j + step_j * scale * (code_j - 7.5)`, `scale` per row. A step is the standard deviation of an element over the
//! rows, so that the codes of all elements are used alike; a scale fits the longest element of a row, so nothing is cut off.

use crate::encode::kernel::{GROUP, IntQuery, dot, int_products};

/// The middle of the codes 0 to 15.
const MIDDLE: f32 = 7.5;
/// Scales that are tried, as shares of the one that cuts nothing off.
const SHARES: [f32; 6] = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5];

/// What codes are relative to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Basis<'a> {
    /// `[d]`.
    pub(crate) mean: &'a [f32],
    /// `[d]`, above 0.
    pub(crate) steps: &'a [f32],
}

impl Basis<'_> {
    /// Replaces `codes [d]` by those of `x [d]` and gives the scale; the same on every machine. Cost: some 20 passes over `d`.
    fn encode(&self, x: &[f32], scratch: &mut Vec<f32>, codes: &mut [u8]) -> f32 {
        scratch.clear();
        scratch.extend(x.iter().zip(self.mean).zip(self.steps).map(|((x, mean), step)| (x - mean) / step));
        let most = scratch.iter().fold(0.0f32, |most, y| most.max(y.abs()));
        if most == 0.0 || !most.is_finite() {
            codes.fill(0);
            return 0.0;
        }
        let whole = most / MIDDLE;
        let mut best = (f32::INFINITY, whole);
        for share in SHARES {
            let scale = whole * share;
            let lost = error(scratch, scale);
            if lost < best.0 {
                best = (lost, scale);
            }
        }
        let inverse = 1.0 / best.1;
        let (mut with, mut own) = (0.0f32, 0.0f32);
        for (code, y) in codes.iter_mut().zip(scratch.iter()) {
            *code = code_of(y * inverse);
            let c = f32::from(*code) - MIDDLE;
            with += y * c;
            own += c * c;
        }
        // The scale of least squares for these codes.
        if own > 0.0 && with > 0.0 { with / own } else { best.1 }
    }
}

fn code_of(y: f32) -> u8 {
    (y + MIDDLE).round().clamp(0.0, 15.0) as u8
}

fn error(y: &[f32], scale: f32) -> f32 {
    let inverse = 1.0 / scale;
    let mut lanes = [0.0f32; GROUP];
    let (chunks, rest) = y.as_chunks::<GROUP>();
    for chunk in chunks {
        for (lane, y) in lanes.iter_mut().zip(chunk) {
            let z = y * inverse;
            let off = z - ((z + MIDDLE).round().clamp(0.0, 15.0) - MIDDLE);
            *lane += off * off;
        }
    }
    let mut last = 0.0f32;
    for y in rest {
        let off = y * inverse - (f32::from(code_of(y * inverse)) - MIDDLE);
        last += off * off;
    }
    (lanes.iter().sum::<f32>() + last) * scale * scale
}

/// Codes row after row, with room that is used again.
pub(crate) struct Coder<'a> {
    basis: Basis<'a>,
    codes: Vec<u8>,
    scratch: Vec<f32>,
}

impl<'a> Coder<'a> {
    pub(crate) fn new(basis: Basis<'a>) -> Self {
        Self { basis, codes: vec![0; basis.mean.len()], scratch: Vec::new() }
    }

    /// Codes `x [d]` as row `at` of the group `bytes`, whose bytes of this row are 0; gives the scale.
    pub(crate) fn put(&mut self, x: &[f32], at: usize, bytes: &mut [u8]) -> f32 {
        let scale = self.basis.encode(x, &mut self.scratch, &mut self.codes);
        pack(&self.codes, at, bytes);
        scale
    }
}

/// Puts `codes [d]` of row `at` into the group `bytes`, whose bytes of this row are 0.
fn pack(codes: &[u8], at: usize, bytes: &mut [u8]) {
    for (block, codes) in bytes.chunks_exact_mut(4 * GROUP).zip(codes.chunks(8)) {
        for (t, code) in codes.iter().enumerate() {
            let shift = if t < 4 { 0 } else { 4 };
            block[4 * at + t % 4] |= code << shift;
        }
    }
}

/// A linear form `g . x` over coded rows.
#[derive(Debug, Clone, Default)]
pub(crate) struct CodeQuery {
    numbers: IntQuery,
    /// `g . mean`.
    base: f32,
    /// What a number stands for.
    unit: f32,
}

impl CodeQuery {
    /// Of `g [d]`, rounded to 8 bits in steps of the basis.
    pub(crate) fn new(g: &[f32], basis: Basis<'_>) -> Self {
        let scaled: Vec<f32> = g.iter().zip(basis.steps).map(|(g, step)| g * step).collect();
        let most = scaled.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        let unit = if most.is_finite() { most / 127.0 } else { 0.0 };
        let inverse = if unit > 0.0 { 1.0 / unit } else { 0.0 };
        let numbers: Vec<i8> = scaled.iter().map(|x| (x * inverse).round() as i8).collect();
        Self { numbers: IntQuery::new(&numbers), base: dot(g, basis.mean), unit }
    }

    /// Integer sums of the rows of `codes`, whole groups.
    pub(crate) fn sums(&self, codes: &[u8], out: &mut [[i32; GROUP]]) {
        int_products(codes, &self.numbers, out);
    }

    /// What an integer sum says of `g . x`, for a row of this scale.
    #[inline]
    pub(crate) fn value(&self, sum: i32, scale: f32) -> f32 {
        self.base + self.unit * scale * (sum as f32 - MIDDLE * self.numbers.sum() as f32)
    }

    /// [`CodeQuery::value`] of a group, by the inverse norms where `by_norm`.
    #[inline]
    pub(crate) fn values(
        &self,
        sums: &[i32; GROUP],
        scales: &[[f32; 2]; GROUP],
        by_norm: bool,
    ) -> [f32; GROUP] {
        let shift = MIDDLE * self.numbers.sum() as f32;
        let mut values = [0.0; GROUP];
        for ((value, sum), [scale, _]) in values.iter_mut().zip(sums).zip(scales) {
            *value = self.base + self.unit * scale * (*sum as f32 - shift);
        }
        if by_norm {
            values.iter_mut().zip(scales).for_each(|(value, [_, norm])| *value *= norm);
        }
        values
    }

    /// Bytes of a group.
    pub(crate) fn group_bytes(&self) -> usize {
        self.numbers.group_bytes()
    }
}

#[cfg(test)]
mod tests {
    use uncsm_format::cells::code_bytes;

    use super::*;

    fn rows(n: usize, d: usize) -> Vec<f32> {
        let at = |i: usize| ((i.wrapping_mul(2_654_435_761) >> 8) % 2001) as f32 / 1000.0 - 1.0;
        (0..n * d).map(|i| at(i) * (1.0 + (i % d) as f32)).collect()
    }

    #[test]
    fn codes_keep_dot_products_to_a_few_per_cent() {
        let (n, d) = (37, 21);
        let rows = rows(n, d);
        let mean = vec![0.1; d];
        let steps: Vec<f32> = (0..d).map(|j| (1.0 + j as f32) / 3f32.sqrt()).collect();
        let basis = Basis { mean: &mean, steps: &steps };
        let width = code_bytes(d);
        let mut bytes = vec![0; n.div_ceil(GROUP) * width];
        let mut coder = Coder::new(basis);
        let put =
            |(i, row): (usize, &[f32])| coder.put(row, i % GROUP, &mut bytes[i / GROUP * width..][..width]);
        let scales: Vec<f32> = rows.chunks(d).enumerate().map(put).collect();
        let g: Vec<f32> = (0..d).map(|j| (j as f32 - 8.0) / (1.0 + j as f32)).collect();
        let query = CodeQuery::new(&g, basis);
        let mut sums = vec![[0; GROUP]; n.div_ceil(GROUP)];
        query.sums(&bytes, &mut sums);
        let (mut off, mut all) = (0.0, 0.0);
        for (i, row) in rows.chunks(d).enumerate() {
            let right = dot(&g, row);
            off += (query.value(sums[i / GROUP][i % GROUP], scales[i]) - right).powi(2);
            all += right * right;
        }
        assert!((off / all).sqrt() < 0.12, "{}", (off / all).sqrt());
    }

    #[test]
    fn what_has_no_code_is_the_mean() {
        let basis = Basis { mean: &[1.0, 2.0], steps: &[1.0, 1.0] };
        let mut codes = [9; 2];
        for x in [[1.0, 2.0], [f32::NAN, f32::INFINITY]] {
            assert_eq!(basis.encode(&x, &mut Vec::new(), &mut codes), 0.0);
            assert_eq!(codes, [0; 2]);
        }
        let query = CodeQuery::new(&[3.0, 1.0], basis);
        assert_eq!(query.value(12, 0.0), 5.0);
    }
}
