//! MAP over all results and recall of the paired item, for every similarity and ordered pair of media types.

use std::ops::Range;

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::measure::Ranking;
use crate::data::{Items, Similarity, TrainingData};
use crate::model::Target;

/// One number per ordered pair of media types, and their mean. Serialises as `{"image_to_text": x, .., "mean": x}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Directions {
    /// Names like `image_to_text` and their values.
    pub each: Vec<(String, f64)>,
    /// Mean over the directions.
    pub mean: f64,
}

impl Serialize for Directions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.each {
            map.serialize_entry(name, value)?;
        }
        map.serialize_entry("mean", &self.mean)?;
        map.end()
    }
}

/// Recall at 1, 5 and 10 per ordered pair of media types. Serialises as `{"image_to_text": {"1": x, ..}, ..}`.
#[derive(Clone, Debug, PartialEq)]
pub struct Recall {
    /// Names like `image_to_text` and the values at [`RECALL_AT`].
    pub each: Vec<(String, [f64; 3])>,
}

/// The ranks at which recall is measured.
pub const RECALL_AT: [usize; 3] = [1, 5, 10];

impl Recall {
    /// Mean over the directions, at [`RECALL_AT`].
    pub fn mean(&self) -> [f64; 3] {
        let n = self.each.len().max(1) as f64;
        [0, 1, 2].map(|at| self.each.iter().map(|(_, values)| values[at]).sum::<f64>() / n)
    }
}

impl Serialize for Recall {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, values) in &self.each {
            let at: serde_json::Map<String, serde_json::Value> =
                RECALL_AT.iter().zip(values).map(|(k, value)| (k.to_string(), (*value).into())).collect();
            map.serialize_entry(name, &at)?;
        }
        map.end()
    }
}

/// A value per similarity; `None` where the bundle has no such similarity or the data cannot measure it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PerSimilarity<T> {
    /// Cosine of the whole shared vectors.
    pub cosine: Option<T>,
    /// Dot product of the class posteriors.
    pub posterior: Option<T>,
    /// The metric network with the default target.
    pub metric: Option<T>,
    /// The metric network with the target `class`.
    pub metric_class: Option<T>,
    /// The metric network with the target `pair`.
    pub metric_pair: Option<T>,
}

/// The measures of a bundle on some rows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Measures {
    /// Mean average precision over all results, relevant: same class.
    pub map_all: PerSimilarity<Directions>,
    /// Recall of the paired item.
    pub recall: PerSimilarity<Recall>,
    /// Items that share their score with a better-placed one of the same query, by the default metric.
    #[serde(skip)]
    pub ties: u64,
}

impl Measures {
    /// The mean over several models of one shape, each measured on rows of its own; `None` of none.
    ///
    /// What is missing in one is left out of the mean.
    pub(crate) fn mean(all: &[Measures]) -> Option<Measures> {
        all.first()?;
        let maps = |get: &dyn Fn(&Measures) -> &Option<Directions>| -> Option<Directions> {
            let found: Vec<&Directions> = all.iter().filter_map(|one| get(one).as_ref()).collect();
            let each =
                mean_by_name(&found.iter().map(|one| one.each.as_slice()).collect::<Vec<_>>(), |v| [*v]);
            let each: Vec<(String, f64)> = each.into_iter().map(|(name, [value])| (name, value)).collect();
            let mean = found.iter().map(|one| one.mean).sum::<f64>() / found.len().max(1) as f64;
            (!found.is_empty()).then_some(Directions { each, mean })
        };
        let recalls = |get: &dyn Fn(&Measures) -> &Option<Recall>| -> Option<Recall> {
            let found: Vec<&Recall> = all.iter().filter_map(|one| get(one).as_ref()).collect();
            let each = mean_by_name(&found.iter().map(|one| one.each.as_slice()).collect::<Vec<_>>(), |v| *v);
            (!found.is_empty()).then_some(Recall { each })
        };
        Some(Measures {
            map_all: PerSimilarity {
                cosine: maps(&|m| &m.map_all.cosine),
                posterior: maps(&|m| &m.map_all.posterior),
                metric: maps(&|m| &m.map_all.metric),
                metric_class: maps(&|m| &m.map_all.metric_class),
                metric_pair: maps(&|m| &m.map_all.metric_pair),
            },
            recall: PerSimilarity {
                cosine: recalls(&|m| &m.recall.cosine),
                posterior: recalls(&|m| &m.recall.posterior),
                metric: recalls(&|m| &m.recall.metric),
                metric_class: recalls(&|m| &m.recall.metric_class),
                metric_pair: recalls(&|m| &m.recall.metric_pair),
            },
            ties: all.iter().map(|one| one.ties).sum(),
        })
    }
}

