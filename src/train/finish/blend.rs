//! How much of the unit parts the target `class` takes beside the posteriors.
//!
//! Of many classes with few rows each posteriors know less than the unit parts, which all pairs have taught. How much to take is chosen by
//! MAP on validation rows; of few classes with many rows it is nothing, and the head of the class then reads the posteriors alone. The
//! other way round, posteriors beside the unit parts of `pair`, nothing is won.

use super::shrink::{FIXED, score};
use crate::data::{Items, TrainingData};
use crate::error::Result;
use crate::eval::measure_between;
use crate::model::{Bundle, Target};
use crate::parallel as workers;
use crate::train::candidates::{Each, preferred};

/// Candidates for the weight of the dot product of the unit parts, beside that of the posteriors with 1.
const WEIGHTS: [f32; 7] = [0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2];

/// The weight that does best over models and the rows that each has not seen; 0 where none is clearly better.
///
/// Cost: per model two scores of all pairs, and a sort per candidate.
pub(crate) fn choose(models: &[(Bundle, Vec<usize>)], data: &TrainingData) -> Result<f32> {
    if models.iter().any(|(bundle, _)| bundle.posterior().is_none()) {
        return Ok(0.0);
    }
    let one = |(bundle, rows): &(Bundle, Vec<usize>)| -> Result<Vec<Option<f64>>> {
        let mut with = bundle.clone();
        apply(&mut with, 1.0);
        // A logit is linear in the weight: two of them give all.
        let (without, with) = (Items::new(bundle, data, rows)?, Items::new(&with, data, rows)?);
        let found = measure_between((&without, &with), data, Target::Class, &WEIGHTS);
        Ok(found.into_iter().map(|one| score(Target::Class, one)).collect())
    };
    let each: Each = workers::map(models, one).into_iter().collect::<Result<_>>()?;
    tracing::debug!(?each, "weights of the unit part for the class");
    Ok(preferred(0.0, &WEIGHTS, &each).unwrap_or(0.0))
}

/// Adds the dot product of the unit parts, of this weight, to the heads of the class, whose scale is that of a bundle that was shrunk.
pub(crate) fn apply(bundle: &mut Bundle, weight: f32) {
    let Some(classes) = bundle.posterior().map(|range| range.end) else { return };
    let d = bundle.dim();
    for head in bundle.metric.heads.iter_mut().filter(|head| head.target == Target::Class) {
        (classes..d).for_each(|i| head.bilinear[i * d + i] += FIXED.0 * weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Labels, made};
    use crate::model::Head;

    #[test]
    fn heads_of_the_class_get_the_dot_product_of_the_unit_parts() {
        let old = Bundle::random(&[("image", 5), ("text", 4)], 9, 4, 3, 7);
        let mut new = old.clone();
        apply(&mut new, 0.4);
        let heads =
            |of: Target| old.metric.heads.iter().zip(&new.metric.heads).filter(move |x| x.0.target == of);
        assert!(heads(Target::Pair).all(|(old, new)| old == new));
        let added = |(old, new): (&Head, &Head)| -> Vec<f32> {
            old.bilinear.iter().zip(&new.bilinear[..]).map(|(old, new)| new - old).collect()
        };
        assert_eq!(heads(Target::Class).count(), 3);
        for added in heads(Target::Class).map(added) {
            for (at, x) in added.into_iter().enumerate() {
                let wanted = if at / 9 == at % 9 && at / 9 >= 3 { 3.2 } else { 0.0 };
                assert!((x - wanted).abs() < 1e-5, "{at}: {x}");
            }
        }
        apply(&mut new, 0.0);
        let mut bare = Bundle::random(&[("image", 5)], 9, 4, 0, 7);
        let same = bare.clone();
        apply(&mut bare, 1.0);
        assert_eq!(bare, same, "without classes there is nothing to add to");
    }

    #[test]
    fn where_nothing_measures_it_nothing_is_taken() {
        let kinds = [("image", 5), ("text", 4)];
        let mut data = made(40, &kinds, |_, _| true);
        let rows: Vec<usize> = (0..40).collect();
        let choose = |data: &TrainingData, classes, rows: &[usize]| {
            super::choose(&[(Bundle::random(&kinds, 9, 0, classes, 3), rows.to_vec())], data).unwrap()
        };
        assert_eq!((choose(&data, 3, &rows), choose(&data, 0, &rows)), (0.0, 0.0));
        let class = (0..40).map(|row| Some(row % 3)).collect();
        data.labels = Some(Labels { class, names: None, key: "label".into() });
        assert_eq!(choose(&data, 3, &[]), 0.0);
        assert!(WEIGHTS.contains(&choose(&data, 3, &rows)));
    }
}
