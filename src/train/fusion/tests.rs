//! Fits of known data, and of random data against a plain descent that shares no code with the fit.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::model::FusionFeatures;

/// Queries of random entries, whose labels are drawn from a layer of these weights.
fn drawn(queries: usize, rows: usize, weights: [f32; LEN], seed: u64) -> Vec<FusionQuery> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let ranges = [3.0f32, 1.0, 1.0, 20.0, 1.0];
    (0..queries)
        .map(|_| {
            // What lifts all documents of a query says nothing about relevance.
            let lift = rng.random::<f32>() * 3.0;
            let row = |rng: &mut ChaCha8Rng| {
                let x: [f32; LEN] = std::array::from_fn(|k| rng.random::<f32>() * ranges[k]);
                let centred: f32 = (0..LEN).map(|k| weights[k] * (x[k] - ranges[k] / 2.0)).sum();
                let relevant = rng.random::<f32>() < 1.0 / (1.0 + (1.5 - centred).exp());
                let features = FusionFeatures([x[0] + lift, x[1], x[2], x[3], x[4]]);
                FusionRow { features, label: f32::from(u8::from(relevant)), weight: 1.0 }
            };
            FusionQuery { rows: (0..rows).map(|_| row(&mut rng)).collect() }
        })
        .collect()
}

/// The loss of the weights `w`, and its gradient, straight from the formula, over all pairs of rows.
fn plain(queries: &[FusionQuery], spread: &[f64; LEN], ridge: f64, w: &[f64; LEN]) -> (f64, [f64; LEN]) {
    let (mut loss, mut gradient, mut counted) = (0.0, [0.0; LEN], 0.0);
    for FusionQuery { rows } in queries {
        let sum = |of: fn(&FusionRow) -> f32| rows.iter().map(|row| f64::from(of(row))).sum::<f64>();
        let total = sum(|row| row.weight * row.label) * sum(|row| row.weight * (1.0 - row.label));
        let any = rows.iter().any(|a| rows.iter().any(|b| a.label > b.label));
        counted += f64::from(u8::from(any));
        for a in rows {
            for b in rows.iter().filter(|b| a.label > b.label) {
                let mass = f64::from(a.weight * b.weight * (a.label - b.label)) / total;
                let x: [f64; LEN] =
                    std::array::from_fn(|k| f64::from(a.features.0[k]) - f64::from(b.features.0[k]));
                let s: f64 = (0..LEN).map(|k| w[k] * x[k]).sum();
                loss += mass * (1.0 + (-s).exp()).ln();
                for k in 0..LEN {
                    gradient[k] -= mass * x[k] / (1.0 + s.exp());
                }
            }
        }
    }
    for k in 0..LEN {
        loss += ridge / 2.0 * (w[k] * spread[k]).powi(2);
        gradient[k] += ridge * w[k] * spread[k].powi(2);
    }
    (loss / counted, gradient.map(|g| g / counted))
}

fn ranked(queries: &[FusionQuery]) -> Vec<Ranked> {
    queries.iter().filter_map(Ranked::new).collect()
}

/// Grades 0, 1/4, .. 1 and row weights 1, 2 or 3 in place of clicks.
fn graded(mut queries: Vec<FusionQuery>) -> Vec<FusionQuery> {
    for (i, row) in queries.iter_mut().flat_map(|query| &mut query.rows).enumerate() {
        row.weight = (i % 3 + 1) as f32;
        row.label = (row.label * 3.0 + (i % 2) as f32) / 4.0;
    }
    queries
}

#[test]
fn weights_are_those_that_a_long_plain_descent_finds() {
    let truths = [[1.0, 0.5, 0.2, 0.3, 1.0], [2.0, -3.0, 0.0, 0.4, -1.0], [0.3, 1.0, 2.0, -0.2, 0.5]];
    let (mut at_zero, mut above) = (0, 0);
    for (seed, truth) in truths.into_iter().enumerate() {
        for (queries, ridge) in [
            (drawn(8, 7, truth, seed as u64), 1.0),
            (graded(drawn(8, 7, truth, 10 + seed as u64)), 0.2),
            (drawn(6, 12, truth, 20 + seed as u64), 30.0),
        ] {
            let kept = ranked(&queries);
            let kept: Vec<&Ranked> = kept.iter().collect();
            let (spread, found) = (spread(&kept), rank(&kept, ridge));
            // Projected gradient descent in units of the spread, where slopes change by LEN + ridge at most.
            let mut w = [0.0f64; LEN];
            let step = 1.0 / (LEN as f64 / 4.0 + ridge / kept.len() as f64);
            for _ in 0..40_000 {
                let (_, gradient) = plain(&queries, &spread, ridge, &w);
                w = std::array::from_fn(|k| (w[k] - step * gradient[k] / spread[k].powi(2)).max(0.0));
            }
            let (best, _) = plain(&queries, &spread, ridge, &w);
            let (loss, gradient) = plain(&queries, &spread, ridge, &found);
            assert!((loss - best).abs() < 1e-10, "{loss} {best}");
            for k in 0..LEN {
                let unit = found[k] * spread[k];
                assert!((unit - w[k] * spread[k]).abs() < 1e-4 * (1.0 + unit), "{found:?} {w:?}");
                // The conditions of the least value, which is the only one since the loss is convex.
                let slope = gradient[k] / spread[k];
                assert!(if found[k] > 0.0 { slope.abs() < 1e-8 } else { slope > -1e-8 }, "{k}: {slope}");
                *(if found[k] > 0.0 { &mut above } else { &mut at_zero }) += 1;
            }
        }
    }
    assert!(at_zero >= 5 && above >= 20, "both cases occur: {at_zero}, {above}");
}

