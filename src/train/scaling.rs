//! How a pathway reads features, learned on the rows that are fitted.

use crate::data::MediaFeatures;
use crate::model::root;

/// How a pathway reads features: learned on the rows that are fitted.
#[derive(Clone)]
pub(crate) struct Scaling {
    /// Whether features are replaced by their roots.
    pub(crate) roots: bool,
    pub(crate) mean: Vec<f32>,
    pub(crate) scale: Vec<f32>,
}

/// Whether no feature of these rows is negative, so that roots are taken.
pub(crate) fn takes_roots(media: &MediaFeatures, rows: &[usize]) -> bool {
    let mut present = rows.iter().filter(|&&row| media.present[row]);
    let mut buffer = Vec::new();
    present.all(|&row| media.row(row, &mut buffer).iter().all(|x| *x >= 0.0))
}

/// Roots where no feature of these rows is negative, then mean and inverse standard deviation.
///
/// Features without negative numbers are counts, shares or activations after a ReLU: their tails are long, and roots
/// bring them near a normal shape (Bartlett, "The square root transformation in analysis of variance", 1936).
pub(crate) fn scaling(media: &MediaFeatures, rows: &[usize]) -> Scaling {
    let d = media.d_in;
    let present = || rows.iter().filter(|&&row| media.present[row]);
    let mut buffer = Vec::new();
    let roots = takes_roots(media, rows);
    let read = |x: f32| f64::from(if roots { root(x) } else { x });
    let (mut sum, mut squares, mut n) = (vec![0.0f64; d], vec![0.0f64; d], 0.0f64);
    for &row in present() {
        n += 1.0;
        sum.iter_mut().zip(media.row(row, &mut buffer)).for_each(|(sum, x)| *sum += read(*x));
    }
    let mean: Vec<f64> = sum.iter().map(|sum| sum / n).collect();
    for &row in present() {
        for ((squares, x), mean) in squares.iter_mut().zip(media.row(row, &mut buffer)).zip(&mean) {
            *squares += (read(*x) - mean).powi(2);
        }
    }
    let scale = squares.iter().zip(&mean).map(|(squares, mean)| {
        let deviation = (squares / n).sqrt();
        // A constant feature says nothing, and rounding must not blow it up.
        if deviation > 1e-6 * mean.abs().max(1e-30) { (1.0 / deviation).min(1e30) as f32 } else { 0.0 }
    });
    let scale = scale.collect();
    Scaling { roots, mean: mean.iter().map(|x| *x as f32).collect(), scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(rows: Vec<f32>) -> MediaFeatures {
        MediaFeatures {
            name: "image".into(),
            encoder: "e".into(),
            encoder_state: Vec::new(),
            fingerprint: None,
            d_in: 2,
            present: vec![true; rows.len() / 2],
            rows: rows.into(),
        }
    }

    #[test]
    fn roots_are_taken_where_the_fitted_rows_have_no_negative_number() {
        let media = media(vec![4.0, 5.0, 16.0, 5.0, -1.0, 0.0]);
        let with = scaling(&media, &[0, 1]);
        // Roots 2 and 4: mean 3, deviation 1; the other feature is constant.
        assert!(with.roots);
        assert!((with.mean[0] - 3.0).abs() < 1e-6 && (with.scale[0] - 1.0).abs() < 1e-6);
        assert_eq!(with.scale[1], 0.0);
        let without = scaling(&media, &[0, 1, 2]);
        assert!(!without.roots);
        assert!((without.mean[0] - 19.0 / 3.0).abs() < 1e-5);
    }
}
