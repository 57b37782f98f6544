//! Directions in which spaces agree beside those that are known.
//!
//! A random subspace, passed through the matrices once. Source: Halko, Martinsson, Tropp, "Finding structure with randomness", 2011.

use candle_core::{Result, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::singular::nearly_orthonormal;
use super::{elements, inner, matrix};

const SEED: u64 = 0x6265_7369;

/// For each space `i` a nearly orthonormal basis `[n_i, k]` of directions orthogonal to its `known` ones `[n_i, ..]`, which lie mostly where
/// the blocks `(a, b, M_ab)` are large; at most `k`, and as many in all spaces: two agree in no more than the smaller has. `None` where one
/// has no such direction.
///
/// Unlike singular vectors the bases of two spaces are not in step: a linear map of each does not mind. Cost: `2 n_a n_b k` multiply-adds for each block.
///
/// # Errors
/// Where a block is not finite.
pub(crate) fn residual_bases(
    blocks: &[(usize, usize, Tensor)],
    known: &[Tensor],
    k: usize,
) -> Result<Option<Vec<Tensor>>> {
    let sizes: Vec<(usize, usize)> = known.iter().map(Tensor::dims2).collect::<Result<_>>()?;
    let k = sizes.iter().map(|(n, known)| n.saturating_sub(*known)).fold(k, usize::min);
    if k == 0 {
        return Ok(None);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let mut start = Vec::with_capacity(sizes.len());
    for (n, _) in &sizes {
        start.push(matrix((0..n * k).map(|_| rng.random::<f64>() - 0.5).collect(), *n, k)?);
    }
    let mut passed: Vec<Option<Tensor>> = vec![None; sizes.len()];
    for (a, b, block) in blocks {
        for (to, x) in [(*a, block.matmul(&start[*b])?), (*b, inner(block, &start[*a])?)] {
            passed[to] = Some(match passed[to].take() {
                Some(sum) => (sum + x)?,
                None => x,
            });
        }
    }
    let found = start.into_iter().zip(passed).zip(known).map(|((start, passed), known)| {
        // A space that agrees with no other keeps what it started with.
        let x = match passed {
            Some(passed) if !is_zero(&passed)? => passed,
            _ => start,
        };
        let x = match is_zero(known)? {
            true => x,
            false => {
                let known = nearly_orthonormal(known)?;
                (&x - known.matmul(&inner(&known, &x)?)?)?
            }
        };
        nearly_orthonormal(&x)
    });
    found.collect::<Result<_>>().map(Some)
}

fn is_zero(x: &Tensor) -> Result<bool> {
    Ok(elements(x)?.iter().all(|x| *x == 0.0))
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};

    use super::super::largest_triplets;
    use super::*;

    fn wave(n: usize, m: usize, f: f64) -> Tensor {
        matrix((0..n * m).map(|i| ((i * i) as f64 * f).sin()).collect(), n, m).unwrap()
    }

    #[test]
    fn what_is_known_and_what_lies_beside_it_hold_all_that_agrees() {
        // Rank 12, of which the first 5 are known.
        let m = wave(40, 12, 0.0713).matmul(&wave(12, 30, 0.0397)).unwrap();
        let found = largest_triplets(&m, 5).unwrap();
        let known = [found.left, found.right];
        let bases = residual_bases(&[(0, 1, m.clone())], &known, 7).unwrap().unwrap();
        for (basis, known) in bases.iter().zip(&known) {
            let own = elements(&inner(basis, basis).unwrap()).unwrap();
            for (at, x) in own.iter().enumerate() {
                assert!((x - f64::from(u8::from(at % 7 == at / 7))).abs() < 1e-6, "{at} {x}");
            }
            assert!(elements(&inner(known, basis).unwrap()).unwrap().iter().all(|x| x.abs() < 1e-6));
        }
        let norm = |x: &Tensor| elements(x).unwrap().iter().map(|x| x * x).sum::<f64>();
        let parts = [(&known[0], &known[1]), (&bases[0], &bases[1])];
        let held: f64 = parts.iter().map(|(u, v)| norm(&inner(u, &m).unwrap().matmul(v).unwrap())).sum();
        assert!((held / norm(&m) - 1.0).abs() < 1e-6, "{held} of {}", norm(&m));
    }

    #[test]
    fn no_space_has_more_directions_than_the_smallest_leaves() {
        let m = wave(9, 6, 0.11);
        let first = |n: usize| Tensor::eye(n, DType::F64, &Device::Cpu).unwrap().narrow(1, 0, 4).unwrap();
        let known = [first(9), first(6)];
        let bases = residual_bases(&[(0, 1, m.clone())], &known, 7).unwrap().unwrap();
        assert_eq!(bases.iter().map(|x| x.dims2().unwrap()).collect::<Vec<_>>(), [(9, 2), (6, 2)]);
        assert!(residual_bases(&[(0, 1, m)], &known, 0).unwrap().is_none());
    }

    #[test]
    fn a_space_that_agrees_with_no_other_has_a_basis_all_the_same() {
        let m = wave(9, 6, 0.11);
        let found = largest_triplets(&m, 2).unwrap();
        let known = [found.left, found.right, matrix(vec![0.0; 10], 5, 2).unwrap()];
        let zeros = matrix(vec![0.0; 45], 9, 5).unwrap();
        let bases = residual_bases(&[(0, 1, m), (0, 2, zeros)], &known, 3).unwrap().unwrap();
        for (basis, n) in bases.iter().zip([9, 6, 5]) {
            assert_eq!(basis.dims2().unwrap(), (n, 3));
            let own = elements(&inner(basis, basis).unwrap()).unwrap();
            assert!(
                own.iter().enumerate().all(|(at, x)| (x - f64::from(u8::from(at % 4 == 0))).abs() < 1e-6)
            );
        }
    }

    #[test]
    fn a_space_of_fewer_elements_than_known_directions_has_no_other() {
        // The directions of three spaces together may be more than one of them has elements.
        let known = [9, 9, 2].map(|n| wave(n, 4, 0.3));
        let blocks = [(0, 1, wave(9, 9, 0.11)), (0, 2, wave(9, 2, 0.07))];
        assert!(residual_bases(&blocks, &known, 3).unwrap().is_none());
    }
}
