//! What early stopping looks at.

use super::schedule::Stage;
use crate::data::{Items, Similarity, TrainingData};
use crate::eval::measure_one;
use crate::model::Target;

/// What early stopping looks at: MAP where there are classes, plus the mean of recall at 1 and at 10 where there are pairs.
///
/// The stages on the shared space are judged by cosine and posteriors, the last by the metric network.
pub(crate) fn selection_score(items: &Items<'_>, data: &TrainingData, stage: Stage) -> Option<f64> {
    let (for_map, for_recall) = match stage {
        Stage::Metric => (vec![Similarity::Metric(Target::Class)], Similarity::Metric(Target::Pair)),
        _ => (vec![Similarity::Cosine, Similarity::Posterior], Similarity::Cosine),
    };
    let mut maps = Vec::new();
    let mut recall = None;
    for &similarity in &for_map {
        let one = measure_one(items, data, similarity);
        maps.extend(one.map.map(|map| map.mean));
        if similarity == for_recall {
            recall = one.recall;
        }
    }
    let recall =
        recall.or_else(|| measure_one(items, data, for_recall).recall).map(|recall| recall.criterion());
    let map = (!maps.is_empty()).then(|| maps.iter().sum::<f64>() / maps.len() as f64);
    match (map, recall) {
        (None, None) => None,
        (map, recall) => Some(map.unwrap_or(0.0) + recall.unwrap_or(0.0)),
    }
}
