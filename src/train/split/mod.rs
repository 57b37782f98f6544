//! A validation split that near-duplicates do not straddle.
//!
//! Rows stay together when they share a group, or when their features in any media type are equal or have a cosine of at
//! least a limit (union-find). In a feature space of few dimensions most rows are that close; so the limit of a media type
//! is raised, step by step up to byte-equality, until no component holds more than a tenth of the rows.
//!
//! Of very many rows single ones are drawn to validate on (`drawn`).

mod drawn;
mod near;
mod planes;

use std::collections::HashMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use self::near::near_pairs;
use super::config::{Refit, TrainConfig};
use super::draw::some;
use crate::corpus::Split;
use crate::data::{Sets, TrainingData};

/// No component is more than this part of a validation split.
const LARGEST: usize = 10;

/// More train rows than this are not compared with each other.
const COMPARED: usize = 65_536;
/// Most rows marked `val` that are validated on: their scores among each other must fit in memory.
const MARKED: usize = 4096;

/// Splits to draw.
#[derive(Clone, Copy)]
struct Wanted {
    /// Rows of a split.
    rows: usize,
    splits: usize,
    /// Most rows of a component; those of a larger one are always learned from.
    largest: usize,
}

/// Rows to fit and rows to validate on, both ascending.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Fold {
    pub(crate) fit: Vec<usize>,
    pub(crate) validation: Vec<usize>,
}

/// One fold of the rows marked `val`, of more than 4,096 a draw, else as many grouped draws from the train rows as the settings want; no row is in
/// two validation splits.
pub(crate) fn folds(data: &TrainingData, config: &TrainConfig) -> Vec<Fold> {
    let train = data.rows_of(Split::Train);
    let marked = data.rows_of(Split::Val);
    if !marked.is_empty() {
        return vec![Fold { fit: train, validation: some(&marked, MARKED) }];
    }
    let rows = ((train.len() as f64 * config.selection.validation).round() as usize)
        .clamp(1, config.selection.validation_rows)
        .min(train.len() / 2);
    let splits = match config.selection.refit {
        Refit::Off => 1,
        Refit::All => (config.selection.validation_rows.min(train.len() * 9 / 10) / rows.max(1))
            .clamp(1, config.selection.folds),
    };
    // A component of many rows would make up a split of its own, of one class: large ones are always learned from.
    let wanted = Wanted { rows, splits, largest: (rows / LARGEST).max(2) };
    match train.len() > COMPARED {
        true => drawn::folds(data, &train, config, wanted),
        false => grouped(data, &train, config, wanted),
    }
}

