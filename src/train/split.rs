//! A validation split that near-duplicates do not straddle.
//!
//! Rows stay together when they share a group, or when their features in any media type are equal or have a cosine of at
//! least a limit (union-find). In a feature space of few dimensions most rows are that close; so the limit of a media type
//! is raised, step by step up to byte-equality, until no component holds more than a tenth of the rows.

use std::collections::HashMap;

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::config::{Refit, TrainConfig};
use crate::corpus::Split;
use crate::data::{MediaFeatures, Sets, TrainingData, content_numbers};
use crate::model::dot;

/// No component is more than this part of a validation split.
const LARGEST: usize = 10;

/// Rows to fit and rows to validate on, both ascending.
#[derive(Clone, Debug)]
pub(crate) struct Fold {
    pub(crate) fit: Vec<usize>,
    pub(crate) validation: Vec<usize>,
}

/// One fold of the rows marked `val`, else as many grouped draws from the train rows as the settings want; no row is in
/// two validation splits.
pub(crate) fn folds(data: &TrainingData, config: &TrainConfig) -> Vec<Fold> {
    let train = data.rows_of(Split::Train);
    let marked = data.rows_of(Split::Val);
    if !marked.is_empty() {
        return vec![Fold { fit: train, validation: marked }];
    }
    let component = components(data, &train, config);
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    for (&row, &root) in train.iter().zip(&component) {
        members.entry(root).or_default().push(row);
    }
    let mut roots: Vec<usize> = members.keys().copied().collect();
    roots.sort_unstable();
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed ^ 0x5917);
    roots.shuffle(&mut rng);
    let wanted = ((train.len() as f64 * config.selection.validation).round() as usize)
        .clamp(1, config.selection.validation_rows)
        .min(train.len() / 2);
    // A component of many rows would make up a split of its own, of one class: large ones are always learned from.
    let largest = (wanted / LARGEST).max(2);
    roots.retain(|root| members[root].len() <= largest);
    let folds = match config.selection.refit {
        Refit::Off => 1,
        Refit::All => (config.selection.validation_rows.min(train.len() * 9 / 10) / wanted.max(1))
            .clamp(1, config.selection.folds),
    };
    let mut all = Vec::with_capacity(folds);
    for _ in 0..folds {
        let mut validation = Vec::new();
        // A component that would overshoot is left for the next split, or for the rows that are learned from.
        roots.retain(|root| {
            let fits = validation.len() + members[root].len() <= wanted;
            if fits {
                validation.extend_from_slice(&members[root]);
            }
            !fits
        });
        validation.sort_unstable();
        if validation.is_empty() && !all.is_empty() {
            break;
        }
        let fit = train.iter().copied().filter(|row| validation.binary_search(row).is_err()).collect();
        all.push(Fold { fit, validation });
    }
    all
}

/// The component of each of `rows`.
fn components(data: &TrainingData, rows: &[usize], config: &TrainConfig) -> Vec<usize> {
    let mut sets = Sets::new(rows.len());
    if let Some(groups) = &data.groups {
        let mut first: HashMap<u64, usize> = HashMap::new();
        for (i, &row) in rows.iter().enumerate() {
            let other = *first.entry(groups[row]).or_insert(i);
            sets.join(i, other);
        }
    }
    for media in &data.media {
        for (a, b) in near_pairs(media, rows, config.selection.duplicate_cosine) {
            sets.join(a, b);
        }
    }
    (0..rows.len()).map(|i| sets.find(i)).collect()
}

/// Pairs of positions in `rows` whose features are equal or nearly so.
fn near_pairs(media: &MediaFeatures, rows: &[usize], limit: f64) -> Vec<(usize, usize)> {
    let present: Vec<usize> = (0..rows.len()).filter(|&i| media.present[rows[i]]).collect();
    let content = content_numbers(present.iter().map(|&i| media.row(rows[i])));
    let mut first: HashMap<u32, usize> = HashMap::new();
    let mut equal = Vec::new();
    let mut distinct = Vec::new();
    for (&i, &number) in present.iter().zip(&content) {
        let other = *first.entry(number).or_insert(i);
        if other == i {
            distinct.push(i);
        } else {
            equal.push((other, i));
        }
    }
    let candidates = close_pairs(media, rows, &distinct, limit);
    let cap = (rows.len() / 10).max(8);
    for limit in [limit, 1.0 - (1.0 - limit) / 4.0, 1.0 - (1.0 - limit) / 16.0, 1.0 - (1.0 - limit) / 64.0] {
        let mut sets = Sets::new(rows.len());
        let near = || candidates.iter().filter(|pair| f64::from(pair.2) >= limit).map(|&(a, b, _)| (a, b));
        near().chain(equal.iter().copied()).for_each(|(a, b)| sets.join(a, b));
        if sets.largest() <= cap {
            return near().chain(equal.iter().copied()).collect();
        }
    }
    equal
}

/// More rows than this are compared only within buckets of equal random signs.
const EXHAUSTIVE: usize = 8192;
/// Most partners that one row is compared with in a bucket.
const BUCKET: usize = 256;

