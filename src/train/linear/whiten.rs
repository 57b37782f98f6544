//! Whitening by the Cholesky factor of a symmetric positive definite matrix.

use candle_core::{Result, Tensor};

use super::{elements, inner, matrix};

/// Rows of a block: what is done without products of matrices is of this size.
const BLOCK: usize = 64;
/// Added to the diagonal, as a part of its mean: in directions in which a matrix is nothing but rounding its inverse would be noise.
/// Ten times as much each time that it is not positive definite in f64.
const JITTER: f64 = 1e-11;
const TRIES: i32 = 12;

/// `W [n, n]`, lower triangular, with `W S W' = I`; only the factor `U` of `S = U'U` is kept, `W = U'^-1`.
///
/// `W` is never made: a solve takes half the multiply-adds of a product with it.
pub(crate) struct Whitener {
    /// `U [n, n]`, upper triangular.
    upper: Tensor,
    /// The inverses of its blocks on the diagonal, upper triangular too.
    inverses: Vec<Tensor>,
}

impl Whitener {
    /// For `S [n, n]`, symmetric and positive (semi)definite.
    ///
    /// A semidefinite `S` is whitened with jitter on its diagonal, a tiny part of it, that makes it definite. Cost: `n^3 / 6`
    /// multiply-adds.
    ///
    /// # Errors
    /// Where `S` is not finite, or far from semidefinite.
    pub(crate) fn new(s: &Tensor) -> Result<Self> {
        let n = s.dim(0)?;
        let mut values = elements(s)?;
        let diagonal: Vec<f64> = (0..n).map(|i| values[i * n + i]).collect();
        let mean = diagonal.iter().map(|x| x.abs()).sum::<f64>() / n.max(1) as f64;
        for power in 0..TRIES {
            let jitter = mean.max(f64::MIN_POSITIVE) * JITTER * 10f64.powi(power);
            (0..n).for_each(|i| values[i * n + i] = diagonal[i] + jitter);
            let jittered = matrix(values, n, n)?;
            if let Some(found) = Self::factor(&jittered)? {
                return Ok(found);
            }
            values = elements(&jittered)?;
        }
        Err(candle_core::Error::Msg("a matrix to whiten is not positive definite".to_owned()))
    }

    /// `W x [n, k]`. Cost: `n^2 k / 2` multiply-adds.
    pub(crate) fn apply(&self, x: &Tensor) -> Result<Tensor> {
        self.solved(false, x)
    }

    /// `W' x [n, k]`, at the same cost.
    pub(crate) fn apply_transposed(&self, x: &Tensor) -> Result<Tensor> {
        self.solved(true, x)
    }

    fn solved(&self, transposed: bool, x: &Tensor) -> Result<Tensor> {
        let (n, k) = x.dims2()?;
        let out = matrix(elements(x)?, n, k)?;
        self.solve(transposed, (0, n), &out)?;
        Ok(out)
    }

    /// Solves `U' x = out` in place, or `U x = out` where `transposed`, by the rows and columns `start..start + len` of `U`.
    ///
    /// In halves, so that nearly all of it are products of large matrices.
    fn solve(&self, transposed: bool, (start, len): (usize, usize), out: &Tensor) -> Result<()> {
        if len <= BLOCK {
            return self.solve_block(transposed, (start, len), out);
        }
        let half = (len / 2).next_multiple_of(BLOCK);
        let (above, below) = ((start, half), (start + half, len - half));
        let corner = self.upper.narrow(0, start, half)?.narrow(1, below.0, below.1)?;
        let of = |(start, len): (usize, usize)| out.narrow(0, start, len);
        let (first, second) = if transposed { (below, above) } else { (above, below) };
        self.solve(transposed, first, out)?;
        let found = if transposed { corner.matmul(&of(first)?)? } else { inner(&corner, &of(first)?)? };
        out.slice_set(&(of(second)? - found)?, 0, second.0)?;
        self.solve(transposed, second, out)
    }

    fn solve_block(&self, transposed: bool, (start, len): (usize, usize), out: &Tensor) -> Result<()> {
        let (rows, inverse) = (out.narrow(0, start, len)?, &self.inverses[start / BLOCK]);
        let found = if transposed { inverse.matmul(&rows)? } else { inner(inverse, &rows)? };
        out.slice_set(&found, 0, start)
    }