/// Splits of whole components.
fn grouped(data: &TrainingData, train: &[usize], config: &TrainConfig, wanted: Wanted) -> Vec<Fold> {
    let component = components(data, train, config);
    let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
    for (&row, &root) in train.iter().zip(&component) {
        members.entry(root).or_default().push(row);
    }
    let mut roots: Vec<usize> = members.keys().copied().collect();
    roots.sort_unstable();
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed ^ 0x5917);
    roots.shuffle(&mut rng);
    roots.retain(|root| members[root].len() <= wanted.largest);
    let mut all = Vec::with_capacity(wanted.splits);
    for _ in 0..wanted.splits {
        let mut validation = Vec::new();
        // A component that would overshoot is left for the next split, or for the rows that are learned from.
        roots.retain(|root| {
            let fits = validation.len() + members[root].len() <= wanted.rows;
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

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::near::{EXHAUSTIVE, close_pairs};
    use super::*;
    use crate::data::MediaFeatures;

    fn data(rows: Vec<f32>, d_in: usize) -> TrainingData {
        let n = rows.len() / d_in;
        TrainingData {
            media: vec![MediaFeatures {
                encoder_state: Vec::new(),
                fingerprint: None,
                name: "image".into(),
                encoder: "e".into(),
                d_in,
                rows: rows.into(),
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

    const WANTED: Wanted = Wanted { rows: 60, splits: 2, largest: 6 };

    fn drawn_of(data: &TrainingData, seed: u64) -> Vec<Fold> {
        let config = TrainConfig { seed, ..TrainConfig::default() };
        drawn::folds(data, &data.rows_of(Split::Train), &config, WANTED)
    }

    #[test]
    fn what_is_near_to_a_drawn_row_or_of_its_group_is_not_learned_from() {
        // 400 rows with a twin each; 100 rows of 25 groups; 40 rows that are the same; 40 of one group.
        let base = noise(400 * 32, 1);
        let twin: Vec<f32> = base.iter().zip(noise(400 * 32, 2)).map(|(x, e)| 3.0 * (x + 0.02 * e)).collect();
        let rows = [base, twin, noise(100 * 32, 3), noise(32, 4).repeat(40), noise(40 * 32, 5)].concat();
        let mut data = data(rows, 32);
        let group = |row: usize| match row {
            800..900 => 10_000 + (row % 25) as u64,
            940.. => 20_000,
            row => row as u64,
        };
        data.groups = Some((0..data.rows()).map(group).collect());
        data.split[0] = Split::Test;
        for seed in 0..4 {
            let folds = drawn_of(&data, seed);
            assert_eq!(folds, drawn_of(&data, seed));
            assert_ne!(folds, drawn_of(&data, seed + 1));
            assert_eq!(folds.len(), WANTED.splits);
            let mut seen = Vec::new();
            for Fold { fit, validation } in folds {
                assert_eq!(validation.len(), WANTED.rows);
                assert!(fit.is_sorted() && validation.is_sorted() && fit[0] > 0);
                let fitted = |row: usize| fit.binary_search(&row).is_ok();
                for &row in &validation {
                    assert!(row < 900, "a row of a large component is validated on");
                    let twin = if row < 400 { row + 400 } else { row - 400 };
                    assert!(!fitted(row) && (row >= 800 || !fitted(twin)), "a twin of {row} is learned from");
                    assert!(!(800..900).any(|other| group(other) == group(row) && fitted(other)), "{row}");
                    assert!(!seen.contains(&row), "a row is validated on twice");
                    seen.push(row);
                }
                // Nothing else is left out.
                assert!(fit.len() >= 979 - 4 * WANTED.rows, "{}", fit.len());
                assert!((900..980).all(fitted));
            }
        }
    }

    #[test]
    fn drawn_rows_of_a_space_where_all_is_close_are_those_without_copies() {
        let mut rows: Vec<f32> = noise(600 * 3, 3).iter().map(|x| x + 4.0).collect();
        rows.copy_within(0..300, 300);
        let data = data(rows, 3);
        let folds = drawn_of(&data, 1);
        assert_eq!(folds.len(), 2);
        for Fold { fit, validation } in folds {
            assert_eq!(validation.len(), WANTED.rows);
            let copy = |row: usize| if row < 100 { row + 100 } else { row - 100 };
            assert!(
                validation
                    .iter()
                    .filter(|row| **row < 200)
                    .all(|&row| fit.binary_search(&copy(row)).is_err())
            );
            assert!(fit.len() >= 600 - WANTED.rows * WANTED.largest, "{}", fit.len());
        }
        // Where all are equal, there is nothing to validate on.
        let same = self::data(vec![1.0; 300], 3);
        let folds = drawn_of(&same, 1);
        assert_eq!((folds.len(), folds[0].validation.len(), folds[0].fit.len()), (1, 0, 100));
    }

    #[test]
    fn very_many_rows_are_not_compared_with_each_other() {
        let data = data(noise((COMPARED + 1) * 8, 9), 8);
        let folds = folds(&data, &TrainConfig::for_rows(data.rows()));
        assert_eq!((folds.len(), folds[0].validation.len()), (1, 1000));
        assert!(folds[0].fit.len() <= COMPARED + 1 - 1000 && folds[0].fit.len() > COMPARED / 2);
    }

    #[test]
    fn of_many_marked_rows_some_are_validated_on() {
        let mut data = data(noise(10_000 * 2, 4), 2);
        data.split[..9000].fill(Split::Val);
        let folds = folds(&data, &TrainConfig::default());
        assert_eq!((folds[0].fit.len(), folds[0].validation.len()), (1000, MARKED));
        assert!(folds[0].validation.is_sorted() && folds[0].validation.last().is_some_and(|row| *row < 9000));
    }
}