#[test]
fn spread_is_the_root_mean_square_difference_of_pairs() {
    let row = |x: [f32; LEN], label| FusionRow { features: FusionFeatures(x), label, weight: 1.0 };
    let query = FusionQuery {
        rows: vec![row([3.0, 0.0, 1.0, 0.0, 0.5], 0.0), row([0.0; LEN], 1.0), row([4.0; LEN], 0.0)],
    };
    let kept = [Ranked::new(&query).unwrap()];
    let expected = [12.5f64.sqrt(), 8.0f64.sqrt(), 8.5f64.sqrt(), 8.0f64.sqrt(), 8.125f64.sqrt()];
    for (found, wanted) in spread(&[&kept[0]]).iter().zip(expected) {
        assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
    }
    let flat = FusionQuery { rows: vec![row([1.0; LEN], 0.0), row([1.0; LEN], 1.0)] };
    assert_eq!(spread(&[&Ranked::new(&flat).unwrap()]), [0.01; LEN]);
}

#[test]
fn known_weights_come_back_and_useless_or_reversed_entries_get_none() {
    // Log-odds of the order of two documents, of which one is relevant, are the difference of their log-odds.
    let truth = [1.5, 0.0, 2.0, 0.4, 0.5];
    let kept = ranked(&drawn(4000, 20, truth, 5));
    let found = rank(&kept.iter().collect::<Vec<_>>(), 0.1);
    for (k, wanted) in truth.into_iter().enumerate() {
        // In units of the range of an entry.
        let error = (found[k] - f64::from(wanted)) * [3.0, 1.0, 1.0, 20.0, 1.0][k];
        assert!(error.abs() < 0.25, "{k}: {found:?}");
    }
    let layer = FusionLayer::fit(Target::Pair, &drawn(300, 20, [1.5, 0.0, 2.0, 0.4, -1.0], 5)).unwrap();
    assert!(layer.weights()[0] > 0.5 && layer.weights()[2] > 0.5 && layer.weights()[3] > 0.1);
    assert_eq!(layer.weights()[4], 0.0);
    assert_eq!(layer.target(), Target::Pair);
    assert!(layer.lines() > 280 && layer.lines() <= 300);
    assert_eq!(layer.positives() + layer.negatives(), 20 * layer.lines());
}

#[test]
fn the_bias_is_that_of_balanced_classes_and_every_query_weighs_the_same() {
    let queries = drawn(40, 15, [1.0, 0.5, 0.2, 0.3, 1.0], 6);
    let layer = FusionLayer::fit(Target::Class, &queries).unwrap();
    let (mut total, mut counted) = (0.0f64, 0.0);
    for query in &queries {
        let side = |label: f32| {
            let rows: Vec<_> = query.rows.iter().filter(|row| row.label == label).collect();
            rows.iter().map(|row| f64::from(layer.probability(&row.features))).sum::<f64>()
                / rows.len() as f64
        };
        let (relevant, others) = (side(1.0), side(0.0));
        if relevant.is_finite() && others.is_finite() {
            (total, counted) = (total + (relevant + others) / 2.0, counted + 1.0);
        }
    }
    assert_eq!(counted as u64, layer.lines());
    assert!((total / counted - 0.5).abs() < 1e-5, "{}", total / counted);
    // Ten times as many irrelevant documents, or rows of ten times the weight, are no other evidence.
    let mut more = queries.clone();
    for (i, query) in more.iter_mut().enumerate() {
        if i % 3 == 0 {
            let others: Vec<_> = query.rows.iter().filter(|row| row.label == 0.0).copied().collect();
            (0..9).for_each(|_| query.rows.extend(others.iter().copied()));
        } else {
            query.rows.iter_mut().for_each(|row| row.weight = 10.0);
        }
    }
    let again = FusionLayer::fit(Target::Class, &more).unwrap();
    assert!((layer.bias() - again.bias()).abs() < 1e-4, "{layer:?} {again:?}");
    for (a, b) in layer.weights().iter().zip(again.weights()) {
        assert!((a - b).abs() < 1e-4, "{layer:?} {again:?}");
    }
}

