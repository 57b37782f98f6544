//! Directions in which the scores of rows differ most: what few numbers of a row say most about.
//!
//! With the covariance `S` of rows `x` and the mean `A` of `g g'` over queries `g`, each ranking normalised to the variance of its scores,
//! the directions are the leading eigenvectors of `A S`: for `A = C C'` and eigenvectors `w` of `C' S C` by descending eigenvalue, `z = w' C' (x - mean)`
//! are uncorrelated numbers of a row, and `g . (x - mean)` is the sum of `z (C^-1 g)' w`.

use rayon::prelude::*;
use uncsm_format::cells::Elements;

use super::rows::{RowSource, spread};
use crate::encode::kernel::{Rows, dot, products};

/// Numbers of the rows that the covariance is taken of, and rows at least and at most.
const NUMBERS: usize = 1 << 22;
const LEAST_ROWS: usize = 1 << 11;
const MOST_ROWS: usize = 1 << 14;
/// Rounds of orthogonal iteration. Directions of near eigenvalues stay mixed, which loses nothing.
const ROUNDS: usize = 30;
/// Share of the mean diagonal of `A` that is added to it: directions that no sample query has still count a little.
const RIDGE: f32 = 1e-3;

/// Directions of a space of `d` elements.
pub(crate) struct Axes {
    /// `[d]`.
    pub(crate) mean: Vec<f32>,
    /// What gives the numbers `z [m]` of a row `[m, d]`.
    pub(crate) to: Vec<f32>,
    /// What gives those of a query, so that the dot product of both is that of row and query `[m, d]`.
    pub(crate) from: Vec<f32>,
}

impl Axes {
    /// Of the rows, for queries like those of `rankings`, each `[q, d]`; without any, the principal directions. The same on every
    /// machine. Cost: some 10 `d^3`, and `d^2` for each of up to 16,384 rows.
    pub(crate) fn learn(rows: &dyn RowSource, dim: usize, rankings: &[Vec<f32>]) -> Self {
        let m = Elements::of(dim).directions;
        let (mean, s) = covariance(rows, dim);
        let a = weights(&s, dim, rankings);
        let lower = cholesky(&a, dim);
        let upper = transposed(&lower, dim, dim);
        // C'SC, which is its own transpose.
        let sc = transposed(&by(&s, &upper, dim), dim, dim);
        let leading = leading(&by(&upper, &sc, dim), m, dim);
        let to = by(&leading, &lower, dim);
        let mut from = leading;
        from.par_chunks_exact_mut(dim.max(1)).for_each(|w| solve(&upper, w));
        let is_sound = to.iter().chain(&from).all(|x| x.is_finite());
        // Of values beyond the range of sums nothing is told.
        let sound = |values: Vec<f32>| if is_sound { values } else { vec![0.0; values.len()] };
        Self { mean, to: sound(to), from: sound(from) }
    }
}

/// `out [rows of a, rows of b]`: all dot products.
fn by(a: &[f32], b: &[f32], dim: usize) -> Vec<f32> {
    const TASK: usize = 32;
    let columns = b.len() / dim.max(1);
    let mut out = vec![0.0; a.len() / dim.max(1) * columns];
    let parts = out.par_chunks_mut((TASK * columns).max(1)).zip(a.par_chunks((TASK * dim).max(1)));
    parts.for_each(|(out, a)| products(Rows::new(a, dim), Rows::new(b, dim), out));
    out
}

/// `[columns, rows]` of `values [rows, columns]`.
fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut out = vec![0.0; values.len()];
    for (i, row) in values.chunks_exact(columns.max(1)).enumerate() {
        row.iter().enumerate().for_each(|(j, x)| out[j * rows + i] = *x);
    }
    out
}

/// Mean `[d]` and covariance `[d, d]` of a spread of the rows.
fn covariance(rows: &dyn RowSource, dim: usize) -> (Vec<f32>, Vec<f32>) {
    let most = (NUMBERS / dim.max(1)).clamp(LEAST_ROWS, MOST_ROWS);
    let taken: Vec<usize> = spread(rows.len(), most).collect();
    let count = taken.len().max(1);
    let mut all = vec![0.0; taken.len() * dim];
    for (row, out) in taken.iter().zip(all.chunks_exact_mut(dim.max(1))) {
        rows.vector(*row, out);
    }
    let mut sums = vec![0.0f64; dim];
    for row in all.chunks_exact(dim.max(1)) {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += f64::from(*x));
    }
    let mean: Vec<f32> = sums.iter().map(|sum| (sum / count as f64) as f32).collect();
    for row in all.chunks_exact_mut(dim.max(1)) {
        row.iter_mut().zip(&mean).for_each(|(x, mean)| *x -= mean);
    }
    let all = transposed(&all, taken.len(), dim);
    let mut s = by(&all, &all, taken.len());
    s.iter_mut().for_each(|x| *x /= count as f32);
    (mean, s)
}

