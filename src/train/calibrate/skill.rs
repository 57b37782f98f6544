//! Brier skill of the heads of the class, calibrated on the very rows that it is measured on.
//!
//! The skill is `1 - B / (r (1 - r))`, with `B` the mean of `(probability - match)^2` and `r` the rate of matches: 0 for always saying `r`.
//! Source: G. Brier, "Verification of forecasts expressed in terms of probability", 1950.

use super::{Held, Scored};
use crate::data::{Similarity, TrainingData};
use crate::error::Result;
use crate::model::{Bundle, Target};
use crate::train::draw::some;

/// Rows of each model that are compared with each other, at most.
const ROWS: usize = 1024;

/// The mean over pairs of media types, at the natural rate of the rows that each model has not seen; `None` where nothing can be calibrated
/// on these.
///
/// What a curve gains by being fitted on the same rows is about the same for all heads, so skills may be compared. Of more than 1,024
/// rows of a model as many are drawn. Matches of the class are the same both ways, and so are scores.
///
/// Cost: the scores of all pairs of these rows, held, with a sort and a fit of a curve, for each pair of media types.
pub(crate) fn skill(models: &[(Bundle, Vec<usize>)], data: &TrainingData) -> Result<Option<f64>> {
    let held = models.iter().map(|(bundle, rows)| Held::unseen(bundle, data, &some(rows, ROWS)));
    let held: Vec<Held<'_>> = held.collect::<Result<_>>()?;
    let media = models.first().map_or(0, |(bundle, _)| bundle.media().len());
    // A single media type is compared with itself.
    let pairs =
        (0..media).flat_map(|a| (a..media).map(move |b| (a, b))).filter(|(a, b)| a != b || media == 1);
    let each: Vec<f64> = pairs
        .filter_map(|pair| {
            let similarity = Similarity::Metric(Target::Class);
            Scored::of(&held, false, data, similarity, Target::Class, pair)?.skill()
        })
        .collect();
    Ok((!each.is_empty()).then(|| each.iter().sum::<f64>() / each.len() as f64))
}

impl Scored {
    fn skill(self) -> Option<f64> {
        let (pairs, fit) = self.fitted()?;
        let rate = f64::from(fit.natural);
        let fit = fit.with_prior(fit.natural);
        let (mut sum, mut mass) = (0.0, 0.0);
        for pair in &pairs {
            let error = f64::from(fit.probability(pair.raw)) - f64::from(u8::from(pair.is_match));
            sum += f64::from(pair.stands_for) * error * error;
            mass += f64::from(pair.stands_for);
        }
        Some(1.0 - sum / mass / (rate * (1.0 - rate)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::Split;
    use crate::train::calibrate::tests::{bundle, data};

    /// `matches` and `others` around 0, told apart by `gap`.
    fn scored(gap: f32) -> Scored {
        let spread = |n: usize, at: f32| (0..n).map(|i| at + (i as f32 / n as f32 - 0.5) * 2.0).collect();
        Scored { matches: spread(300, gap), others: spread(900, 0.0), queries: 30.0 }
    }

    #[test]
    fn the_skill_is_0_where_matches_look_like_others_and_1_where_they_are_told_apart() {
        let of = |gap: f32| scored(gap).skill().unwrap();
        assert!(of(0.0).abs() < 0.01, "{}", of(0.0));
        assert!(of(1.0) > of(0.5) && of(0.5) > of(0.25), "{} {} {}", of(0.25), of(0.5), of(1.0));
        assert!(of(3.0) > 0.99, "{}", of(3.0));
        // The same, but each of the others a thousand times: many are thinned out, and the rate is another.
        let mut many = scored(1.0);
        many.others = many.others.iter().flat_map(|raw| [*raw; 1000]).collect();
        let thinned = many.skill().unwrap();
        assert!(thinned > 0.0 && thinned < of(1.0), "{thinned}");
        let none = Scored { matches: vec![1.0; 3], others: Vec::new(), queries: 3.0 };
        assert_eq!(none.skill(), None);
    }

    #[test]
    fn the_skill_of_models_needs_rows_of_which_some_match() {
        let (bundle, data) = (bundle(), data(30, |_| Split::Train));
        let rows: Vec<usize> = (0..30).collect();
        let found = skill(&[(bundle.clone(), rows.clone())], &data).unwrap().unwrap();
        assert!((-0.1..0.3).contains(&found), "features are random: {found}");
        assert_eq!(skill(&[(bundle.clone(), vec![0])], &data).unwrap(), None, "no others");
        assert_eq!(skill(&[], &data).unwrap(), None);
        let alone = Bundle::random(&[("image", 6)], 12, 4, 3, 7);
        let mut one = data.clone();
        one.media.truncate(1);
        assert!(
            skill(&[(alone, rows)], &one).unwrap().is_some(),
            "a single media type is compared with itself"
        );
    }
}
