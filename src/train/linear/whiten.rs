//! The inverse of the Cholesky factor of a symmetric positive definite matrix.

use candle_core::{Result, Tensor};

use super::{elements, matrix};

/// Rows of a block: what is done without products of matrices is of this width.
const BLOCK: usize = 64;
/// Added to the diagonal, as a part of its mean: in directions in which a matrix is nothing but rounding its inverse would be noise.
/// Ten times as much each time that it is not positive definite in f64.
const JITTER: f64 = 1e-11;
const TRIES: i32 = 12;

/// `W [n, n]`, lower triangular, with `W S W' = I` for `S [n, n]`, symmetric and positive (semi)definite.
///
/// A semidefinite `S` is whitened with jitter on its diagonal, a tiny part of it, that makes it definite. Cost: `n^3` multiply-adds.
///
/// # Errors
/// Where `S` is not finite, or far from semidefinite.
pub(crate) fn whitener(s: &Tensor) -> Result<Tensor> {
    let n = s.dim(0)?;
    let values = elements(s)?;
    let mean = (0..n).map(|i| values[i * n + i].abs()).sum::<f64>() / n.max(1) as f64;
    for power in 0..TRIES {
        let jitter = mean.max(f64::MIN_POSITIVE) * JITTER * 10f64.powi(power);
        let mut factor = values.clone();
        (0..n).for_each(|i| factor[i * n + i] += jitter);
        if cholesky(&mut factor, n)? {
            return matrix(inverse(&factor, n)?, n, n);
        }
    }
    Err(candle_core::Error::Msg("a matrix to whiten is not positive definite".to_owned()))
}

/// A block of rows and columns of `values`, of `n` columns.
fn block(
    values: &[f64],
    n: usize,
    rows: std::ops::Range<usize>,
    columns: std::ops::Range<usize>,
) -> Result<Tensor> {
    let mut out = Vec::with_capacity(rows.len() * columns.len());
    let (height, width) = (rows.len(), columns.len());
    rows.for_each(|i| out.extend_from_slice(&values[i * n + columns.start..i * n + columns.end]));
    matrix(out, height, width)
}

/// Replaces the lower triangle of `a [n, n]` by its factor `L`, `L L' = a`; false where `a` is not positive definite.
fn cholesky(a: &mut [f64], n: usize) -> Result<bool> {
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        for i in start..n {
            for j in start..end.min(i + 1) {
                let (row, column) = (&a[i * n + start..i * n + j], &a[j * n + start..j * n + j]);
                let rest = a[i * n + j] - row.iter().zip(column).map(|(x, y)| x * y).sum::<f64>();
                if i == j {
                    // NaN is not positive either.
                    if !(rest > 0.0 && rest.is_finite()) {
                        return Ok(false);
                    }
                    a[i * n + i] = rest.sqrt();
                } else {
                    a[i * n + j] = rest / a[j * n + j];
                }
            }
        }
        if end < n {
            let panel = block(a, n, end..n, start..end)?;
            let product = elements(&panel.matmul(&panel.t()?)?)?;
            let width = n - end;
            for i in 0..width {
                let row = &mut a[(end + i) * n + end..(end + i) * n + end + i + 1];
                row.iter_mut().zip(&product[i * width..]).for_each(|(x, y)| *x -= y);
            }
        }
    }
    Ok(true)
}

/// The inverse of the lower triangle of `l [n, n]`.
fn inverse(l: &[f64], n: usize) -> Result<Vec<f64>> {
    let mut x = vec![0.0; n * n];
    for start in (0..n).step_by(BLOCK) {
        let end = (start + BLOCK).min(n);
        if start > 0 {
            let left = block(l, n, start..end, 0..start)?;
            let product = elements(&left.matmul(&block(&x, n, 0..start, 0..start)?)?)?;
            for (i, row) in product.chunks_exact(start).enumerate() {
                let out = &mut x[(start + i) * n..(start + i) * n + start];
                out.iter_mut().zip(row).for_each(|(x, y)| *x = -y);
            }
        }
        for i in start..end {
            x[i * n + i] = 1.0;
            for k in start..i {
                let factor = l[i * n + k];
                let (before, row) = x.split_at_mut(i * n);
                let other = &before[k * n..k * n + end];
                row[..end].iter_mut().zip(other).for_each(|(x, y)| *x -= factor * y);
            }
            let scale = 1.0 / l[i * n + i];
            x[i * n..i * n + i + 1].iter_mut().for_each(|x| *x *= scale);
        }
    }
    Ok(x)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::linear::inner;

    fn wave(n: usize, m: usize) -> Tensor {
        matrix((0..n * m).map(|i| (i as f64 * 0.7713).sin()).collect(), n, m).unwrap()
    }

    #[test]
    fn the_whitened_matrix_is_the_identity() {
        for n in [1, 5, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
            let x = wave(2 * n + 3, n);
            let s = (inner(&x, &x).unwrap() + Tensor::eye(n, candle_core::DType::F64, x.device()).unwrap())
                .unwrap();
            let w = whitener(&s).unwrap();
            let one = elements(&w.matmul(&s).unwrap().matmul(&w.t().unwrap()).unwrap()).unwrap();
            for (at, x) in one.iter().enumerate() {
                let wanted = if at % n == at / n { 1.0 } else { 0.0 };
                assert!((x - wanted).abs() < 1e-8, "{n} {at} {x}");
            }
            let w = elements(&w).unwrap();
            assert!((0..n).all(|i| (i + 1..n).all(|j| w[i * n + j] == 0.0)), "lower triangular");
        }
    }

    #[test]
    fn a_semidefinite_matrix_gets_jitter_and_an_indefinite_one_is_refused() {
        let x = wave(3, 70);
        let s = inner(&x, &x).unwrap();
        assert!(elements(&whitener(&s).unwrap()).unwrap().iter().all(|x| x.is_finite()));
        assert!(whitener(&matrix(vec![1.0, 0.0, 0.0, -1.0], 2, 2).unwrap()).is_err());
        assert!(whitener(&matrix(vec![f64::NAN], 1, 1).unwrap()).is_err());
    }
}