    /// `U` with `U'U = S [n, n]`; `None` where `S` is not positive definite. The upper triangle of `S` is read.
    fn factor(s: &Tensor) -> Result<Option<Self>> {
        let n = s.dim(0)?;
        let (upper, mut inverses) = (s.zeros_like()?, Vec::new());
        for start in (0..n).step_by(BLOCK) {
            let height = BLOCK.min(n - start);
            let width = n - start;
            let mut rest = s.narrow(0, start, height)?.narrow(1, start, width)?;
            if start > 0 {
                let above = upper.narrow(0, 0, start)?;
                let (left, right) = (above.narrow(1, start, height)?, above.narrow(1, start, width)?);
                rest = (rest - inner(&left, &right)?)?;
            }
            let Some((own, inverse)) = factor_block(elements(&rest.narrow(1, 0, height)?)?, height) else {
                return Ok(None);
            };
            let inverse = matrix(inverse, height, height)?;
            let right = match width - height {
                0 => Vec::new(),
                more => elements(&inner(&inverse, &rest.narrow(1, height, more)?)?)?,
            };
            let mut whole = vec![0.0; height * n];
            for (i, whole) in whole.chunks_exact_mut(n).enumerate() {
                let (before, after) = whole[start..].split_at_mut(height);
                before.copy_from_slice(&own[i * height..(i + 1) * height]);
                after.copy_from_slice(&right[i * after.len()..(i + 1) * after.len()]);
            }
            upper.slice_set(&matrix(whole, height, n)?, 0, start)?;
            inverses.push(inverse);
        }
        Ok(Some(Self { upper, inverses }))
    }
}

/// `U [n, n]` of a small matrix and its inverse, both upper triangular; `None` where it is not positive definite.
fn factor_block(mut s: Vec<f64>, n: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    // Rows of `U' x = 1` on the way, so that `x` becomes the inverse of `U'`.
    let mut x = vec![0.0; n * n];
    for i in 0..n {
        x[i * n + i] = 1.0;
        for j in 0..i {
            let factor = s[j * n + i];
            subtract(&mut s, n, (i, j), factor);
            subtract(&mut x, n, (i, j), factor);
        }
        s[i * n..i * n + i].fill(0.0);
        let pivot = s[i * n + i];
        // NaN is not positive either.
        if !(pivot > 0.0 && pivot.is_finite()) {
            return None;
        }
        let scale = 1.0 / pivot.sqrt();
        for rows in [&mut s, &mut x] {
            rows[i * n..(i + 1) * n].iter_mut().for_each(|x| *x *= scale);
        }
    }
    let inverse = (0..n * n).map(|at| x[at % n * n + at / n]).collect();
    Some((s, inverse))
}

/// Subtracts row `j` of `rows [n, n]` times `factor` from the later row `i`.
fn subtract(rows: &mut [f64], n: usize, (i, j): (usize, usize), factor: f64) {
    let (before, after) = rows.split_at_mut(i * n);
    let (row, other) = (&mut after[..n], &before[j * n..(j + 1) * n]);
    row.iter_mut().zip(other).for_each(|(x, y)| *x -= factor * y);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wave(n: usize, m: usize) -> Tensor {
        matrix((0..n * m).map(|i| (i as f64 * 0.7713).sin()).collect(), n, m).unwrap()
    }

    #[test]
    fn the_whitened_matrix_is_the_identity() {
        for n in [1, 5, BLOCK, BLOCK + 1, 3 * BLOCK + 7] {
            let x = wave(2 * n + 3, n);
            let s = (inner(&x, &x).unwrap() + Tensor::eye(n, candle_core::DType::F64, x.device()).unwrap())
                .unwrap();
            let whitener = Whitener::new(&s).unwrap();
            let half = whitener.apply(&s).unwrap();
            let one = elements(&whitener.apply(&half.t().unwrap()).unwrap()).unwrap();
            for (at, x) in one.iter().enumerate() {
                let wanted = if at % n == at / n { 1.0 } else { 0.0 };
                assert!((x - wanted).abs() < 1e-8, "{n} {at} {x}");
            }
            let eye = Tensor::eye(n, candle_core::DType::F64, x.device()).unwrap();
            let w = elements(&whitener.apply(&eye).unwrap()).unwrap();
            assert!((0..n).all(|i| (i + 1..n).all(|j| w[i * n + j] == 0.0)), "lower triangular");
            let transposed = elements(&whitener.apply_transposed(&eye).unwrap()).unwrap();
            for (at, x) in transposed.iter().enumerate() {
                assert!((x - w[at % n * n + at / n]).abs() < 1e-12, "{n} {at} {x}");
            }
        }
    }

    #[test]
    fn a_semidefinite_matrix_gets_jitter_and_an_indefinite_one_is_refused() {
        let x = wave(3, 70);
        let s = inner(&x, &x).unwrap();
        assert!(
            elements(&Whitener::new(&s).unwrap().apply(&s).unwrap()).unwrap().iter().all(|x| x.is_finite())
        );
        assert!(Whitener::new(&matrix(vec![1.0, 0.0, 0.0, -1.0], 2, 2).unwrap()).is_err());
        assert!(Whitener::new(&matrix(vec![f64::NAN], 1, 1).unwrap()).is_err());
    }
}