/// The mean of `g g'`.
fn weights(s: &[f32], dim: usize, rankings: &[Vec<f32>]) -> Vec<f32> {
    let mut a = vec![0.0f32; dim * dim];
    for forms in rankings.iter().filter(|forms| !forms.is_empty()) {
        let count = forms.len() / dim.max(1);
        let columns = transposed(forms, count, dim);
        let moment = by(&columns, &columns, count);
        // The variance of the scores, summed over the queries.
        let variance = dot(&moment, s);
        if variance.is_finite() && variance > 0.0 {
            a.iter_mut().zip(&moment).for_each(|(a, x)| *a += x / variance);
        }
    }
    let trace: f32 = (0..dim).map(|i| a[i * dim + i]).sum();
    let is_known = trace.is_finite() && trace > 0.0;
    let ridge = if is_known { RIDGE * trace / dim as f32 } else { 1.0 };
    if !is_known {
        a.fill(0.0);
    }
    (0..dim).for_each(|i| a[i * dim + i] += ridge);
    a
}

/// The lower triangle `C [d, d]` with `C C' = a`.
fn cholesky(a: &[f32], dim: usize) -> Vec<f32> {
    let mut c = vec![0.0f64; dim * dim];
    for i in 0..dim {
        for j in 0..=i {
            let (row, other) = (&c[i * dim..i * dim + j], &c[j * dim..j * dim + j]);
            let rest = f64::from(a[i * dim + j]) - row.iter().zip(other).map(|(x, y)| x * y).sum::<f64>();
            c[i * dim + j] =
                if i == j { rest.max(f64::from(f32::MIN_POSITIVE)).sqrt() } else { rest / c[j * dim + j] };
        }
    }
    c.into_iter().map(|x| x as f32).collect()
}

/// Replaces `w` by `f` with `C' f = w`, for the upper triangle `C'`.
fn solve(upper: &[f32], w: &mut [f32]) {
    let dim = w.len();
    for i in (0..dim).rev() {
        let row = &upper[i * dim..(i + 1) * dim];
        let rest = w[i] - dot(&row[i + 1..], &w[i + 1..]);
        w[i] = rest / row[i];
    }
}

