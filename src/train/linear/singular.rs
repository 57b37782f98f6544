//! The largest singular triplets of a matrix, by subspace iteration.
//!
//! A random subspace is passed through the matrix and back, and made orthonormal in between; what is left is a small
//! problem, solved by rotations. Source: Halko, Martinsson, Tropp, "Finding structure with randomness", 2011.

use candle_core::{Result, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{Whitener, elements, inner, matrix};

/// Columns beside those that are wanted: they make the last of these converge.
const BESIDE: usize = 16;
/// Passes there and back.
const PASSES: usize = 5;
const SEED: u64 = 0x7369_6e67;

/// `M = U diag(s) V'`, cut to the largest `s`, descending.
pub(crate) struct Triplets {
    /// `U [p, k]`.
    pub(crate) left: Tensor,
    /// `s [k]`.
    pub(crate) values: Vec<f64>,
    /// `V [q, k]`.
    pub(crate) right: Tensor,
}

/// At most `k` triplets of `m [p, q]`; fewer where the matrix has fewer. The same matrix gives the same ones.
///
/// Cost: `14 p q k` multiply-adds.
///
/// # Errors
/// Where the matrix is not finite.
pub(crate) fn largest_triplets(m: &Tensor, k: usize) -> Result<Triplets> {
    let (p, q) = m.dims2()?;
    let width = (k + BESIDE).min(p).min(q);
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let start = (0..q * width).map(|_| rng.random::<f64>() - 0.5).collect();
    let mut left = m.matmul(&matrix(start, q, width)?)?;
    for _ in 0..PASSES {
        // In between a rough basis will do: the next pass needs no more than columns that differ.
        let right = inner(m, &nearly_orthonormal(&left)?)?;
        left = m.matmul(&nearly_orthonormal(&right)?)?;
    }
    let left = orthonormal(&left)?;
    let small = inner(&left, m)?;
    let (squares, rotation) = eigen(elements(&small.matmul(&small.t()?)?)?, width);
    let mut order: Vec<usize> = (0..width).collect();
    order.sort_by(|&i, &j| squares[j].total_cmp(&squares[i]));
    // What is nothing but rounding has no direction.
    let least = squares.iter().copied().fold(0.0, f64::max) * 1e-12;
    order.retain(|&i| squares[i] > least);
    order.truncate(k);
    let values: Vec<f64> = order.iter().map(|&i| squares[i].sqrt()).collect();
    let chosen: Vec<f64> = (0..width)
        .flat_map(|i| order.iter().map(move |&j| (i, j)))
        .map(|(i, j)| rotation[i * width + j])
        .collect();
    let chosen = matrix(chosen, width, order.len())?;
    let inverse = matrix(values.iter().map(|x| 1.0 / x).collect(), 1, order.len())?;
    let right = inner(&small, &chosen)?.broadcast_mul(&inverse)?;
    Ok(Triplets { left: left.matmul(&chosen)?, values, right })
}

/// An orthonormal basis `[n, k]` of the columns of `x [n, k]`. Twice, since once leaves the error of ill-conditioned columns.
fn orthonormal(x: &Tensor) -> Result<Tensor> {
    whitened(&nearly_orthonormal(x)?)
}

/// The same but for that error.
pub(super) fn nearly_orthonormal(x: &Tensor) -> Result<Tensor> {
    // Columns of one size: else the smallest would vanish beside the largest.
    let norms = elements(&x.sqr()?.sum_keepdim(0)?)?;
    let scale: Vec<f64> = norms.iter().map(|x| 1.0 / x.sqrt().max(f64::MIN_POSITIVE)).collect();
    let width = scale.len();
    whitened(&x.broadcast_mul(&matrix(scale, 1, width)?)?)
}

fn whitened(x: &Tensor) -> Result<Tensor> {
    Whitener::new(&inner(x, x)?)?.apply(&x.t()?)?.t()
}

/// Eigenvalues, in no order, and eigenvectors in columns of a symmetric positive semidefinite matrix `a [n, n]`.
///
/// Rotations of two rows each until all are orthogonal: with eigenvectors `v_i` and eigenvalues `l_i` they then are `l_i v_i'`. A row that
/// is nothing but rounding has no eigenvector.
/// Source: Hestenes, "Inversion of matrices by biorthogonalization and related results", 1958.
fn eigen(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    for _ in 0..30 {
        let mut squares: Vec<f64> = a.chunks_exact(n.max(1)).map(|row| dot(row, row)).collect();
        let longest = squares.iter().copied().fold(0.0, f64::max).sqrt();
        let mut rotated = false;
        for p in 0..n {
            for q in p + 1..n {
                let product = dot(&a[p * n..(p + 1) * n], &a[q * n..(q + 1) * n]);
                let (x, y) = (squares[p].sqrt(), squares[q].sqrt());
                // Beside the longest row a short one is rounded, by more than its own digits say.
                let rounding = (1e-14 * x * y).max(1e-17 * longest * x.max(y));
                if product.abs() <= rounding || product.is_nan() {
                    continue;
                }
                rotated = true;
                let theta = (squares[q] - squares[p]) / (2.0 * product);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                rotate(&mut a, n, (p, q), (c, t * c));
                squares[p] -= t * product;
                squares[q] += t * product;
            }
        }
        if !rotated {
            break;
        }
    }
    let values: Vec<f64> = a.chunks_exact(n.max(1)).map(|row| dot(row, row).sqrt()).collect();
    let inverse: Vec<f64> = values.iter().map(|x| if *x > 0.0 { 1.0 / x } else { 0.0 }).collect();
    let vectors = (0..n * n).map(|at| a[at % n * n + at / n] * inverse[at % n]).collect();
    (values, vectors)
}

/// In four sums, that processors add side by side.
fn dot(x: &[f64], y: &[f64]) -> f64 {
    let (x, y) = (x.as_chunks::<4>(), y.as_chunks::<4>());
    let mut sums = [0.0; 4];
    for (x, y) in x.0.iter().zip(y.0) {
        (0..4).for_each(|i| sums[i] += x[i] * y[i]);
    }
    let rest: f64 = x.1.iter().zip(y.1).map(|(x, y)| x * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// Rotates the rows `p < q` of `a [n, n]`.
fn rotate(a: &mut [f64], n: usize, (p, q): (usize, usize), (c, s): (f64, f64)) {
    let (above, below) = a.split_at_mut(q * n);
    for (x, y) in above[p * n..(p + 1) * n].iter_mut().zip(&mut below[..n]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, m: usize, f: f64) -> Tensor {
        matrix((0..n * m).map(|i| ((i * i) as f64 * f).sin()).collect(), n, m).unwrap()
    }

    #[test]
    fn triplets_of_a_known_matrix_are_found() {
        // Orthonormal factors and known values.
        let (u, v) =
            (orthonormal(&wave(90, 40, 0.0713)).unwrap(), orthonormal(&wave(70, 40, 0.0397)).unwrap());
        let values: Vec<f64> = (0..40).map(|i| 1.0 / (1.0 + i as f64)).collect();
        let scaled = u.broadcast_mul(&matrix(values.clone(), 1, 40).unwrap()).unwrap();
        let m = scaled.matmul(&v.t().unwrap()).unwrap();
        let found = largest_triplets(&m, 12).unwrap();
        for (x, y) in found.values.iter().zip(&values) {
            assert!((x - y).abs() < 1e-9, "{x} {y}");
        }
        assert_eq!((found.left.dims2().unwrap(), found.right.dims2().unwrap()), ((90, 12), (70, 12)));
        let back = elements(&inner(&found.left, &m).unwrap().matmul(&found.right).unwrap()).unwrap();
        for (at, x) in back.iter().enumerate() {
            let wanted = if at % 12 == at / 12 { values[at / 12] } else { 0.0 };
            assert!((x - wanted).abs() < 1e-7, "{at} {x}");
        }
    }

    #[test]
    fn small_eigenvalues_have_orthogonal_eigenvectors_too() {
        let (e, f) = (1e-9, 0.9e-9);
        let (values, vectors) = eigen(vec![1.0, 0.0, 0.0, 0.0, e, f, 0.0, f, e], 3);
        let mut order = [0, 1, 2];
        order.sort_by(|&i: &usize, &j| values[j].total_cmp(&values[i]));
        let [_, x, y] = order.map(|i| [0, 1, 2].map(|row| vectors[row * 3 + i]));
        assert!(
            (values[order[1]] - 1.9e-9).abs() < 1e-16 && (values[order[2]] - 1e-10).abs() < 1e-16,
            "{values:?}"
        );
        assert!(dot(&x, &y).abs() < 1e-7 && (x[1] - x[2]).abs() < 1e-7, "{x:?} {y:?}");
    }

    #[test]
    fn equal_eigenvalues_have_orthogonal_eigenvectors_beside_vanishing_ones() {
        let n = 30;
        let q = orthonormal(&wave(n, n, 0.0713)).unwrap();
        let value = |i: usize| if i < 12 { [2.0, 1.0, 1e-3, 1e-7][i / 3] } else { 0.0 };
        let wanted: Vec<f64> = (0..n).map(value).collect();
        let a =
            q.broadcast_mul(&matrix(wanted.clone(), 1, n).unwrap()).unwrap().matmul(&q.t().unwrap()).unwrap();
        let (values, vectors) = eigen(elements(&a).unwrap(), n);
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(|&i, &j| values[j].total_cmp(&values[i]));
        let column = |i: usize| -> Vec<f64> { (0..n).map(|row| vectors[row * n + i]).collect() };
        for (&i, wanted) in order.iter().zip(&wanted) {
            // The columns of `q` are orthonormal to about 1e-11.
            assert!((values[i] - wanted).abs() < 1e-10, "{} {wanted}", values[i]);
        }
        for &i in &order[..12] {
            let v = column(i);
            let of_a = elements(&a.matmul(&matrix(v.clone(), n, 1).unwrap()).unwrap()).unwrap();
            // What small ones have of the directions of large ones is rounding of these.
            let rounding = 1e-13 / values[i].min(1.0);
            assert!(of_a.iter().zip(&v).all(|(x, y)| (x - values[i] * y).abs() < rounding));
            for &j in &order[..12] {
                let product = dot(&v, &column(j));
                assert!((product - f64::from(u8::from(i == j))).abs() < 1e-8, "{i} {j} {product}");
            }
        }
    }

    #[test]
    fn a_matrix_of_low_rank_has_few_triplets() {
        let m = wave(30, 3, 0.11).matmul(&wave(3, 20, 0.05)).unwrap();
        assert_eq!(largest_triplets(&m, 12).unwrap().values.len(), 3);
    }
}
