//! Platt scaling: a logistic curve through matches and others of equal mass.
//!
//! Source: J. Platt, "Probabilistic outputs for support vector machines", 1999.

use super::curve;
use super::pairs::Pair;
use crate::model::Calibration;

/// Fits a [`Calibration`] to raw logits and whether each is a match; `None` where a side is missing.
///
/// `rate` is that of matches among all pairs.
/// Positives and negatives get half of the total weight each. Newton's method with step halving on the logistic loss,
/// in f64, over at most 50 rounds; Platt's smoothed targets keep separable data finite.
/// Cost: rounds times pairs.
pub(crate) fn fit(pairs: &[Pair], rate: f64) -> Option<Calibration> {
    let positives = pairs.iter().filter(|pair| pair.is_match).count();
    if positives == 0 || positives == pairs.len() {
        return None;
    }
    let (n_pos, n_neg) = Pair::masses(pairs);
    // Standardise the raw logits first: Newton then starts well scaled.
    let mean = pairs.iter().map(|pair| f64::from(pair.raw)).sum::<f64>() / pairs.len() as f64;
    let var = pairs.iter().map(|pair| (f64::from(pair.raw) - mean).powi(2)).sum::<f64>() / pairs.len() as f64;
    let scale = var.sqrt().max(1e-12);
    let (target_pos, target_neg) = ((n_pos + 1.0) / (n_pos + 2.0), 1.0 / (n_neg + 2.0));
    let points: Vec<(f64, f64, f64)> = pairs
        .iter()
        .map(|pair| {
            let (x, weight) = ((f64::from(pair.raw) - mean) / scale, 0.5 * f64::from(pair.stands_for));
            if pair.is_match { (x, target_pos, weight / n_pos) } else { (x, target_neg, weight / n_neg) }
        })
        .collect();
    let loss = |a: f64, b: f64| -> f64 {
        points
            .iter()
            .map(|&(x, t, w)| {
                let z = a * x + b;
                w * (z.max(0.0) - z * t + (-z.abs()).exp().ln_1p())
            })
            .sum()
    };
    let (mut a, mut b) = (1.0f64, 0.0f64);
    let mut current = loss(a, b);
    for _ in 0..50 {
        let (mut ga, mut gb, mut haa, mut hab, mut hbb) = (0.0, 0.0, 1e-9, 0.0, 1e-9);
        for &(x, t, w) in &points {
            let z = a * x + b;
            let p = if z >= 0.0 { 1.0 / (1.0 + (-z).exp()) } else { z.exp() / (1.0 + z.exp()) };
            let (g, h) = (w * (p - t), w * p * (1.0 - p));
            ga += g * x;
            gb += g;
            haa += h * x * x;
            hab += h * x;
            hbb += h;
        }
        let det = haa * hbb - hab * hab;
        if det.abs() < 1e-18 {
            break;
        }
        let (da, db) = ((hbb * ga - hab * gb) / det, (haa * gb - hab * ga) / det);
        let mut step = 1.0;
        let mut improved = false;
        while step > 1e-6 {
            // A slope that is not positive would turn the ranking around: never accepted.
            let (na, nb) = (a - step * da, b - step * db);
            let next = if na > 0.0 { loss(na, nb) } else { f64::INFINITY };
            if next < current {
                improved = current - next > 1e-12;
                (a, b, current) = (na, nb, next);
                break;
            }
            step *= 0.5;
        }
        if !improved {
            break;
        }
    }
    let slope = (a.max(1e-3) / scale) as f32;
    let offset = (b - f64::from(slope) * mean) as f32;
    if !(slope.is_finite() && slope > 0.0 && offset.is_finite()) {
        return None;
    }
    Some(Calibration {
        slope,
        offset,
        prior: 0.5,
        natural: rate as f32,
        positives: positives as u64,
        curve: curve::fit(pairs, (slope, offset), rate),
        rate: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::sigmoid;

    #[test]
    fn fit_finds_known_parameters_at_balanced_mass() {
        // Log-odds of the generating process at equal mass: 2x - 1.
        let mut pairs = Vec::new();
        for i in 0..4000 {
            let x = -3.0 + 6.0 * (i as f32) / 4000.0;
            let p = sigmoid(2.0 * x - 1.0);
            let quota = (p * 20.0).round() as usize;
            pairs.extend((0..20).map(|k| Pair::of(x, k < quota)));
        }
        let matches = pairs.iter().filter(|pair| pair.is_match).count();
        let fitted = fit(&pairs, matches as f64 / pairs.len() as f64).unwrap();
        let rate = fitted.natural;
        // The fit is for one half; at the natural rate it gives back the process.
        let natural = fitted.with_prior(rate);
        for x in [-1.0f32, 0.0, 0.5, 1.0, 2.0] {
            assert!((natural.probability(x) - sigmoid(2.0 * x - 1.0)).abs() < 0.02, "{x}");
        }
    }

    #[test]
    fn fit_stays_finite_and_positive_on_hard_input() {
        assert!(fit(&[Pair::of(1.0, true)], 0.5).is_none());
        assert!(fit(&[], 0.5).is_none());
        let separable: Vec<Pair> = (0..100).map(|i| Pair::of(i as f32, i >= 50)).collect();
        let reversed: Vec<Pair> = (0..100).map(|i| Pair::of(i as f32, i < 50)).collect();
        let constant: Vec<Pair> = (0..10).map(|i| Pair::of(3.0, i < 5)).collect();
        for pairs in [&separable, &reversed, &constant] {
            let fitted = fit(pairs, 0.5).unwrap();
            assert!(
                fitted.slope > 0.0 && fitted.slope.is_finite() && fitted.offset.is_finite(),
                "{fitted:?}"
            );
        }
    }
}
