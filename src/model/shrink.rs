//! How much of what the metric network has learned holds on rows that it has not seen, and how sharp posteriors should be.
//!
//! A head is `start + t * rest`: its start is a scaled dot product (of the posteriors for `class`, of the unit parts for
//! `pair`), the rest is all else that it has learned. On train rows the rest looks better than it is, since the shared
//! vectors of these rows were fitted too. So `t` in (0, 1] is chosen per target on validation rows, by what the target is
//! for: MAP for `class`, mean recall for `pair`. Class logits are divided by a temperature that is chosen with it, since
//! the mean logits of several members are less sure than each of them. Bias and calibration do not matter for a ranking.

use super::bundle::Bundle;
use super::data::TrainingData;
use super::items::{Items, Similarity};
use super::measures::{One, measure_scores};
use super::metric::{Head, Target};
use crate::encode::workers;
use crate::error::Result;

/// Candidates for `t`, in order of preference where they do equally well.
const SHARES: [f32; 9] = [1.0, 0.75, 0.5, 0.35, 0.2, 0.1, 0.05, 0.02, 0.01];
/// Candidates for the temperature, in order of preference.
const TEMPERATURES: [f32; 4] = [1.0, 0.7, 0.5, 1.4];

/// What was chosen.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Choice {
    /// Divides the class logits.
    pub(crate) temperature: f32,
    /// One `t` per target.
    pub(crate) shares: Vec<(Target, f32)>,
}

/// The best choice over models and the rows that each has not seen; the first candidates where these cannot tell.
///
/// Cost: per model and temperature two scores of all pairs, and a sort per candidate.
pub(crate) fn choose(models: &[(Bundle, Vec<usize>)], data: &TrainingData) -> Result<Choice> {
    let classes = models.first().is_some_and(|(bundle, _)| bundle.posterior().is_some());
    let temperatures = if classes { &TEMPERATURES[..] } else { &TEMPERATURES[..1] };
    let mut best: Option<(f64, Choice)> = None;
    for &temperature in temperatures {
        let mut shares = Vec::new();
        let mut by = 0.0;
        let targets = models.first().map_or(&[][..], |(bundle, _)| bundle.metric().targets());
        for (at, &target) in targets.iter().enumerate() {
            let scores = candidates(models, data, temperature, target)?;
            let mut chosen: Option<(f64, f32)> = None;
            for (share, score) in SHARES.into_iter().zip(scores) {
                if let Some(score) = score
                    && chosen.is_none_or(|best| score > best.0 + 1e-9)
                {
                    chosen = Some((score, share));
                }
            }
            // Posteriors are what `class` ranks by, so it chooses their temperature.
            if at == 0 {
                by = chosen.map_or(0.0, |chosen| chosen.0);
            }
            shares.push((target, chosen.map_or(SHARES[0], |chosen| chosen.1)));
        }
        if best.as_ref().is_none_or(|best| by > best.0 + 1e-9) {
            best = Some((by, Choice { temperature, shares }));
        }
    }
    Ok(best.map_or(Choice { temperature: 1.0, shares: Vec::new() }, |best| best.1))
}

/// The mean score over the models of each of [`SHARES`].
fn candidates(
    models: &[(Bundle, Vec<usize>)],
    data: &TrainingData,
    temperature: f32,
    target: Target,
) -> Result<Vec<Option<f64>>> {
    let one = |(bundle, rows): &(Bundle, Vec<usize>)| -> Result<Vec<Option<f64>>> {
        let mut whole = bundle.clone();
        sharpen(&mut whole, temperature);
        let mut start = whole.clone();
        shrink_all(&mut start, &[(target, 0.0)]);
        let (items, start) = (Items::new(&whole, data, rows)?, Items::new(&start, data, rows)?);
        // A logit is linear in the share: two of them give all.
        let scores = |items: &Items<'_>, a, b| items.scores(Similarity::Metric(target), a, b);
        let each = SHARES.into_iter().map(|share| {
            let found = measure_scores(&items, data, &|a, b| {
                let (mut s, rest) = (scores(&start, a, b)?, scores(&items, a, b)?);
                s.iter_mut().zip(rest).for_each(|(s, whole)| *s += share * (whole - *s));
                Some(s)
            });
            score(target, found)
        });
        Ok(each.collect())
    };
    let all: Vec<Vec<Option<f64>>> = workers::map(models, one).into_iter().collect::<Result<_>>()?;
    let mean = |at: usize| {
        let found: Vec<f64> = all.iter().filter_map(|scores| scores[at]).collect();
        (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
    };
    Ok((0..SHARES.len()).map(mean).collect())
}

fn score(target: Target, one: One) -> Option<f64> {
    match target {
        Target::Class => one.map.map(|map| map.mean),
        Target::Pair => one.recall.map(|recall| recall.mean().iter().sum()),
    }
}

/// Shrinks all heads and sharpens all posteriors.
pub(crate) fn apply(bundle: &mut Bundle, choice: &Choice) {
    sharpen(bundle, choice.temperature);
    shrink_all(bundle, &choice.shares);
}

fn sharpen(bundle: &mut Bundle, temperature: f32) {
    for pathway in &mut bundle.pathways {
        pathway.class.iter_mut().chain(&mut pathway.class_bias).for_each(|x| *x /= temperature);
    }
}

fn shrink_all(bundle: &mut Bundle, shares: &[(Target, f32)]) {
    let classes = bundle.posterior().map_or(0, |range| range.end);
    let d = bundle.dim();
    for head in &mut bundle.metric.heads {
        if let Some((_, t)) = shares.iter().find(|(target, _)| *target == head.target) {
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
        apply(&mut same, &Choice { temperature: 1.0, shares: vec![(Target::Class, 1.0)] });
        for (a, b) in same.metric.heads.iter().zip(&bundle.metric.heads) {
            assert!(a.bilinear.iter().zip(&b.bilinear).all(|(a, b)| (a - b).abs() < 1e-6));
            assert_eq!(a.weights, b.weights);
        }
        assert_eq!(same.pathways, bundle.pathways);
        let mut bare = bundle.clone();
        apply(&mut bare, &Choice { temperature: 0.5, shares: vec![(Target::Class, 0.0)] });
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
        // Half the temperature: twice the logits, so sharper posteriors and the same unit part.
        let (sharp, soft) = (bare.project(0, &[0.3, -0.2, 0.9]).unwrap(), bundle.project(0, &[0.3, -0.2, 0.9]).unwrap());
        let most = |v: &[f32]| v[..3].iter().copied().fold(0.0, f32::max);
        assert!(most(&sharp) > most(&soft));
        assert_eq!(sharp[3..], soft[3..]);
    }
}