#[test]
fn the_same_queries_give_the_same_bits_and_silent_ones_change_none() {
    let queries = graded(drawn(30, 9, [1.0, 0.5, 0.2, 0.3, 1.0], 7));
    let layer = FusionLayer::fit(Target::Class, &queries).unwrap();
    assert_eq!(FusionLayer::fit(Target::Class, &queries).unwrap(), layer);
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    assert_eq!(one.install(|| FusionLayer::fit(Target::Class, &queries).unwrap()), layer);
    let mut with_silent = queries.clone();
    let mut silent = queries[0].clone();
    silent.rows.iter_mut().for_each(|row| row.label = 0.0);
    with_silent.insert(3, silent);
    with_silent.insert(9, FusionQuery::default());
    with_silent[0].rows.push(FusionRow { weight: 0.0, label: 1.0, ..queries[1].rows[0] });
    assert_eq!(FusionLayer::fit(Target::Class, &with_silent).unwrap(), layer);
}

#[test]
fn separable_clicks_give_a_finite_layer_that_ranks_them() {
    let row = |bm25: f32, rank: usize, label| FusionRow {
        features: FusionFeatures::new(Some((bm25, 9.0, rank)), None),
        label,
        weight: 1.0,
    };
    let query = FusionQuery { rows: vec![row(2.0, 2, 0.0), row(9.0, 1, 1.0), row(1.0, 3, 0.0)] };
    for n in [LEAST_QUERIES, 100] {
        let layer = FusionLayer::fit(Target::Pair, &vec![query.clone(); n]).unwrap();
        let scores: Vec<f32> = query.rows.iter().map(|row| layer.score(&row.features)).collect();
        assert!(scores[1] > scores[0] && scores[0] > scores[2], "{scores:?}");
        assert!(layer.probability(&query.rows[1].features) > 0.75 && scores.iter().all(|x| x.abs() < 20.0));
        assert_eq!(layer.weights()[3..], [0.0; 2], "the leg without documents");
        assert_eq!((layer.lines(), layer.positives(), layer.negatives()), (n as u64, n as u64, 2 * n as u64));
    }
}

#[test]
fn the_ridge_is_strong_for_noise_and_weak_for_a_clear_order() {
    let clear = ranked(&drawn(200, 10, [3.0, 0.0, 0.0, 1.0, 0.0], 8));
    let noise = ranked(&drawn(60, 4, [0.0; LEN], 9));
    let refs = |all: &[Ranked]| -> f64 { choose(&all.iter().collect::<Vec<_>>()) };
    assert!(refs(&clear) <= 1.0, "{}", refs(&clear));
    assert!(refs(&noise) >= 10.0, "{}", refs(&noise));
    assert_eq!(refs(&clear[..CHOOSE_FROM - 1]), DEFAULT_RIDGE);
}

#[test]
fn what_cannot_be_learned_from_is_refused() {
    let good = drawn(10, 12, [1.0, 0.5, 0.2, 0.3, 1.0], 11);
    let fails = |change: &dyn Fn(&mut Vec<FusionQuery>)| {
        let mut bad = good.clone();
        change(&mut bad);
        FusionLayer::fit(Target::Pair, &bad).unwrap_err()
    };
    assert!(FusionLayer::fit(Target::Pair, &good).is_ok());
    assert_eq!(fails(&|bad| bad.clear()).code(), ErrorCode::TooFewData);
    let few = fails(&|bad| bad[4..].iter_mut().for_each(|query| query.rows.clear()));
    assert_eq!(few.code(), ErrorCode::TooFewData);
    assert_eq!(few.facts().got.as_deref(), Some("4"));
    for label in [0.0, 1.0, 0.5] {
        let same = fails(&|bad| bad.iter_mut().flat_map(|q| &mut q.rows).for_each(|row| row.label = label));
        assert_eq!(same.code(), ErrorCode::TooFewData);
    }
    let reversed = fails(&|bad| {
        for row in bad.iter_mut().flat_map(|q| &mut q.rows) {
            row.features = FusionFeatures([1.0 - row.label; LEN]);
        }
    });
    assert_eq!(reversed.code(), ErrorCode::TooFewData);
    let constant = fails(&|bad| {
        bad.iter_mut().flat_map(|q| &mut q.rows).for_each(|row| row.features = FusionFeatures([2.0; LEN]));
    });
    assert_eq!(constant.code(), ErrorCode::TooFewData);
    for (code, change) in [
        (ErrorCode::NotFinite, (|row| row.features.0[2] = f32::NAN) as fn(&mut FusionRow)),
        (ErrorCode::NotFinite, |row| row.features.0[0] = f32::INFINITY),
        (ErrorCode::NotFinite, |row| row.label = f32::NAN),
        (ErrorCode::NotFinite, |row| row.weight = f32::INFINITY),
        (ErrorCode::BadValue, |row| row.label = 1.01),
        (ErrorCode::BadValue, |row| row.label = -0.1),
        (ErrorCode::BadValue, |row| row.weight = -1.0),
    ] {
        let error = fails(&|bad| change(&mut bad[7].rows[3]));
        assert_eq!(error.code(), code);
        assert!(error.to_string().contains("row 3 of query 7"), "{error}");
    }
}