/// Means of the values of equal name, in the order of first appearance.
fn mean_by_name<T, const N: usize>(
    all: &[&[(String, T)]],
    values: impl Fn(&T) -> [f64; N],
) -> Vec<(String, [f64; N])> {
    let mut out: Vec<(String, [f64; N], f64)> = Vec::new();
    for (name, value) in all.iter().copied().flatten() {
        let value = values(value);
        match out.iter_mut().find(|entry| entry.0 == *name) {
            Some((_, sum, n)) => {
                sum.iter_mut().zip(value).for_each(|(sum, value)| *sum += value);
                *n += 1.0;
            }
            None => out.push((name.clone(), value, 1.0)),
        }
    }
    out.into_iter().map(|(name, sum, n)| (name, sum.map(|sum| sum / n))).collect()
}

/// The ordered pairs of media types that are measured: different ones, or the only one with itself.
pub(crate) fn directions(media: usize) -> Vec<(usize, usize)> {
    if media == 1 {
        return vec![(0, 0)];
    }
    (0..media).flat_map(|a| (0..media).filter(move |&b| a != b).map(move |b| (a, b))).collect()
}

/// `image_to_text`.
pub(crate) fn direction_name(items: &Items<'_>, (a, b): (usize, usize)) -> String {
    let media = items.bundle.media();
    format!("{}_to_{}", media[a].name, media[b].name)
}

/// Measures all similarities on all items. Cost: scores and a sort per query, for each similarity; memory is that of a block of queries.
pub(crate) fn measure(items: &Items<'_>, data: &TrainingData) -> Measures {
    let one = |similarity| measure_one(items, data, similarity);
    let cosine = one(Similarity::Cosine);
    let posterior = one(Similarity::Posterior);
    let class = one(Similarity::Metric(Target::Class));
    let pair = one(Similarity::Metric(Target::Pair));
    let metric = match items.bundle.default_target() {
        Target::Class => class.clone(),
        Target::Pair => pair.clone(),
    };
    Measures {
        ties: metric.ties,
        map_all: PerSimilarity {
            cosine: cosine.map,
            posterior: posterior.map,
            metric: metric.map,
            metric_class: class.map,
            metric_pair: pair.map,
        },
        recall: PerSimilarity {
            cosine: cosine.recall,
            posterior: posterior.recall,
            metric: metric.recall,
            metric_class: class.recall,
            metric_pair: pair.recall,
        },
    }
}

/// MAP and recall of one similarity.
#[derive(Clone, Default)]
pub(crate) struct One {
    pub(crate) map: Option<Directions>,
    pub(crate) recall: Option<Recall>,
    ties: u64,
}

/// Measures one similarity on all items; nothing where it does not exist.
pub(crate) fn measure_one(items: &Items<'_>, data: &TrainingData, similarity: Similarity) -> One {
    measure_scores(items, data, &|asked, (a, b)| items.scores_of(asked, items, similarity, a, b))
}

/// Scores `[q, n]` of some items of one media type as queries over all of another; nothing where there are none.
pub(crate) type Scores<'s> = &'s dyn Fn(Range<usize>, (usize, usize)) -> Option<Vec<f32>>;

