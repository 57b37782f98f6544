//! One query against many stored rows, read where they lie: each result has the bits of [`dot`](super::dot) and
//! [`hidden`](super::hidden()) of the row as f32.
//!
//! With AVX and F16C the 16 lanes of a sum are two registers, and numbers of binary16 are widened on their way into them, so
//! that a row costs what reading it costs. Rows are taken one by one: read side by side, they no longer come from memory in
//! one stream, which took twice to four times as long over more rows than the caches hold. AVX-512 was no faster in any
//! cache, and is not used. Other machines widen a row into a buffer.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::dispatch::PANEL;
use super::rows::{dot, hidden};

/// Rows after the one at work of which the next is asked for, where they do not follow each other.
#[cfg(target_arch = "x86_64")]
const AHEAD: usize = 8;

/// Columns `start..start + width` of rows `[n, stride]`.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a, T> {
    values: &'a [T],
    stride: usize,
    start: usize,
    width: usize,
}

impl<'a, T> Stored<'a, T> {
    /// The columns `part` of `values [n, stride]`.
    ///
    /// # Panics
    /// When `part` does not lie inside a row.
    pub(crate) fn new(values: &'a [T], stride: usize, part: std::ops::Range<usize>) -> Self {
        assert!(part.start <= part.end && part.end <= stride, "columns of the matrix");
        Self { values, stride, start: part.start, width: part.len() }
    }

    #[inline(always)]
    fn row(&self, at: u32) -> &'a [T] {
        &self.values[at as usize * self.stride + self.start..][..self.width]
    }
}

/// `out [at.len()]`: the dot product of `query [width]` and each of the rows `at`. Cost: one pass over these rows.
///
/// # Panics
/// When lengths differ, or a row is not there.
pub(crate) fn dots32(query: &[f32], rows: Stored<'_, f32>, at: &[u32], out: &mut [f32]) {
    check(query, rows, at, out);
    #[cfg(target_arch = "x86_64")]
    if x86::run32(query, rows, at, out) {
        return;
    }
    plain32(query, rows, at, out);
}

/// As [`dots32`], of rows of binary16.
///
/// # Panics
/// When lengths differ, or a row is not there.
pub(crate) fn dots16(query: &[f32], rows: Stored<'_, f16>, at: &[u32], out: &mut [f32]) {
    check(query, rows, at, out);
    #[cfg(target_arch = "x86_64")]
    if x86::run::<false>(query, query, rows, at, out) {
        return;
    }
    plain(|row| dot(query, row), rows, at, out);
}

/// `out [at.len()]`: `weights . relu(query + p)` of each `p` of the rows `at`. Cost: one pass over these rows.
///
/// # Panics
/// When lengths differ, or a row is not there.
pub(crate) fn hidden16(query: &[f32], weights: &[f32], rows: Stored<'_, f16>, at: &[u32], out: &mut [f32]) {
    check(query, rows, at, out);
    assert_eq!(query.len(), weights.len(), "a weight of each hidden unit");
    #[cfg(target_arch = "x86_64")]
    if x86::run::<true>(query, weights, rows, at, out) {
        return;
    }
    plain(|row| hidden(query, row, weights), rows, at, out);
}

fn check<T>(query: &[f32], rows: Stored<'_, T>, at: &[u32], out: &[f32]) {
    assert_eq!(query.len(), rows.width, "a query of the width of a row");
    assert_eq!(at.len(), out.len(), "one result of each row");
}

fn plain32(query: &[f32], rows: Stored<'_, f32>, at: &[u32], out: &mut [f32]) {
    for (out, &at) in out.iter_mut().zip(at) {
        *out = dot(query, rows.row(at));
    }
}

