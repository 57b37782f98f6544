//! What the heads of the target `class` get of the dot product of the unit parts, beside what they have learned.
//!
//! Of many classes with few rows each posteriors know less than the unit parts, which all pairs have taught. How much to add is chosen by MAP
//! on validation rows. What a query's own document holds is left out there: the unit parts find it whether they tell classes or not. Of few
//! classes with many rows nothing is added, and the heads of a bundle of kernel members alone then read the posteriors alone.

use super::shrink::{FIXED, score};
use crate::data::{Items, TrainingData};
use crate::error::Result;
use crate::eval::{Own, measure_between};
use crate::model::{Bundle, Target};
use crate::parallel as workers;
use crate::train::candidates::{Each, preferred};

/// Candidates for the weight, where that of the posteriors is 1.
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
        let found = measure_between((&without, &with), data, (Target::Class, Own::LeftOut), &WEIGHTS);
        Ok(found.into_iter().map(|one| score(Target::Class, one)).collect())
    };
    let each: Each = workers::map(models, one).into_iter().collect::<Result<_>>()?;
    let weight = preferred(0.0, &WEIGHTS, &each).unwrap_or(0.0);
    tracing::debug!(?each, weight, "unit parts for the class");
    Ok(weight)
}

/// Adds the dot product of the unit parts, of this weight, to the heads of the class that were measured: those between two media types, or
/// the one of a single media type.
///
/// A head that was shrunk has a fixed scale, unless what it learned of the posteriors is not positive: nothing is added to such a one.
pub(crate) fn apply(bundle: &mut Bundle, weight: f32) {
    let Some(classes) = bundle.posterior().map(|range| range.end) else { return };
    let (d, media) = (bundle.dim(), bundle.pathways.len());
    for head in bundle.metric.heads.iter_mut().filter(|head| head.target == Target::Class) {
        let measured = head.a != head.b || media == 1;
        let learned: f32 = (0..classes).map(|i| head.bilinear[i * d + i]).sum();
        if measured && learned > 0.0 {
            (classes..d).for_each(|i| head.bilinear[i * d + i] += FIXED.0 * weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Labels, made};
    use crate::model::Head;

    const CLASSES: usize = 3;
    const DIM: usize = 9;

    /// Two media types with one pathway, whose heads of the class are scaled dot products of the posteriors.
    fn bundle() -> Bundle {
        let mut bundle = Bundle::random(&[("image", 5), ("text", 5)], DIM, 0, CLASSES, 3);
        bundle.pathways[1] = bundle.pathways[0].clone();
        for head in bundle.metric.heads.iter_mut().filter(|head| head.target == Target::Class) {
            head.bilinear.iter_mut().for_each(|x| *x = 0.0);
            (0..CLASSES).for_each(|i| head.bilinear[i * DIM + i] = FIXED.0);
        }
        bundle
    }

    /// Rows of three classes, each about a centre of its own.
    fn data() -> TrainingData {
        let mut data = made(60, &[("image", 5), ("text", 5)], |_, _| true);
        for (m, media) in data.media.iter_mut().enumerate() {
            for (i, x) in media.rows.to_mut().iter_mut().enumerate() {
                let (row, column) = (i / 5, i % 5);
                let centre = ((row % CLASSES * 5 + column) as f32 * 1.7).sin() * 3.0;
                *x = centre + ((i * 7 + m * 3) as f32 * 0.9).sin() * 0.3;
            }
        }
        let class = (0..60).map(|row| Some((row % CLASSES) as u32)).collect();
        data.labels = Some(Labels { class, names: None, key: "label".into() });
        data
    }

    #[test]
    fn heads_between_media_types_get_the_dot_product_of_the_unit_parts() {
        let old = bundle();
        let mut new = old.clone();
        apply(&mut new, 0.4);
        let added = |(old, new): (&Head, &Head)| -> Vec<f32> {
            old.bilinear.iter().zip(&new.bilinear[..]).map(|(old, new)| new - old).collect()
        };
        for (old, new) in old.metric.heads.iter().zip(&new.metric.heads) {
            let wanted = old.target == Target::Class && old.a != old.b;
            for (at, x) in added((old, new)).into_iter().enumerate() {
                let on = wanted && at / DIM == at % DIM && at / DIM >= CLASSES;
                assert!(
                    (x - if on { 0.4 * FIXED.0 } else { 0.0 }).abs() < 1e-5,
                    "{:?} {at}: {x}",
                    old.target
                );
            }
        }
        let same = new.clone();
        apply(&mut new, 0.0);
        assert_eq!(new, same);
        // A head whose posteriors speak against a match has no scale to add to.
        let mut against = old.clone();
        against.metric.heads.iter_mut().for_each(|head| head.bilinear.iter_mut().for_each(|x| *x = -x.abs()));
        let same = against.clone();
        apply(&mut against, 1.0);
        assert_eq!(against, same);
        let mut bare = Bundle::random(&[("image", 5)], DIM, 4, 0, 7);
        let same = bare.clone();
        apply(&mut bare, 1.0);
        assert_eq!(bare, same, "without classes there is nothing to add to");
    }

    #[test]
    fn unit_parts_are_read_where_posteriors_know_less() {
        let (data, rows): (_, Vec<usize>) = (data(), (0..60).collect());
        let weight = |bundle: Bundle, data: &TrainingData, rows: &[usize]| {
            choose(&[(bundle, rows.to_vec())], data).unwrap()
        };
        let ignorant = || {
            let mut bundle = bundle();
            for deep in bundle.pathways.iter_mut().filter_map(|pathway| pathway.deep.as_mut()) {
                deep.class.iter_mut().for_each(|x| *x = 0.0);
            }
            bundle
        };
        assert!(weight(ignorant(), &data, &rows) > 0.0);
        // Rows that are alone in their class: only their own document could be found.
        assert_eq!(weight(ignorant(), &data, &rows[..3]), 0.0);
        // Unit parts that point away from their class.
        let mut away = bundle();
        let deep = away.pathways[1].deep.as_mut().unwrap();
        deep.unit.iter_mut().chain(&mut deep.unit_bias).chain(deep.skip.iter_mut()).for_each(|x| *x = -*x);
        assert_eq!(weight(away, &data, &rows), 0.0);
        let mut unlabelled = data.clone();
        unlabelled.labels = None;
        assert_eq!(weight(ignorant(), &unlabelled, &rows), 0.0);
    }
}