/// Measures scores, which are asked for in blocks of queries.
pub(crate) fn measure_scores(items: &Items<'_>, data: &TrainingData, scores: Scores<'_>) -> One {
    let (mut maps, mut recalls, mut ties) = (Vec::new(), Vec::new(), 0);
    for (a, b) in directions(items.media.len()) {
        let name = direction_name(items, (a, b));
        let (queries, found) = (&items.media[a], &items.media[b]);
        let n = found.rows.len();
        let paired = items.paired_content(a, b);
        let (mut ap, mut ap_n) = (0.0, 0usize);
        let (mut recall, mut recall_n) = ([0.0; 3], 0usize);
        let mut measure = |i: usize, scores: &[f32]| {
            let row = queries.rows[i];
            let is_query = |j: usize| a == b && found.rows[j] == row;
            let ranking = Ranking::new(scores, |j| !is_query(j));
            ties += ranking.ties();
            if let Some(class) = data.class(row) {
                // Items without a class are neither right nor wrong.
                let ranking = Ranking::new(scores, |j| !is_query(j) && data.class(found.rows[j]).is_some());
                if let Some(value) = ranking.average_precision(|j| data.class(found.rows[j]) == Some(class)) {
                    ap += value;
                    ap_n += 1;
                }
            }
            if let Some(content) = paired[i] {
                let relevant = |j: usize| found.content[j] == content;
                let values = RECALL_AT.map(|k| ranking.recall_at(k, relevant));
                if let [Some(x), Some(y), Some(z)] = values {
                    recall.iter_mut().zip([x, y, z]).for_each(|(sum, value)| *sum += value);
                    recall_n += 1;
                }
            }
        };
        for asked in items.blocks(a, b) {
            let Some(scores) = scores(asked.clone(), (a, b)) else { return One::default() };
            asked.enumerate().for_each(|(at, i)| measure(i, &scores[at * n..(at + 1) * n]));
        }
        if ap_n > 0 {
            maps.push((name.clone(), ap / ap_n as f64));
        }
        if recall_n > 0 {
            recalls.push((name, recall.map(|sum| sum / recall_n as f64)));
        }
    }
    let mean = maps.iter().map(|(_, value)| value).sum::<f64>() / maps.len().max(1) as f64;
    One {
        map: (!maps.is_empty()).then_some(Directions { each: maps, mean }),
        recall: (!recalls.is_empty()).then_some(Recall { each: recalls }),
        ties,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_leave_out_what_is_missing() {
        let values = |x: f64| vec![("a_to_b".to_owned(), x), ("b_to_a".to_owned(), 2.0 * x)];
        let with = |x: f64| Directions { each: values(x), mean: 1.5 * x };
        let none = || PerSimilarity {
            cosine: None,
            posterior: None,
            metric: None,
            metric_class: None,
            metric_pair: None,
        };
        let one = Measures {
            map_all: PerSimilarity { cosine: Some(with(0.1)), ..none() },
            recall: PerSimilarity {
                cosine: None,
                posterior: None,
                metric: Some(Recall { each: vec![("a_to_b".to_owned(), [0.1, 0.2, 0.3])] }),
                metric_class: None,
                metric_pair: None,
            },
            ties: 1,
        };
        let mut two = one.clone();
        two.map_all.cosine = Some(with(0.3));
        two.recall.metric = None;
        let mean = Measures::mean(&[one.clone(), two]).unwrap();
        let map = mean.map_all.cosine.unwrap();
        assert!((map.mean - 0.3).abs() < 1e-12 && (map.each[1].1 - 0.4).abs() < 1e-12);
        assert_eq!(mean.recall.metric, one.recall.metric);
        assert_eq!((mean.map_all.metric, mean.ties), (None, 2));
        assert_eq!(Measures::mean(&[]), None);
    }
}
