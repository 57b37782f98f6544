//! Fitting a monotone curve from raw logits to log-odds.
//!
//! Pairs are cut into bins by their raw logit. Where one pair in hundreds matches, all that is told apart lies in the upper
//! tail: so a pair counts, in equal shares, by its part of matches and others of equal mass, and by what it tells at the
//! natural rate, `p (1 - p)` under Platt's curve. The log-odds of a bin are those of its matches, with [`PSEUDO`] pairs beside
//! them that follow Platt's curve; bins that would fall are pooled (pool adjacent violators: Ayer et al., "An empirical
//! distribution function for sampling with incomplete information", 1955).
//!
//! Above the last bin the curve goes on to as far beyond the largest raw logit as the smallest lies below it. Its slope
//! there is the part of Platt's, at most all of it, under which the pairs of the tail are likeliest: what no pair has shown is not
//! claimed.

use super::pairs::Pair;
use crate::model::{Curve, KNOTS};

/// Matches and others that stand in for Platt's curve in each bin.
const PSEUDO: f64 = 4.0;
/// A side with fewer pairs than this has Platt's curve alone.
const LEAST: usize = 10 * KNOTS;
/// Least slope between two knots, as a part of Platt's, so that the probability grows with the raw logit everywhere.
const LEAST_SLOPE: f64 = 0.01;
/// Bins; the last knot is the end of the tail.
const BINS: usize = KNOTS - 1;
/// Parts of Platt's slope that the tail may have, steepest first.
const SLOPES: [f64; 8] = [1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, LEAST_SLOPE];

/// One bin: total weights of matches and of others, and the mean raw logit.
#[derive(Clone, Copy, Default)]
struct Bin {
    positive: f64,
    negative: f64,
    raw: f64,
}

/// Fits a curve; `platt` is `(slope, offset)` for matches and others of equal mass, `rate` that of matches among all pairs.
/// `None` for few or degenerate pairs.
///
/// Cost: a sort of the pairs.
pub(crate) fn fit(pairs: &[Pair], platt: (f32, f32), rate: f64) -> Option<Curve> {
    let count = pairs.iter().filter(|pair| pair.is_match).count();
    if count.min(pairs.len() - count) < LEAST {
        return None;
    }
    let (positives, negatives) = Pair::masses(pairs);
    let mut sorted = pairs.to_vec();
    sorted.sort_by(|a, b| a.raw.total_cmp(&b.raw));
    let platt = (f64::from(platt.0), f64::from(platt.1));
    let bins = bins(&sorted, (positives, negatives), platt, rate)?;
    let mut knots: Vec<[f64; 2]> = smoothed(&bins, platt);
    let (first, last) = (f64::from(sorted[0].raw), f64::from(sorted[sorted.len() - 1].raw));
    let [raw, odds] = *knots.last()?;
    // A pair of the others stands for as many as the rate says.
    let other = (1.0 - rate) / negatives * (positives / rate);
    let tail = &sorted[sorted.partition_point(|pair| f64::from(pair.raw) <= raw)..];
    let natural = (rate / (1.0 - rate)).ln();
    let likelihood = |part: f64| -> f64 {
        let log = |pair: &Pair| {
            let z = odds + natural + part * platt.0 * (f64::from(pair.raw) - raw);
            // ln(1 - p), and ln p where it is a match.
            let miss = -(z.max(0.0) + (-z.abs()).exp().ln_1p());
            if pair.is_match { z + miss } else { other * f64::from(pair.stands_for) * miss }
        };
        tail.iter().map(log).sum()
    };
    let mut best = (SLOPES[0], likelihood(SLOPES[0]));
    for part in SLOPES {
        let found = likelihood(part);
        if found > best.1 {
            best = (part, found);
        }
    }
    let end = last + (last - first);
    knots.push([end, odds + best.0 * platt.0 * (end - raw)]);
    let mut out = [[0.0f32; 2]; KNOTS];
    for (out, knot) in out.iter_mut().zip(knots) {
        *out = knot.map(|x| x as f32);
    }
    // In f32 two knots may have become one.
    Some(Curve(out)).filter(Curve::is_sound)
}

/// The bins of ascending pairs, so many that match and so many others; `None` where equal raw logits leave too few.
fn bins(
    sorted: &[Pair],
    (positives, negatives): (f64, f64),
    (slope, offset): (f64, f64),
    rate: f64,
) -> Option<Vec<Bin>> {
    // Matches and others weigh the same; the lighter side has `scale` per pair, so weights are counts of the rarer side.
    let rarer = positives.min(negatives);
    let (of_match, of_other) = (rarer / positives, rarer / negatives);
    let natural = (rate / (1.0 - rate)).ln();
    let told = |pair: &Pair| {
        let e = (-(slope * f64::from(pair.raw) + offset + natural).abs()).exp();
        let each = if pair.is_match { rate / positives } else { (1.0 - rate) / negatives };
        let weight = each * f64::from(pair.stands_for);
        weight * e / ((1.0 + e) * (1.0 + e))
    };
    let all_told: f64 = sorted.iter().map(told).sum::<f64>().max(f64::MIN_POSITIVE);
    let mut mass = 0.0;
    let mut bins = vec![Bin::default()];
    for (at, pair) in sorted.iter().enumerate() {
        let Pair { raw, is_match, stands_for } = *pair;
        let weight = f64::from(stands_for) * if is_match { of_match } else { of_other };
        let last = bins.len() - 1;
        let bin = &mut bins[last];
        if is_match {
            bin.positive += weight
        } else {
            bin.negative += weight
        }
        bin.raw += weight * f64::from(raw);
        mass += 0.5 * weight / (2.0 * rarer) + 0.5 * told(pair) / all_told;
        // Equal raw logits stay in one bin.
        let whole = sorted.get(at + 1).is_some_and(|next| next.raw > raw);
        if whole && bins.len() < BINS && mass >= bins.len() as f64 / BINS as f64 {
            bins.push(Bin::default());
        }
    }
    (bins.len() == BINS).then_some(bins)
}

