//! Whether the hidden layer of the metric network pays: what it adds on rows that the models have not seen.

use crate::data::{Items, Similarity, TrainingData};
use crate::error::Result;
use crate::eval::measure_one;
use crate::model::{Bundle, Floats, Target};
use crate::parallel as workers;

/// Less than this in the mean of its measures is nothing: validation rows of some hundreds differ by more from draw to draw.
const LEAST: f64 = 0.002;

/// `bundle` without a hidden layer: its rows are smaller, and a score is one dot product.
pub(crate) fn without(bundle: &Bundle) -> Bundle {
    let mut bundle = bundle.clone();
    bundle.metric.half = 0;
    bundle.metric.halves.iter_mut().for_each(|half| *half = Floats::default());
    for head in &mut bundle.metric.heads {
        (head.weights, head.shift) = (Vec::new(), Vec::new());
    }
    bundle
}

/// Whether the hidden layer adds to MAP by the target `class` and recall by `pair`, on average over models and their rows.
pub(crate) fn pays(models: &[(Bundle, Vec<usize>)], data: &TrainingData) -> Result<bool> {
    if models.iter().all(|(bundle, _)| bundle.metric.half == 0) {
        return Ok(false);
    }
    let gains: Vec<Option<f64>> = workers::map(models, |(bundle, rows)| {
        Ok(match (worth(bundle, data, rows)?, worth(&without(bundle), data, rows)?) {
            (Some(with), Some(without)) => Some(with - without),
            _ => None,
        })
    })
    .into_iter()
    .collect::<Result<_>>()?;
    let found: Vec<f64> = gains.into_iter().flatten().collect();
    // Where nothing measures it, nothing speaks for it, unless somebody taught it graded pairs.
    Ok(!found.is_empty() && found.iter().sum::<f64>() / found.len() as f64 > LEAST)
}

/// The mean of the measures that there are.
fn worth(bundle: &Bundle, data: &TrainingData, rows: &[usize]) -> Result<Option<f64>> {
    let items = Items::new(bundle, data, rows)?;
    let map = measure_one(&items, data, Similarity::Metric(Target::Class)).map.map(|map| map.mean);
    let pair = measure_one(&items, data, Similarity::Metric(Target::Pair)).recall;
    let recall = pair.map(|recall| recall.criterion());
    let found: Vec<f64> = [map, recall].into_iter().flatten().collect();
    Ok((!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64))
}
