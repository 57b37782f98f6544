//! The hub term of the target `pair`: its anchors, and how much of it pays on validation rows.

use super::members::best_of;
use crate::data::{Items, Similarity, TrainingData};
use crate::error::Result;
use crate::eval::{directions, measure_scores};
use crate::model::{Bundle, Hubs, Target};
use crate::parallel as workers;

/// `T`, in units of the dot product of unit parts.
const TEMPERATURE: f32 = 0.15;
/// Candidates for the weight, beside a dot product of weight 1, in order of preference.
const WEIGHTS: [f32; 6] = [0.0, 1.0, 0.5, 1.5, 2.0, 3.0];
/// Most anchors of a media type.
const ANCHORS: usize = 2048;

/// `bundle` with the unit parts of `rows` as anchors and this weight; without a hub term for the weight 0.
pub(crate) fn with_hub(bundle: &Bundle, data: &TrainingData, rows: &[usize], weight: f32) -> Result<Bundle> {
    let mut bundle = bundle.clone();
    let classes = bundle.posterior().map_or(0, |range| range.end);
    let (d, unit) = (bundle.dim(), bundle.dim() - classes);
    if weight == 0.0 || bundle.media().len() < 2 || unit == 0 {
        bundle.metric.hubs = Hubs::default();
        bundle.metric.heads.iter_mut().for_each(|head| head.hub = 0.0);
        return Ok(bundle);
    }
    let mut anchors = Vec::with_capacity(data.media.len());
    for (m, media) in data.media.iter().enumerate() {
        let present: Vec<usize> = rows.iter().copied().filter(|&row| media.present[row]).collect();
        let step = present.len().div_ceil(ANCHORS).max(1);
        let x: Vec<f32> = present.iter().step_by(step).flat_map(|&row| media.row(row)).copied().collect();
        let shared = bundle.project(m, &x)?;
        anchors.push(shared.chunks_exact(d).flat_map(|row| &row[classes..]).copied().collect::<Vec<f32>>());
    }
    let empty: Vec<bool> = anchors.iter().map(Vec::is_empty).collect();
    bundle.metric.hubs = Hubs { unit, temperature: TEMPERATURE, anchors };
    for head in &mut bundle.metric.heads {
        let between = head.a != head.b && !empty[head.a] && !empty[head.b];
        // The scale of the dot product of unit parts: the mean of its diagonal.
        let scale = (classes..d).map(|i| head.bilinear[i * d + i]).sum::<f32>() / unit as f32;
        head.hub = if head.target == Target::Pair && between { weight * scale.max(0.0) } else { 0.0 };
    }
    Ok(bundle)
}

/// A model, the rows that it was fitted on, and those that it has not seen.
pub(crate) type Fold<'a> = (&'a Bundle, &'a [usize], &'a [usize]);

/// The weight that does best on the rows that each model has not seen; 0 where nothing measures it.
pub(crate) fn choose_weight(folds: &[Fold<'_>], data: &TrainingData) -> Result<f32> {
    let target = Similarity::Metric(Target::Pair);
    let each: Vec<Vec<Option<f64>>> =
        workers::map(folds, |(bundle, fit, held)| -> Result<Vec<Option<f64>>> {
            let hubs = with_hub(bundle, data, fit, 1.0)?;
            let (plain, hubs) = (Items::new(bundle, data, held)?, Items::new(&hubs, data, held)?);
            // A logit is linear in the weight: two of them give all.
            let ends: Vec<_> = directions(plain.media.len())
                .into_iter()
                .map(|(a, b)| ((a, b), plain.scores(target, a, b), hubs.scores(target, a, b)))
                .collect();
            let at = |weight: f32| {
                measure_scores(&plain, data, &|a, b| {
                    let (_, zero, one) = ends.iter().find(|end| end.0 == (a, b))?;
                    let (zero, one) = (zero.as_ref()?, one.as_ref()?);
                    Some(zero.iter().zip(one).map(|(zero, one)| zero + weight * (one - zero)).collect())
                })
            };
            let recall =
                |weight: f32| at(weight).recall.map(|recall| (recall.mean()[0] + recall.mean()[2]) / 2.0);
            Ok(WEIGHTS.iter().map(|weight| recall(*weight)).collect())
        })
        .into_iter()
        .collect::<Result<_>>()?;
    Ok(best_of(&WEIGHTS, &each).unwrap_or(0.0))
}