/// Rows as f32, one after the other.
fn plain(sum: impl Fn(&[f32]) -> f32, rows: Stored<'_, f16>, at: &[u32], out: &mut [f32]) {
    let mut row = vec![0.0; rows.width];
    for (out, &at) in out.iter_mut().zip(at) {
        rows.row(at).convert_to_f32_slice(&mut row);
        *out = sum(&row);
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use half::f16;

    use super::{AHEAD, PANEL, Stored};

    /// The sums of all rows `at` where the processor has the instructions; else false, and `out` is as it was.
    ///
    /// `HIDDEN`: `weights . relu(query + row)`, else `query . row`.
    #[expect(unsafe_code, reason = "listed in ARCHITECTURE.md")]
    pub(super) fn run<const HIDDEN: bool>(
        query: &[f32],
        weights: &[f32],
        rows: Stored<'_, f16>,
        at: &[u32],
        out: &mut [f32],
    ) -> bool {
        let has = is_x86_feature_detected!("avx") && is_x86_feature_detected!("f16c");
        if has {
            // SAFETY: the processor has both features, as was just asked.
            unsafe { sums::<HIDDEN>(query, weights, rows, at, out) };
        }
        has
    }

    #[target_feature(enable = "avx,f16c")]
    fn sums<const HIDDEN: bool>(
        query: &[f32],
        weights: &[f32],
        rows: Stored<'_, f16>,
        at: &[u32],
        out: &mut [f32],
    ) {
        let (query, query_rest) = panels(query);
        let (weights, weights_rest) = panels(weights);
        for (i, (out, &row)) in out.iter_mut().zip(at).enumerate() {
            // Rows in a stream come by themselves.
            if let Some(&next) = at.get(i + AHEAD).filter(|&&next| next != row + AHEAD as u32) {
                ask_for(rows.row(next));
            }
            let (row, rest) = rows.row(row).as_chunks::<PANEL>();
            let mut sum = [_mm256_setzero_ps(); 2];
            for ((q, w), y) in query.iter().zip(weights).zip(row) {
                sum = add::<HIDDEN>(sum, q, w, y);
            }
            if !rest.is_empty() {
                // What is added in the lanes beyond the end is 0, which changes no sum: none is -0.
                let mut padded = [f16::ZERO; PANEL];
                padded[..rest.len()].copy_from_slice(rest);
                sum = add::<HIDDEN>(sum, &query_rest, &weights_rest, &padded);
            }
            *out = reduce(sum);
        }
    }

    /// [`run`] of rows of f32, without hidden units.
    #[expect(unsafe_code, reason = "listed in ARCHITECTURE.md")]
    pub(super) fn run32(query: &[f32], rows: Stored<'_, f32>, at: &[u32], out: &mut [f32]) -> bool {
        let has = is_x86_feature_detected!("avx");
        if has {
            // SAFETY: the processor has it, as was just asked.
            unsafe { sums32(query, rows, at, out) };
        }
        has
    }

    /// Two rows at once: the sums of one alone wait for each other.
    #[target_feature(enable = "avx")]
    fn sums32(query: &[f32], rows: Stored<'_, f32>, at: &[u32], out: &mut [f32]) {
        let (query, query_rest) = panels(query);
        for (out, at) in out.chunks_mut(2).zip(at.chunks(2)) {
            // A last one stands beside itself.
            let (x, x_rest) = rows.row(at[0]).as_chunks::<PANEL>();
            let (y, y_rest) = rows.row(at[at.len() - 1]).as_chunks::<PANEL>();
            let mut sums = [[_mm256_setzero_ps(); 2]; 2];
            for ((q, x), y) in query.iter().zip(x).zip(y) {
                sums = [add32(sums[0], q, x), add32(sums[1], q, y)];
            }
            if !x_rest.is_empty() {
                let (mut x, mut y) = ([0.0; PANEL], [0.0; PANEL]);
                x[..x_rest.len()].copy_from_slice(x_rest);
                y[..y_rest.len()].copy_from_slice(y_rest);
                sums = [add32(sums[0], &query_rest, &x), add32(sums[1], &query_rest, &y)];
            }
            for (out, sums) in out.iter_mut().zip(sums) {
                *out = reduce(sums);
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx")]
    fn add32(sum: [__m256; 2], query: &[f32; PANEL], row: &[f32; PANEL]) -> [__m256; 2] {
        let (x, y) = (read(query), read(row));
        [_mm256_add_ps(sum[0], _mm256_mul_ps(x[0], y[0])), _mm256_add_ps(sum[1], _mm256_mul_ps(x[1], y[1]))]
    }

    /// Whole panels, and the rest with zeros behind it.
    fn panels(x: &[f32]) -> (&[[f32; PANEL]], [f32; PANEL]) {
        let (whole, rest) = x.as_chunks::<PANEL>();
        let mut padded = [0.0; PANEL];
        padded[..rest.len()].copy_from_slice(rest);
        (whole, padded)
    }

    /// Rounded after each step, as in [`dot`](super::dot) and [`hidden`](super::hidden()): no fused multiply-add.
    #[inline]
    #[target_feature(enable = "avx,f16c")]
    fn add<const HIDDEN: bool>(
        sum: [__m256; 2],
        query: &[f32; PANEL],
        weights: &[f32; PANEL],
        row: &[f16; PANEL],
    ) -> [__m256; 2] {
        let (x, y) = (read(query), widen(row));
        if !HIDDEN {
            return [
                _mm256_add_ps(sum[0], _mm256_mul_ps(x[0], y[0])),
                _mm256_add_ps(sum[1], _mm256_mul_ps(x[1], y[1])),
            ];
        }
        let (w, zero) = (read(weights), _mm256_setzero_ps());
        // Of two operands, this instruction returns the second where one is NaN, as `f32::max` does of NaN and 0.
        let relu =
            [_mm256_max_ps(_mm256_add_ps(x[0], y[0]), zero), _mm256_max_ps(_mm256_add_ps(x[1], y[1]), zero)];
        [
            _mm256_add_ps(sum[0], _mm256_mul_ps(w[0], relu[0])),
            _mm256_add_ps(sum[1], _mm256_mul_ps(w[1], relu[1])),
        ]
    }

    #[inline]
    #[target_feature(enable = "avx")]
    #[expect(unsafe_code, reason = "listed in ARCHITECTURE.md")]
    fn read(x: &[f32; PANEL]) -> [__m256; 2] {
        // SAFETY: both types are 64 bytes of plain numbers. A load through a pointer is checked in a debugging build.
        unsafe { std::mem::transmute::<[f32; PANEL], [__m256; 2]>(*x) }
    }

    #[inline]
    #[target_feature(enable = "avx,f16c")]
    #[expect(unsafe_code, reason = "listed in ARCHITECTURE.md")]
    fn widen(x: &[f16; PANEL]) -> [__m256; 2] {
        // SAFETY: both types are 32 bytes of plain numbers.
        let [low, high] = unsafe { std::mem::transmute::<[f16; PANEL], [__m128i; 2]>(*x) };
        [_mm256_cvtph_ps(low), _mm256_cvtph_ps(high)]
    }

    /// The tree of [`dot`](super::dot): 16 lanes, 8, 4, 2, 1.
    #[inline]
    #[target_feature(enable = "avx")]
    fn reduce(sum: [__m256; 2]) -> f32 {
        let eight = _mm256_add_ps(sum[0], sum[1]);
        let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
    }

    /// Lets the row come into the cache.
    #[inline]
    #[allow(unsafe_code, unused_unsafe, reason = "listed in ARCHITECTURE.md; safe in newer compilers")]
    fn ask_for(row: &[f16]) {
        /// Numbers of a cache line.
        const LINE: usize = 32;
        let mut at = 0;
        while at < row.len() {
            let line: *const i8 = row[at..].as_ptr().cast();
            // SAFETY: it is a hint, which reads nothing; every x86-64 processor has it.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line) };
            at += LINE;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of both signs and many sizes, among them subnormal ones of binary16 and both zeros.
    fn noise(n: usize, seed: usize) -> Vec<f32> {
        let at = |i: usize| ((i * 7919 + seed * 104_729 + 13) % 2003) as f32 / 1001.0 - 1.0;
        (0..n).map(|i| at(i) * 10f32.powi((i % 11) as i32 - 7) * (i % 5).min(1) as f32).collect()
    }

    fn bits(x: &[f32]) -> Vec<u32> {
        x.iter().map(|x| x.to_bits()).collect()
    }

    /// The rows of this order ask for single ones ahead, and end in a stream.
    fn order(n: usize) -> Vec<u32> {
        let n = n as u32;
        (0..n).rev().chain((0..n).filter(|i| i % 3 == 1)).chain(0..n).collect()
    }

    #[test]
    fn rows_have_the_bits_of_one_sum_each() {
        for (n, stride, part) in
            [(40, 256, 0..256), (19, 37, 0..37), (23, 50, 9..50), (12, 16, 3..5), (5, 8, 8..8), (0, 5, 0..5)]
        {
            let width = part.len();
            let stored: Vec<f16> = noise(n * stride, 1).into_iter().map(f16::from_f32).collect();
            let wide: Vec<f32> = stored.iter().map(|x| x.to_f32()).collect();
            let (query, weights) = (noise(width, 2), noise(width, 3));
            let at = order(n);
            let row = |at: &u32| &wide[*at as usize * stride..][..stride][part.clone()];
            let rows = Stored::new(&stored, stride, part.clone());
            let mut out = vec![f32::NAN; at.len()];

            let expected: Vec<f32> = at.iter().map(|at| dot(&query, row(at))).collect();
            dots16(&query, rows, &at, &mut out);
            assert_eq!(bits(&out), bits(&expected), "{n} {stride} {part:?}");
            plain(|row| dot(&query, row), rows, &at, &mut out);
            assert_eq!(bits(&out), bits(&expected), "any machine: {n} {stride} {part:?}");
            out.fill(f32::NAN);
            dots32(&query, Stored::new(&wide, stride, part.clone()), &at, &mut out);
            assert_eq!(bits(&out), bits(&expected), "f32: {n} {stride} {part:?}");
            plain32(&query, Stored::new(&wide, stride, part.clone()), &at, &mut out);
            assert_eq!(bits(&out), bits(&expected), "f32, any machine: {n} {stride} {part:?}");

            let expected: Vec<f32> = at.iter().map(|at| hidden(&query, row(at), &weights)).collect();
            hidden16(&query, &weights, rows, &at, &mut out);
            assert_eq!(bits(&out), bits(&expected), "hidden: {n} {stride} {part:?}");
            plain(|row| hidden(&query, row, &weights), rows, &at, &mut out);
            assert_eq!(bits(&out), bits(&expected), "hidden, any machine: {n} {stride} {part:?}");
        }
    }

    #[test]
    fn numbers_of_binary16_are_widened_as_one_by_one() {
        // Every finite number of binary16, by itself in its row.
        let stored: Vec<f16> = (0..=u16::MAX).map(f16::from_bits).filter(|x| x.is_finite()).collect();
        let at: Vec<u32> = (0..stored.len() as u32).collect();
        let mut out = vec![f32::NAN; at.len()];
        dots16(&[1.0], Stored::new(&stored, 1, 0..1), &at, &mut out);
        let one = |x: &f16| dot(&[1.0], &[x.to_f32()]);
        assert_eq!(bits(&out), stored.iter().map(|x| one(x).to_bits()).collect::<Vec<u32>>());
    }

    #[test]
    fn a_damaged_row_is_no_finite_number() {
        for damage in [f16::NAN, f16::INFINITY, f16::NEG_INFINITY] {
            for place in [0, 17, 36] {
                let mut stored: Vec<f16> = noise(2 * 37, 1).into_iter().map(f16::from_f32).collect();
                stored[37 + place] = damage;
                let mut out = [0.0; 2];
                dots16(&[0.5; 37], Stored::new(&stored, 37, 0..37), &[0, 1], &mut out);
                assert!(out[0].is_finite() && !out[1].is_finite(), "{damage} at {place}: {out:?}");
                let (query, weights) = ([0.25; 37], [0.5; 37]);
                hidden16(&query, &weights, Stored::new(&stored, 37, 0..37), &[0, 1], &mut out);
                let row: Vec<f32> = stored[37..].iter().map(|x| x.to_f32()).collect();
                assert_eq!(out[1].to_bits(), hidden(&query, &row, &weights).to_bits(), "{damage} at {place}");
            }
        }
    }
}
