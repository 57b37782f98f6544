//! How much a class weighs in the dot product of posteriors.
//!
//! Two items `x`, `y` of one class are `sum_c p_c(x) p_c(y) / P_c` times as likely as two items of any class, where `p_c`
//! are the posteriors and `P_c` the share of the class (Bayes' rule on both items); the plain dot product is the
//! probability that two items drawn by their posteriors agree. `w_c = (P_c C)^-b` lies between: the plain dot product for
//! `b = 0`, the likelihood ratio for `b = 1`; with classes of one size all weights are 1.

use crate::data::TrainingData;

/// The power that training starts from.
pub(crate) const START: f32 = 0.5;

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
    use crate::corpus::Split;
    use crate::data::Labels;

    #[test]
    fn rare_classes_weigh_more_and_equal_ones_alike() {
        let class: Vec<Option<u32>> =
            (0..10u32).map(|i| if i == 9 { None } else { Some(u32::from(i > 6)) }).collect();
        let data = TrainingData {
            media: Vec::new(),
            labels: Some(Labels { class, names: None, key: "k".into() }),
            groups: None,
            split: vec![Split::Train; 10],
            features_name: "f".into(),
            documents: None,
            graded: Vec::new(),
        };
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