/// `(a, b, cosine)` of the pairs of at least `limit`.
///
/// Cost: `n^2 d / 2` up to 8,192 rows; beyond, 12 tables of random hyperplanes, which miss a pair of cosine 0.98 with
/// a probability below 2 %.
fn close_pairs(media: &MediaFeatures, rows: &[usize], at: &[usize], limit: f64) -> Vec<(usize, usize, f32)> {
    let limit = limit as f32;
    let d = media.d_in;
    let unit: Vec<f32> = at
        .par_iter()
        .flat_map_iter(|&i| {
            let row = media.row(rows[i]);
            let norm = dot(row, row).sqrt();
            let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
            row.iter().map(move |x| x * inverse)
        })
        .collect();
    let row = |i: usize| &unit[i * d..(i + 1) * d];
    let check = |i: usize, j: usize| {
        let cosine = dot(row(i), row(j));
        (cosine >= limit).then(|| (at[i], at[j], cosine))
    };
    if at.len() <= EXHAUSTIVE {
        return (0..at.len())
            .into_par_iter()
            .flat_map_iter(|i| (i + 1..at.len()).filter_map(move |j| check(i, j)))
            .collect();
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0x6e65_6172);
    let mean: Vec<f32> =
        (0..d).map(|k| (0..at.len()).map(|i| row(i)[k]).sum::<f32>() / at.len() as f32).collect();
    let mut found = Vec::new();
    for _ in 0..12 {
        let planes: Vec<f32> = (0..16 * d).map(|_| rng.random::<f32>() - 0.5).collect();
        let offsets: Vec<f32> = planes.chunks_exact(d).map(|plane| dot(plane, &mean)).collect();
        let keys: Vec<u16> = (0..at.len())
            .into_par_iter()
            .map(|i| {
                planes.chunks_exact(d).zip(&offsets).enumerate().fold(0, |key, (bit, (plane, offset))| {
                    key | u16::from(dot(plane, row(i)) > *offset) << bit
                })
            })
            .collect();
        let mut order: Vec<usize> = (0..at.len()).collect();
        order.sort_by_key(|&i| (keys[i], i));
        let pairs: Vec<_> = (0..order.len())
            .into_par_iter()
            .flat_map_iter(|p| {
                let (keys, order) = (&keys, &order);
                let end = (p + 1 + BUCKET).min(order.len());
                (p + 1..end)
                    .take_while(move |&q| keys[order[q]] == keys[order[p]])
                    .filter_map(move |q| check(order[p], order[q]))
            })
            .collect();
        found.extend(pairs);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(rows: Vec<f32>, d_in: usize) -> TrainingData {
        let n = rows.len() / d_in;
        TrainingData {
            media: vec![MediaFeatures {
                encoder_state: Vec::new(),
                fingerprint: None,
                name: "image".into(),
                encoder: "e".into(),
                d_in,
                rows,
                present: vec![true; n],
            }],
            labels: None,
            groups: None,
            split: vec![Split::Train; n],
            features_name: "f".into(),
            documents: None,
            graded: Vec::new(),
        }
    }

    fn noise(n: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|_| rng.random::<f32>() - 0.5).collect()
    }

    #[test]
    fn near_duplicates_and_groups_stay_on_one_side() {
        // 100 distinct rows, each with a slightly moved twin, far away in the list.
        let base = noise(100 * 32, 1);
        let twin: Vec<f32> = base.iter().zip(noise(100 * 32, 2)).map(|(x, e)| 3.0 * (x + 0.02 * e)).collect();
        let mut data = data([base, twin].concat(), 32);
        data.groups = Some((0..200).map(|i| if i < 4 { 0 } else { i }).collect());
        for seed in 0..5 {
            let mut config = TrainConfig { seed, ..TrainConfig::default() };
            config.selection.validation = 0.3;
            let folds = folds(&data, &config);
            assert_eq!(folds.len(), 3, "nine tenths of the rows");
            let mut seen = Vec::new();
            for Fold { fit, validation } in folds {
                assert_eq!(fit.len() + validation.len(), 200);
                assert!((55..=60).contains(&validation.len()), "{}", validation.len());
                let side = |row: usize| validation.binary_search(&row).is_ok();
                assert!((0..100).all(|i| side(i) == side(i + 100)), "a twin is on the other side");
                assert!((0..4).all(|i| side(i) == side(0)), "a group is torn");
                assert!(validation.iter().all(|row| !seen.contains(row)), "a row is validated on twice");
                seen.extend(validation);
            }
        }
    }

    #[test]
    fn a_space_where_all_is_close_still_gives_a_split() {
        let rows: Vec<f32> = noise(200 * 3, 3).iter().map(|x| x + 4.0).collect();
        let Fold { fit, validation } = folds(&data(rows, 3), &TrainConfig::default()).swap_remove(0);
        assert!(validation.len() >= 20 && fit.len() >= 150, "{} {}", fit.len(), validation.len());
    }

    #[test]
    fn marked_rows_are_taken_as_they_are() {
        let mut data = data(noise(20 * 4, 4), 4);
        data.split[3] = Split::Val;
        data.split[7] = Split::Test;
        let marked = folds(&data, &TrainConfig::default());
        assert_eq!(marked.len(), 1);
        let Fold { fit, validation } = marked[0].clone();
        assert_eq!((fit.len(), validation), (18, vec![3]));
        assert!(!fit.contains(&7));
    }

    #[test]
    fn buckets_find_what_the_exhaustive_search_finds() {
        let base = noise(EXHAUSTIVE / 2 * 16, 5);
        let twin: Vec<f32> = base.iter().map(|x| x * 2.0 + 0.002).collect();
        let data = data([base, twin, noise(100 * 16, 6)].concat(), 16);
        let rows: Vec<usize> = (0..data.rows()).collect();
        let found = close_pairs(&data.media[0], &rows, &rows, 0.98);
        let half = EXHAUSTIVE / 2;
        let twins: std::collections::HashSet<usize> =
            found.iter().filter(|(a, b, _)| a.abs_diff(*b) == half).map(|(a, b, _)| *a.min(b)).collect();
        assert!(twins.len() * 100 > half * 97, "{} of {half}", twins.len());
    }
}
