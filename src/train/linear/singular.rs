//! The largest singular triplets of a matrix, by subspace iteration.
//!
//! A random subspace is passed through the matrix and back, and made orthonormal in between; what is left is a small
//! problem, solved by Jacobi rotations. Source: Halko, Martinsson, Tropp, "Finding structure with randomness", 2011.

use candle_core::{Result, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{elements, inner, matrix, whitener};

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
    let (squares, rotation) = jacobi(elements(&small.matmul(&small.t()?)?)?, width);
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
fn nearly_orthonormal(x: &Tensor) -> Result<Tensor> {
    // Columns of one size: else the smallest would vanish beside the largest.
    let norms = elements(&x.sqr()?.sum_keepdim(0)?)?;
    let scale: Vec<f64> = norms.iter().map(|x| 1.0 / x.sqrt().max(f64::MIN_POSITIVE)).collect();
    let width = scale.len();
    whitened(&x.broadcast_mul(&matrix(scale, 1, width)?)?)
}

fn whitened(x: &Tensor) -> Result<Tensor> {
    x.matmul(&whitener(&inner(x, x)?)?.t()?)
}

/// Eigenvalues, in no order, and eigenvectors in columns of a symmetric matrix `a [n, n]`.
///
/// Cyclic rotations of two rows and columns, until what is off the diagonal is nothing beside it. Source: Jacobi, 1846, in the
/// form of Golub and Van Loan, "Matrix Computations", 8.5.
fn jacobi(mut a: Vec<f64>, n: usize) -> (Vec<f64>, Vec<f64>) {
    // Rows of `v` are eigenvectors until the end, so that rotations run along rows.
    let mut v = vec![0.0; n * n];
    (0..n).for_each(|i| v[i * n + i] = 1.0);
    let total: f64 = a.iter().map(|x| x * x).sum();
    for _ in 0..30 {
        let off: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| (i, j))).map(|(i, j)| a[i * n + j] * a[i * n + j]).sum();
        if off <= 1e-20 * total || off.is_nan() {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                let apq = a[p * n + q];
                if apq * apq <= 1e-22 * total / (n * n) as f64 {
                    continue;
                }
                let theta = (a[q * n + q] - a[p * n + p]) / (2.0 * apq);
                let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
                let c = 1.0 / (t * t + 1.0).sqrt();
                let s = t * c;
                rotate(&mut a, n, (p, q), (c, s));
                for i in 0..n {
                    let (x, y) = (a[i * n + p], a[i * n + q]);
                    (a[i * n + p], a[i * n + q]) = (c * x - s * y, s * x + c * y);
                }
                rotate(&mut v, n, (p, q), (c, s));
            }
        }
    }
    let values = (0..n).map(|i| a[i * n + i]).collect();
    let vectors = (0..n * n).map(|at| v[at % n * n + at / n]).collect();
    (values, vectors)
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
    fn a_matrix_of_low_rank_has_few_triplets() {
        let m = wave(30, 3, 0.11).matmul(&wave(3, 20, 0.05)).unwrap();
        assert_eq!(largest_triplets(&m, 12).unwrap().values.len(), 3);
    }
}