/// The leading `count` eigenvectors `[count, d]` of the symmetric `a`, nearly.
fn leading(a: &[f32], count: usize, dim: usize) -> Vec<f32> {
    let mut order: Vec<usize> = (0..dim).collect();
    order.sort_by(|&i, &j| a[j * dim + j].total_cmp(&a[i * dim + i]).then(i.cmp(&j)));
    // Unit vectors of what varies most, with a little of all others.
    let little =
        |i: usize| ((i as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40) as f32 / (1u64 << 24) as f32 - 0.5;
    let mut w: Vec<f32> = (0..count * dim).map(|i| 0.02 * little(i)).collect();
    for (row, &at) in w.chunks_exact_mut(dim.max(1)).zip(&order) {
        row[at] += 1.0;
    }
    orthogonalise(&mut w, &[], dim);
    for _ in 0..ROUNDS {
        let before = w;
        w = by(&before, a, dim);
        orthogonalise(&mut w, &before, dim);
    }
    w
}

/// Makes rows `[m, d]` unit vectors at right angles, in their order. One in which nothing new is left takes the row of `other`, and is 0
/// where that has nothing new either.
fn orthogonalise(w: &mut [f32], other: &[f32], dim: usize) {
    for i in 0..w.len() / dim.max(1) {
        let (before, rest) = w.split_at_mut(i * dim);
        let row = &mut rest[..dim];
        if !make_new(before, row, dim) {
            match other.get(i * dim..(i + 1) * dim) {
                Some(other) => row.copy_from_slice(other),
                None => row.fill(0.0),
            }
            if !make_new(before, row, dim) {
                row.fill(0.0);
            }
        }
    }
}

/// Takes what `before` has out of `row`, twice for accuracy, and makes it a unit vector; `false` where nothing is left.
fn make_new(before: &[f32], row: &mut [f32], dim: usize) -> bool {
    let unit = |row: &mut [f32]| {
        let norm = dot(row, row).sqrt();
        let is_there = norm > f32::MIN_POSITIVE && norm.is_finite();
        if is_there {
            row.iter_mut().for_each(|x| *x /= norm);
        }
        is_there
    };
    if !unit(row) {
        return false;
    }
    let mut left = 1.0;
    for _ in 0..2 {
        for other in before.chunks_exact(dim) {
            let share = dot(other, row);
            row.iter_mut().zip(other).for_each(|(x, y)| *x -= share * y);
        }
        left *= dot(row, row).sqrt();
        if !unit(row) {
            return false;
        }
    }
    left > 1e-5
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Plain(Vec<f32>, usize);

    impl RowSource for Plain {
        fn len(&self) -> usize {
            self.0.len() / self.1
        }

        fn vector(&self, row: usize, vector: &mut [f32]) {
            vector.copy_from_slice(&self.0[row * self.1..][..self.1]);
        }

        fn rest(&self, _: usize, _: &mut [f32], _: &mut [f32]) {}

        fn inverse_norm(&self, _: usize) -> f32 {
            1.0
        }
    }

    fn noise(i: usize) -> f32 {
        let x = (i as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        ((x ^ (x >> 29)) % 20_011) as f32 / 10_005.5 - 1.0
    }

    #[test]
    fn numbers_of_rows_and_queries_keep_their_products_and_what_queries_ask_comes_first() {
        let (n, d) = (3000, 30);
        let rows = Plain((0..n * d).map(|i| noise(i) * (1.0 + (i % d) as f32 / 8.0) + 0.5).collect(), d);
        // One ranking asks for element 3 alone, another, of greater numbers, for all.
        let one: Vec<f32> = (0..50 * d).map(|i| if i % d == 3 { 1.0 + noise(i) } else { 0.0 }).collect();
        let all: Vec<f32> = (0..50 * d).map(|i| 100.0 * noise(i + 7)).collect();
        let axes = Axes::learn(&rows, d, &[one, all.clone()]);
        let row = |values: &[f32], i: usize| values[i * d..(i + 1) * d].to_vec();
        for i in 0..d {
            for j in 0..d {
                let product = dot(&row(&axes.to, i), &row(&axes.from, j));
                assert!((product - f32::from(u8::from(i == j))).abs() < 1e-3, "{i} {j} {product}");
            }
        }
        let first = row(&axes.to, 0);
        let share = first[3] * first[3] / dot(&first, &first);
        assert!(share > 0.9, "{share}");
        // All directions together lose nothing.
        let g = row(&all, 5);
        for at in [0, 77, 2999] {
            let x: Vec<f32> = row(&rows.0, at).iter().zip(&axes.mean).map(|(x, mean)| x - mean).collect();
            let sum: f32 = (0..d).map(|i| dot(&row(&axes.to, i), &x) * dot(&row(&axes.from, i), &g)).sum();
            let right = dot(&g, &x);
            assert!((sum - right).abs() < 1e-2 * right.abs().max(10.0), "{sum} {right}");
        }
        // What they say of all rows is uncorrelated, and becomes less.
        let z = |i: usize| -> Vec<f32> {
            let of = |at| dot(&row(&axes.to, i), &row(&rows.0, at)) - dot(&row(&axes.to, i), &axes.mean);
            (0..n).map(of).collect()
        };
        let (a, b, last) = (z(0), z(1), z(d - 1));
        let of = |a: &[f32], b: &[f32]| dot(a, b) / (dot(a, a) * dot(b, b)).sqrt();
        assert!(of(&a, &b).abs() < 0.1 && dot(&a, &a) > 2.0 * dot(&last, &last));
    }

    #[test]
    fn without_queries_they_are_the_principal_directions() {
        let (n, d) = (2000, 6);
        let size = [1.0, 9.0, 2.0, 30.0, 0.0, 3.0];
        let rows = Plain((0..n * d).map(|i| noise(i) * size[i % d]).collect(), d);
        let axes = Axes::learn(&rows, d, &[]);
        for (axis, element) in axes.from.chunks(d).zip([3, 1, 5, 2]) {
            assert!(axis[element].abs() > 0.95 * dot(axis, axis).sqrt(), "{axis:?}");
        }
        // Rows beyond what sums of squares can hold have some all the same.
        let huge = Plain(vec![1e30, -1e30, 3e30, 1e30], 2);
        let axes = Axes::learn(&huge, 2, &[]);
        assert!(axes.to.iter().chain(&axes.from).all(|x| x.is_finite()));
    }
}
