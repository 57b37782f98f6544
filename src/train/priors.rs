//! How much a class weighs in the dot product of posteriors.
//!
//! Two items `x`, `y` of one class are `sum_c p_c(x) p_c(y) / P_c` times as likely as two items of any class, where `p_c`
//! are the posteriors and `P_c` the share of the class (Bayes' rule on both items); the plain dot product is the
//! probability that two items drawn by their posteriors agree. `w_c = (P_c C)^-b` lies between: the plain dot product for
//! `b = 0`, the likelihood ratio for `b = 1`; with classes of one size all weights are 1.

use crate::corpus::Split;
use crate::data::TrainingData;
use crate::model::{Bundle, Target};

/// The power that training starts from.
pub(crate) const START: f32 = 0.5;
/// Powers that a model may end with. Higher ones multiply the noise of rare classes, and validation splits of some hundred rows cannot tell
/// when that is worth it.
pub(crate) const POWERS: [f32; 3] = [START, 0.25, 0.0];

/// The power that the heads of a run start from: [`START`], or of a bundle that learns further the one of [`POWERS`] that is nearest to its
/// weights.
pub(crate) fn first(start: Option<&Bundle>, data: &TrainingData, classes: usize) -> f32 {
    let Some(start) = start else { return START };
    let (d, rows) = (start.dim(), data.rows_of(Split::Train));
    let heads = start.metric.heads.iter().filter(|head| head.target == Target::Class);
    let diagonals: Vec<Vec<f32>> =
        heads.map(|head| (0..classes).map(|i| head.bilinear[i * d + i]).collect()).collect();
    let distance = |power: &f32| -> f32 {
        let weights = weights(data, &rows, classes, *power);
        let of = |diagonal: &Vec<f32>| -> f32 {
            let scale = diagonal.iter().sum::<f32>() / weights.iter().sum::<f32>();
            diagonal.iter().zip(&weights).map(|(x, weight)| (x - scale * weight).powi(2)).sum()
        };
        diagonals.iter().map(of).sum()
    };
    POWERS.into_iter().min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(START)
}

/// `w [C]` for the classes of these rows, counted with one more row each.
pub(crate) fn weights(data: &TrainingData, rows: &[usize], classes: usize, power: f32) -> Vec<f32> {
    let mut counts = vec![1u32; classes];
    for class in rows.iter().filter_map(|&row| data.class(row)) {
        if let Some(count) = counts.get_mut(class as usize) {
            *count += 1;
        }
    }
    let total: u32 = counts.iter().sum();
    counts.iter().map(|count| (*count as f32 * classes as f32 / total as f32).powf(-power)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Labels;

    /// Seven rows of one class, two of another, one of none.
    fn data() -> TrainingData {
        let class: Vec<Option<u32>> =
            (0..10u32).map(|i| if i == 9 { None } else { Some(u32::from(i > 6)) }).collect();
        TrainingData {
            media: Vec::new(),
            labels: Some(Labels { class, names: None, key: "k".into() }),
            groups: None,
            split: vec![Split::Train; 10],
            features_name: "f".into(),
            documents: None,
            graded: Vec::new(),
        }
    }

    #[test]
    fn a_bundle_that_learns_further_starts_from_the_power_that_it_has() {
        let data = data();
        let mut bundle = Bundle::random(&[("image", 3), ("text", 2)], 8, 4, 2, 5);
        for power in POWERS {
            let weights = weights(&data, &data.rows_of(Split::Train), 2, power);
            for head in bundle.metric.heads.iter_mut().filter(|head| head.target == Target::Class) {
                (0..2).for_each(|i| head.bilinear[i * 8 + i] = 8.0 * weights[i] + 0.01);
            }
            assert_eq!(first(Some(&bundle), &data, 2), power);
        }
        assert_eq!(first(None, &data, 2), START);
        let bare = Bundle::random(&[("image", 3), ("text", 2)], 8, 4, 0, 5);
        assert_eq!(first(Some(&bare), &data, 0), START);
    }

    #[test]
    fn rare_classes_weigh_more_and_equal_ones_alike() {
        let data = data();
        let rows: Vec<usize> = (0..10).collect();
        // Counts 7 and 2, with one more each: shares 8/11 and 3/11.
        let one = weights(&data, &rows, 2, 1.0);
        assert!((one[0] - 11.0 / 16.0).abs() < 1e-6 && (one[1] - 11.0 / 6.0).abs() < 1e-6, "{one:?}");
        let half = weights(&data, &rows, 2, 0.5);
        assert!((half[1] * half[1] - one[1]).abs() < 1e-6);
        assert_eq!(weights(&data, &rows, 2, 0.0), [1.0, 1.0]);
        assert_eq!(weights(&data, &[0, 7], 2, 1.0), [1.0, 1.0]);
    }
}
