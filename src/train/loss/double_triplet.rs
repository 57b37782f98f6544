//! Double triplet loss, stage 2: one triplet anchored on each media type.
//!
//! For an image anchor `u_i` with a similar text `p` and a dissimilar text `n`, and a text anchor `v_j` with a similar
//! image `p` and a dissimilar image `n`:
//! `L = mean_i max(0, margin + D^2_ip - D^2_in) + mean_j max(0, margin + D^2_pj - D^2_nj)`
//! over squared distances `D^2 [q, n]` of unit parts. The similar one is drawn at random; the dissimilar one is semi-hard:
//! the closest that is farther than the similar one, else the farthest of all. Source: Qi, Huang, Peng, 2017; mining after
//! Schroff et al., "FaceNet", 2015.

use candle_core::{D, Device, Result, Tensor};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// The loss, a scalar; `similar` and `dissimilar` are 0/1 masks `[q * n]`, row-major.
pub(crate) fn double_triplet(
    squared: &Tensor,
    similar: &[f32],
    dissimilar: &[f32],
    margin: f64,
    rng: &mut ChaCha8Rng,
) -> Result<Tensor> {
    let (q, n) = squared.dims2()?;
    let values = squared.flatten_all()?.to_vec1::<f32>()?;
    let rows = mine(&values, similar, dissimilar, Walk { anchors: q, others: n, anchor: n, other: 1 }, rng);
    let columns =
        mine(&values, similar, dissimilar, Walk { anchors: n, others: q, anchor: 1, other: n }, rng);
    let one = side(squared, &rows, D::Minus1, margin)?;
    let two = side(squared, &columns, D::Minus2, margin)?;
    one + two
}

/// How to walk through a matrix: strides of the anchors and of the others.
struct Walk {
    anchors: usize,
    others: usize,
    anchor: usize,
    other: usize,
}

/// One-hot choices `[q * n]` of the similar and the dissimilar item, and the number of anchors that have both.
struct Mined {
    positive: Vec<f32>,
    negative: Vec<f32>,
    anchors: usize,
}

fn mine(values: &[f32], similar: &[f32], dissimilar: &[f32], walk: Walk, rng: &mut ChaCha8Rng) -> Mined {
    let mut mined =
        Mined { positive: vec![0.0; values.len()], negative: vec![0.0; values.len()], anchors: 0 };
    for i in 0..walk.anchors {
        let cells = || (0..walk.others).map(|j| i * walk.anchor + j * walk.other);
        let candidates: Vec<usize> = cells().filter(|&at| similar[at] > 0.0).collect();
        if candidates.is_empty() {
            continue;
        }
        let positive = candidates[rng.random_range(0..candidates.len())];
        let negatives = || cells().filter(|&at| dissimilar[at] > 0.0);
        let semi_hard = negatives()
            .filter(|&at| values[at] > values[positive])
            .min_by(|&a, &b| values[a].total_cmp(&values[b]));
        let Some(negative) =
            semi_hard.or_else(|| negatives().max_by(|&a, &b| values[a].total_cmp(&values[b])))
        else {
            continue;
        };
        mined.positive[positive] = 1.0;
        mined.negative[negative] = 1.0;
        mined.anchors += 1;
    }
    mined
}

fn side(squared: &Tensor, mined: &Mined, over: D, margin: f64) -> Result<Tensor> {
    let shape = squared.dims2()?;
    let positive = Tensor::from_slice(&mined.positive, shape, &Device::Cpu)?;
    let difference =
        (&positive - Tensor::from_slice(&mined.negative, shape, &Device::Cpu)?)?.mul(squared)?.sum(over)?;
    let valid = positive.sum(over)?;
    ((difference + margin)?.relu()? * valid)?.sum_all()? / mined.anchors.max(1) as f64
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn anchors_on_both_sides_take_semi_hard_negatives() {
        let squared =
            Tensor::new(&[[0.5f32, 0.6, 3.0], [0.2, 1.0, 0.9], [2.0, 2.5, 0.1]], &Device::Cpu).unwrap();
        let similar = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0];
        let dissimilar = [0.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 0.0];
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        let loss = double_triplet(&squared, &similar, &dissimilar, 0.4, &mut rng).unwrap();
        // Rows: 0 -> 0.4 + 0.5 - 0.6 = 0.3; 1 -> none farther than 1.0, so the farthest, 0.9: 0.5; mean 0.4.
        // Columns: 0 -> closest beyond 0.5 is 2.0: 0; 1 -> beyond 1.0 is 2.5: 0; mean 0.
        assert!((loss.to_scalar::<f32>().unwrap() - 0.4).abs() < 1e-6);
        let none = double_triplet(&squared, &[0.0; 9], &dissimilar, 0.4, &mut rng).unwrap();
        assert_eq!(none.to_scalar::<f32>().unwrap(), 0.0);
    }
}
