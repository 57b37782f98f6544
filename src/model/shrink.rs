//! How much of what the metric network has learned holds on rows that it has not seen.
//!
//! A head is `start + t * rest`: its start is a scaled dot product (of the posteriors for `class`, of the unit parts for
//! `pair`), the rest is all else that it has learned. On train rows the rest looks better than it is, since the shared
//! vectors of these rows were fitted too. So `t` in [0, 1] is chosen per target on the validation rows, by what the target
//! is for: MAP for `class`, mean recall for `pair`. Bias and calibration do not matter for a ranking.

use super::bundle::Bundle;
use super::data::TrainingData;
use super::items::{Items, Similarity};
use super::measures::measure_one;
use super::metric::{Head, Target};
use crate::error::Result;

/// Candidates for `t`, in order of preference where they do equally well.
const CANDIDATES: [f32; 6] = [1.0, 0.75, 0.5, 0.35, 0.2, 0.1];

/// One `t` per target.
pub(crate) type Shrinkage = Vec<(Target, f32)>;

/// The best `t` of each target of `bundle` on these rows; 1 where they cannot tell.
///
/// Cost: a measurement of all rows per target and candidate.
pub(crate) fn choose(bundle: &Bundle, data: &TrainingData, rows: &[usize]) -> Result<Shrinkage> {
    let mut chosen = Vec::new();
    for &target in bundle.metric().targets() {
        let mut best: Option<(f64, f32)> = None;
        for t in CANDIDATES {
            let mut candidate = bundle.clone();
            apply(&mut candidate, &[(target, t)]);
            let one = measure_one(&Items::new(&candidate, data, rows)?, data, Similarity::Metric(target));
            let score = match target {
                Target::Class => one.map.map(|map| map.mean),
                Target::Pair => one.recall.map(|recall| recall.mean().iter().sum()),
            };
            if let Some(score) = score
                && best.is_none_or(|best| score > best.0 + 1e-9)
            {
                best = Some((score, t));
            }
        }
        chosen.push((target, best.map_or(1.0, |best| best.1)));
    }
    Ok(chosen)
}

/// Shrinks all heads of the given targets.
pub(crate) fn apply(bundle: &mut Bundle, shrinkage: &[(Target, f32)]) {
    let classes = bundle.posterior().map_or(0, |range| range.end);
    let d = bundle.dim();
    for head in &mut bundle.metric.heads {
        if let Some((_, t)) = shrinkage.iter().find(|(target, _)| *target == head.target) {
            shrink(head, d, classes, *t);
        }
    }
}

fn shrink(head: &mut Head, d: usize, classes: usize, t: f32) {
    let part = match head.target {
        Target::Class => 0..classes,
        Target::Pair => classes..d,
    };
    let scale = part.clone().map(|i| head.bilinear[i * d + i]).sum::<f32>() / part.len().max(1) as f32;
    for i in 0..d {
        for j in 0..d {
            let start = if i == j && part.contains(&i) { scale } else { 0.0 };
            let value = &mut head.bilinear[i * d + j];
            *value = start + t * (*value - start);
        }
    }
    head.weights.iter_mut().for_each(|w| *w *= t);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_keeps_all_and_zero_leaves_the_scaled_dot_product() {
        let bundle = Bundle::random(&[("image", 3), ("text", 2)], 8, 4, 3, 5);
        let mut same = bundle.clone();
        apply(&mut same, &[(Target::Class, 1.0)]);
        for (a, b) in same.metric.heads.iter().zip(&bundle.metric.heads) {
            assert!(a.bilinear.iter().zip(&b.bilinear).all(|(a, b)| (a - b).abs() < 1e-6));
            assert_eq!(a.weights, b.weights);
        }
        let mut bare = bundle.clone();
        apply(&mut bare, &[(Target::Class, 0.0)]);
        for (head, old) in bare.metric.heads.iter().zip(&bundle.metric.heads) {
            if head.target == Target::Pair {
                assert_eq!(head, old, "another target is left alone");
                continue;
            }
            let scale = (0..3).map(|i| old.bilinear[i * 8 + i]).sum::<f32>() / 3.0;
            for (at, value) in head.bilinear.iter().enumerate() {
                let expected = if at / 8 == at % 8 && at / 8 < 3 { scale } else { 0.0 };
                assert!((value - expected).abs() < 1e-6, "{at}");
            }
            assert!(head.weights.iter().all(|w| *w == 0.0));
        }
    }
}