/// Mean raw logit and log-odds of each bin, both ascending.
fn smoothed(bins: &[Bin], (slope, offset): (f64, f64)) -> Vec<[f64; 2]> {
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
    let mut knots: Vec<[f64; 2]> = Vec::with_capacity(KNOTS);
    for (raw, odds) in means.into_iter().zip(odds) {
        let least = knots.last().map(|[x, y]| y + LEAST_SLOPE * slope * (raw - x));
        knots.push([raw, least.map_or(odds, |least| odds.max(least))]);
    }
    knots
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 200 raw logits in [0, 1), each with the share of matches that it says: a probability, no log-odds.
    fn honest() -> Vec<Pair> {
        let mut pairs = Vec::new();
        for i in 0..200u32 {
            let raw = (i as f32 + 0.5) / 200.0;
            pairs.extend((0..40u32).map(|k| Pair::of(raw, f64::from(k) + 0.5 < 40.0 * f64::from(raw))));
        }
        pairs
    }

    #[test]
    fn a_curve_follows_what_a_line_cannot_and_has_an_inverse() {
        let curve = fit(&honest(), (5.0, -2.5), 0.5).unwrap();
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
        let pairs: Vec<Pair> =
            (0..2400u32).map(|i| Pair::of(i as f32, (i / 400 + i) % 2 == 0 || i > 2000)).collect();
        let curve = fit(&pairs, (0.001, -1.0), 0.5).unwrap();
        assert!(curve.is_sound());
        assert!(fit(&pairs[..100], (0.001, -1.0), 0.5).is_none());
        let constant: Vec<Pair> = (0..2400u32).map(|i| Pair::of(1.0, i % 2 == 0)).collect();
        assert!(fit(&constant, (1.0, 0.0), 0.5).is_none());
    }

    /// 400 queries of 400 items: one match each, whose raw logits are higher by `gap` deviations, and the top spoiled by
    /// `spoilt` others, far above.
    fn rare(gap: f64, spoilt: usize) -> Vec<Pair> {
        // Quantiles of a logistic distribution, in place of draws.
        let quantile = |i: usize, n: usize| {
            let p = (i as f64 + 0.5) / n as f64;
            (p / (1.0 - p)).ln()
        };
        let mut pairs: Vec<Pair> =
            (0..400).map(|i| Pair::of((quantile(i, 400) + gap) as f32, true)).collect();
        pairs.extend((0..400 * 399).map(|i| Pair::of(quantile(i, 400 * 399) as f32, false)));
        pairs.extend((0..spoilt).map(|i| Pair::of(15.0 + i as f32 / spoilt as f32, false)));
        pairs
    }

    #[test]
    fn in_the_tail_the_share_of_matches_at_the_natural_rate_is_what_the_curve_says() {
        let platt = (0.9f32, -3.0f32);
        for (gap, spoilt) in [(8.0, 0), (5.0, 0), (8.0, 300)] {
            let pairs = rare(gap, spoilt);
            let rate = 400.0 / pairs.len() as f64;
            let curve = fit(&pairs, platt, rate).unwrap();
            assert!(curve.is_sound());
            let probability = |raw: f32| {
                1.0 / (1.0 + (-f64::from(curve.at(raw, platt.0)) - (rate / (1.0 - rate)).ln()).exp())
            };
            for least in [0.2, 0.5, 0.8, 0.9] {
                let hits: Vec<(f64, bool)> = pairs
                    .iter()
                    .map(|pair| (probability(pair.raw), pair.is_match))
                    .filter(|hit| hit.0 >= least)
                    .collect();
                let n = hits.len() as f64;
                let mean = hits.iter().map(|hit| hit.0).sum::<f64>() / n.max(1.0);
                let right = hits.iter().filter(|hit| hit.1).count() as f64 / n.max(1.0);
                // Three binomial deviations, and what a curve of straight pieces may miss.
                let error = 3.0 * (mean * (1.0 - mean) / n.max(1.0)).sqrt() + 0.05;
                assert!(
                    hits.is_empty() || right > mean - error,
                    "{gap} {spoilt} {least}: {right} of {n}, {mean}"
                );
            }
            // Without what spoils it the tail is sure, with it nothing is.
            let sure = pairs.iter().filter(|pair| probability(pair.raw) >= 0.9).count();
            assert_eq!(sure > 0, spoilt == 0 && gap > 6.0, "{gap} {spoilt}: {sure}");
        }
    }
}
