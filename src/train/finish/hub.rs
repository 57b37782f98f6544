//! The hub term of the target `pair`: its anchors, and how much of it pays on validation rows.

use crate::data::{Items, TrainingData};
use crate::error::Result;
use crate::eval::{One, Own, measure_between};
use crate::model::{Bundle, Floats, Hubs, Target};
use crate::parallel as workers;
use crate::train::candidates::best_of;
use crate::train::draw::some;

/// `T`, in units of the dot product of unit parts.
const TEMPERATURE: f32 = 0.15;
/// Candidates for the weight, beside a dot product of weight 1, in order of preference.
const WEIGHTS: [f32; 6] = [0.0, 1.0, 0.5, 1.5, 2.0, 3.0];
/// Most anchors of a media type.
const ANCHORS: usize = 2048;

/// `bundle` with the unit parts of `rows` as anchors and this weight; without a hub term for the weight 0.
pub(crate) fn with_hub(bundle: &Bundle, data: &TrainingData, rows: &[usize], weight: f32) -> Result<Bundle> {
    let classes = bundle.posterior().map_or(0, |range| range.end);
    let d = bundle.dim();
    if weight == 0.0 || bundle.media().len() < 2 || d == classes {
        let mut bundle = bundle.clone();
        bundle.metric.hubs = Hubs::default();
        bundle.metric.heads.iter_mut().for_each(|head| head.hub = 0.0);
        return Ok(bundle);
    }
    let mut anchors = Vec::with_capacity(data.media.len());
    for (m, media) in data.media.iter().enumerate() {
        let present: Vec<usize> = rows.iter().copied().filter(|&row| media.present[row]).collect();
        let shared = bundle.project(m, &media.gather(&some(&present, ANCHORS)))?;
        anchors.push(shared.chunks_exact(d).flat_map(|row| &row[classes..]).copied().collect());
    }
    Ok(with_anchors(bundle, anchors, weight))
}

/// `bundle` with these unit parts of each media type as anchors and this weight.
pub(crate) fn with_anchors(bundle: &Bundle, anchors: Vec<Vec<f32>>, weight: f32) -> Bundle {
    let mut bundle = bundle.clone();
    let classes = bundle.posterior().map_or(0, |range| range.end);
    let (d, unit) = (bundle.dim(), bundle.dim() - classes);
    let empty: Vec<bool> = anchors.iter().map(Vec::is_empty).collect();
    bundle.metric.hubs =
        Hubs { unit, temperature: TEMPERATURE, anchors: anchors.into_iter().map(Floats::from).collect() };
    for head in &mut bundle.metric.heads {
        let between = head.a != head.b && !empty[head.a] && !empty[head.b];
        // The scale of the dot product of unit parts: the mean of its diagonal.
        let scale = (classes..d).map(|i| head.bilinear[i * d + i]).sum::<f32>() / unit as f32;
        head.hub = if head.target == Target::Pair && between { weight * scale.max(0.0) } else { 0.0 };
    }
    bundle
}

/// A model, the rows that it was fitted on, and those that it has not seen.
pub(crate) type Fold<'a> = (&'a Bundle, &'a [usize], &'a [usize]);

/// The weight that does best on the rows that each model has not seen; 0 where nothing measures it.
pub(crate) fn choose_weight(folds: &[Fold<'_>], data: &TrainingData) -> Result<f32> {
    let each: Vec<Vec<Option<f64>>> =
        workers::map(folds, |(bundle, fit, held)| -> Result<Vec<Option<f64>>> {
            let hubs = with_hub(bundle, data, fit, 1.0)?;
            let (plain, hubs) = (Items::new(bundle, data, held)?, Items::new(&hubs, data, held)?);
            // A logit is linear in the weight: two of them give all.
            let found = measure_between((&plain, &hubs), data, (Target::Pair, Own::Relevant), &WEIGHTS);
            let recall = |one: One| one.recall.map(|recall| recall.criterion());
            Ok(found.into_iter().map(recall).collect())
        })
        .into_iter()
        .collect::<Result<_>>()?;
    Ok(best_of(&WEIGHTS, &each).unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::made;

    /// The first three rows have an item of the first media type alone.
    fn data(rows: usize, kinds: &[(&str, usize)]) -> TrainingData {
        made(rows, kinds, |at, row| at == 0 || row > 2)
    }

    #[test]
    fn hub_terms_of_three_media_types_are_between_each_two_and_follow_the_scale() {
        let kinds = [("image", 5), ("text", 4), ("sound", 3)];
        let (bundle, data) = (Bundle::random(&kinds, 9, 4, 2, 3), data(20, &kinds));
        let rows: Vec<usize> = (0..20).collect();
        let hubs = with_hub(&bundle, &data, &rows, 0.5).unwrap();
        let metric = hubs.metric();
        assert_eq!((metric.hub_columns(), metric.hub_anchors(0), metric.hub_anchors(1)), (2, 20, 17));
        for head in &metric.heads {
            let scale = (2..9).map(|i| head.bilinear[i * 9 + i]).sum::<f32>() / 7.0;
            let wanted = head.target == Target::Pair && head.a != head.b;
            assert_eq!(head.hub, if wanted { 0.5 * scale.max(0.0) } else { 0.0 }, "{} {}", head.a, head.b);
        }
        // Anchors are the unit parts of the rows.
        let shared = hubs.project(2, &data.media[2].gather(&[7])).unwrap();
        assert_eq!(metric.hubs.anchors[2][4 * 7..5 * 7], shared[2..]);
        let none = with_hub(&hubs, &data, &rows, 0.0).unwrap();
        assert_eq!((none.metric().hub_columns(), none.metric.heads[0].hub), (0, 0.0));
    }

    #[test]
    fn the_weight_is_one_of_the_candidates_and_none_where_nothing_measures_it() {
        let kinds = [("image", 5), ("text", 4)];
        let (bundle, data) = (Bundle::random(&kinds, 9, 0, 0, 3), data(60, &kinds));
        let (fit, held): (Vec<usize>, Vec<usize>) = (0..60).partition(|row| row % 3 > 0);
        assert!(WEIGHTS.contains(&choose_weight(&[(&bundle, &fit, &held)], &data).unwrap()));
        assert_eq!(choose_weight(&[(&bundle, &fit, &[])], &data).unwrap(), 0.0);
    }
}
