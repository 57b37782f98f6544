//! Fitting a monotone curve from raw logits to log-odds.
//!
//! Pairs are cut into bins of equal mass by their raw logit. The log-odds of a bin are those of its matches, with
//! [`PSEUDO`] pairs beside them that follow Platt's curve; bins that would fall are pooled (pool adjacent violators: Ayer
//! et al., "An empirical distribution function for sampling with incomplete information", 1955).

use crate::model::{Curve, KNOTS};

/// Matches and others that stand in for Platt's curve in each bin.
const PSEUDO: f64 = 4.0;
/// A side with fewer pairs than this has Platt's curve alone.
const LEAST: usize = 10 * KNOTS;
/// Least slope between two knots, as a part of Platt's, so that the probability grows with the raw logit everywhere.
const LEAST_SLOPE: f64 = 0.01;

/// One bin: total weights of matches and of others, and the mean raw logit.
#[derive(Clone, Copy, Default)]
struct Bin {
    positive: f64,
    negative: f64,
    raw: f64,
}

/// Fits a curve; `platt` is `(slope, offset)` for matches and others of equal mass. `None` for few or degenerate pairs.
///
/// Cost: a sort of the pairs.
pub(crate) fn fit(pairs: &[(f32, bool)], platt: (f32, f32)) -> Option<Curve> {
    let positives = pairs.iter().filter(|pair| pair.1).count();
    let negatives = pairs.len() - positives;
    if positives.min(negatives) < LEAST {
        return None;
    }
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    // Matches and others weigh the same; the lighter side has `scale` per pair, so weights are counts of the rarer side.
    let rarer = positives.min(negatives) as f64;
    let (of_match, of_other) = (rarer / positives as f64, rarer / negatives as f64);
    let mass = 2.0 * rarer / KNOTS as f64;
    let mut bins = vec![Bin::default()];
    for (at, &(raw, is_match)) in sorted.iter().enumerate() {
        let (weight, last) = (if is_match { of_match } else { of_other }, bins.len() - 1);
        let bin = &mut bins[last];
        if is_match {
            bin.positive += weight
        } else {
            bin.negative += weight
        }
        bin.raw += weight * f64::from(raw);
        // Equal raw logits stay in one bin.
        let whole = sorted.get(at + 1).is_some_and(|next| next.0 > raw);
        if whole
            && bins.len() < KNOTS
            && bins.iter().map(|b| b.positive + b.negative).sum::<f64>() >= mass * bins.len() as f64
        {
            bins.push(Bin::default());
        }
    }
    if bins.len() < KNOTS {
        return None;
    }
    let (slope, offset) = (f64::from(platt.0), f64::from(platt.1));
    let means: Vec<f64> = bins.iter().map(|bin| bin.raw / (bin.positive + bin.negative)).collect();
    let smoothed = bins.iter().zip(&means).map(|(bin, raw)| {
        let expected = 1.0 / (1.0 + (-(slope * raw + offset)).exp());
        [bin.positive + PSEUDO * expected, bin.negative + PSEUDO * (1.0 - expected)]
    });
    // Pools of bins: summed weights and the number of bins.
    let mut pools: Vec<([f64; 2], usize)> = Vec::new();
    for weights in smoothed {
        pools.push((weights, 1));
        while let [.., (low, n), (high, m)] = pools[..]
            && low[0] * high[1] >= high[0] * low[1]
        {
            pools.truncate(pools.len() - 2);
            pools.push(([low[0] + high[0], low[1] + high[1]], n + m));
        }
    }
    let odds = pools.iter().flat_map(|(weights, n)| std::iter::repeat_n((weights[0] / weights[1]).ln(), *n));
    let mut knots = [[0.0f32; 2]; KNOTS];
    let mut before: Option<(f64, f64)> = None;
    for ((knot, raw), odds) in knots.iter_mut().zip(means).zip(odds) {
        let odds = match before {
            Some((x, y)) => odds.max(y + LEAST_SLOPE * slope * (raw - x)),
            None => odds,
        };
        before = Some((raw, odds));
        *knot = [raw as f32, odds as f32];
    }
    // In f32 two knots may have become one.
    Some(Curve(knots)).filter(Curve::is_sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 raw logits in [0, 1), each with the share of matches that it says: a probability, no log-odds.
    fn honest() -> Vec<(f32, bool)> {
        let mut pairs = Vec::new();
        for i in 0..200u32 {
            let raw = (i as f32 + 0.5) / 200.0;
            pairs.extend((0..40u32).map(|k| (raw, f64::from(k) + 0.5 < 40.0 * f64::from(raw))));
        }
        pairs
    }

    #[test]
    fn a_curve_follows_what_a_line_cannot_and_has_an_inverse() {
        let curve = fit(&honest(), (5.0, -2.5)).unwrap();
        for raw in [0.05f32, 0.2, 0.5, 0.8, 0.95] {
            let probability = 1.0 / (1.0 + (-curve.at(raw, 5.0)).exp());
            assert!((probability - raw).abs() < 0.03, "{raw}: {probability}");
        }
        for raw in [-3.0f32, 0.0, 0.03, 0.5, 0.77, 1.0, 9.0] {
            assert!((curve.inverse(curve.at(raw, 5.0), 5.0) - raw).abs() < 1e-4, "{raw}");
        }
        let raws: Vec<f32> = (-200..400).map(|i| i as f32 * 0.005).collect();
        assert!(raws.windows(2).all(|pair| curve.at(pair[0], 5.0) < curve.at(pair[1], 5.0)));
    }

    #[test]
    fn falling_bins_are_pooled_and_few_pairs_have_no_curve() {
        // The share of matches falls with the raw logit in the middle.
        let pairs: Vec<(f32, bool)> =
            (0..2400u32).map(|i| (i as f32, (i / 400 + i) % 2 == 0 || i > 2000)).collect();
        let curve = fit(&pairs, (0.001, -1.0)).unwrap();
        assert!(curve.is_sound());
        assert!(fit(&pairs[..100], (0.001, -1.0)).is_none());
        let constant: Vec<(f32, bool)> = (0..2400u32).map(|i| (1.0, i % 2 == 0)).collect();
        assert!(fit(&constant, (1.0, 0.0)).is_none());
    }
}
