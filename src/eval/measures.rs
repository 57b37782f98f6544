//! MAP over all results and recall of the paired item, for every similarity and ordered pair of media types.

use std::ops::Range;

use rayon::prelude::*;
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

    /// What settings are chosen by: the mean of recall at 1 and at 10.
    pub(crate) fn criterion(&self) -> f64 {
        let [first, _, tenth] = self.mean();
        (first + tenth) / 2.0
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
pub(super) fn directions(media: usize) -> Vec<(usize, usize)> {
    if media == 1 {
        return vec![(0, 0)];
    }
    (0..media).flat_map(|a| (0..media).filter(move |&b| a != b).map(move |b| (a, b))).collect()
}

/// `image_to_text`.
pub(super) fn direction_name(items: &Items<'_>, (a, b): (usize, usize)) -> String {
    let media = items.bundle.media();
    format!("{}_to_{}", media[a].name, media[b].name)
}

/// Measures all similarities on all items. Cost: scores and a sort per query, for each similarity; memory is that of a block of queries, and of a ranking per thread.
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
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct One {
    pub(crate) map: Option<Directions>,
    pub(crate) recall: Option<Recall>,
    ties: u64,
}

/// What the other items of a query's document are where those of its class are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// Of its class, as all others of it.
    Relevant,
    /// Neither right nor wrong: what finds them need not tell classes.
    LeftOut,
}

/// Measures one similarity on all items; nothing where it does not exist.
pub(crate) fn measure_one(items: &Items<'_>, data: &TrainingData, similarity: Similarity) -> One {
    let found = measure_scores(items, data, (1, 1, Own::Relevant), &|asked, (a, b), hear| {
        hear(0, asked.clone(), &items.scores_of(asked, items, similarity, a, b)?);
        Some(())
    });
    found.into_iter().next().unwrap_or_default()
}

/// Measures scores by `target` between those of `start` and of `whole`, items of the same rows: one result for each of `shares`, the part of
/// the way from one to the other; `own` says what counts for MAP. Cost: the scores of both, and a sort per query for each share; memory is
/// that of a block of queries, and of a ranking per thread.
pub(crate) fn measure_between(
    (start, whole): (&Items<'_>, &Items<'_>),
    data: &TrainingData,
    (target, own): (Target, Own),
    shares: &[f32],
) -> Vec<One> {
    measure_scores(whole, data, (shares.len(), 3, own), &|asked, (a, b), hear| {
        let of = |items: &Items<'_>| items.scores_of(asked.clone(), items, Similarity::Metric(target), a, b);
        let (start, whole) = (of(start)?, of(whole)?);
        let mut scores = vec![0.0; start.len()];
        for (which, share) in shares.iter().enumerate() {
            let ends = start.iter().zip(&whole);
            scores.iter_mut().zip(ends).for_each(|(score, (s, w))| *score = s + share * (w - s));
            hear(which, asked.clone(), &scores);
        }
        Some(())
    })
}

/// Hears the number of a result, queries, and their scores `[queries, n]`.
type Hear<'h> = &'h mut dyn FnMut(usize, Range<usize>, &[f32]);

/// Tells the scores of some items of one media type as queries over all of another; `None` where there are none.
type Scores<'s> = &'s dyn Fn(Range<usize>, (usize, usize), Hear<'_>) -> Option<()>;

/// `count` results from scores that are asked for in blocks of queries, of which so many are in memory `together`.
fn measure_scores(
    items: &Items<'_>,
    data: &TrainingData,
    (count, together, own): (usize, usize, Own),
    scores: Scores<'_>,
) -> Vec<One> {
    let mut all: Vec<Found> = (0..count).map(|_| Found::default()).collect();
    for (a, b) in directions(items.media.len()) {
        let (queries, found) = (&items.media[a], &items.media[b]);
        let paired = items.paired_content(a, b);
        let mut sums = vec![Sums::default(); count];
        let of_query = |i: usize, scores: &[f32]| -> OfQuery {
            let row = queries.rows[i];
            let is_query = |j: usize| a == b && found.rows[j] == row;
            let is_asked = |j: usize| !is_query(j) && (own == Own::Relevant || found.rows[j] != row);
            let ranking = Ranking::new(scores, |j| !is_query(j));
            // Items without a class are neither right nor wrong.
            let precision = data.class(row).and_then(|class| {
                let ranking = Ranking::new(scores, |j| is_asked(j) && data.class(found.rows[j]).is_some());
                ranking.average_precision(|j| data.class(found.rows[j]) == Some(class))
            });
            let recall = paired[i].and_then(|content| {
                let at = RECALL_AT.map(|k| ranking.recall_at(k, |j: usize| found.content[j] == content));
                let [Some(x), Some(y), Some(z)] = at else { return None };
                Some([x, y, z])
            });
            OfQuery { ties: ranking.ties(), precision, recall }
        };
        let mut measure = |which: usize, asked: Range<usize>, scores: &[f32]| {
            let sums = &mut sums[which];
            let each = scores.par_chunks_exact(found.rows.len().max(1)).zip(asked);
            for one in each.map(|(scores, i)| of_query(i, scores)).collect::<Vec<_>>() {
                all[which].ties += one.ties;
                if let Some(precision) = one.precision {
                    sums.ap += precision;
                    sums.ap_n += 1;
                }
                if let Some(recall) = one.recall {
                    sums.recall.iter_mut().zip(recall).for_each(|(sum, value)| *sum += value);
                    sums.recall_n += 1;
                }
            }
        };
        for asked in items.blocks(a, b, together) {
            if scores(asked, (a, b), &mut measure).is_none() {
                return vec![One::default(); count];
            }
        }
        let name = direction_name(items, (a, b));
        all.iter_mut().zip(sums).for_each(|(found, sums)| found.add(&name, sums));
    }
    all.into_iter().map(Found::into_one).collect()
}

/// What one ranking is worth, as far as it can be measured.
struct OfQuery {
    ties: u64,
    precision: Option<f64>,
    recall: Option<[f64; 3]>,
}

/// Sums over the queries of one direction.
#[derive(Clone, Default)]
struct Sums {
    ap: f64,
    ap_n: usize,
    recall: [f64; 3],
    recall_n: usize,
}

/// The means of the directions so far.
#[derive(Default)]
struct Found {
    maps: Vec<(String, f64)>,
    recalls: Vec<(String, [f64; 3])>,
    ties: u64,
}

impl Found {
    fn add(&mut self, name: &str, sums: Sums) {
        if sums.ap_n > 0 {
            self.maps.push((name.to_owned(), sums.ap / sums.ap_n as f64));
        }
        if sums.recall_n > 0 {
            self.recalls.push((name.to_owned(), sums.recall.map(|sum| sum / sums.recall_n as f64)));
        }
    }

    fn into_one(self) -> One {
        let Self { maps, recalls, ties } = self;
        let mean = maps.iter().map(|(_, value)| value).sum::<f64>() / maps.len().max(1) as f64;
        One {
            map: (!maps.is_empty()).then_some(Directions { each: maps, mean }),
            recall: (!recalls.is_empty()).then_some(Recall { each: recalls }),
            ties,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::made;
    use crate::model::Bundle;

    #[test]
    fn scores_between_two_are_measured_in_blocks_like_those_of_one() {
        let kinds = [("image", 6), ("text", 4)];
        let (bundle, data) =
            (Bundle::random(&kinds, 12, 4, 0, 7), made(150, &kinds, |at, row| row % 11 != at));
        // Of the same shared vectors another ranking.
        let other = Bundle { metric: Bundle::random(&kinds, 12, 4, 0, 8).metric, ..bundle.clone() };
        let rows: Vec<usize> = (0..150).collect();
        let of = |bundle| Items::new(bundle, &data, &rows).unwrap();
        let (start, mut whole) = (of(&bundle), of(&other));
        let shares = [0.0, 1.0, 0.3];
        let between = |whole: &Items<'_>| {
            measure_between((&start, whole), &data, (Target::Pair, Own::Relevant), &shares)
        };
        let found = between(&whole);
        assert_eq!(found[0], measure_one(&start, &data, Similarity::Metric(Target::Pair)));
        assert!(found[0].recall.is_some() && found[2] != found[0] && found[2] != found[1]);
        whole.at_once = 1;
        assert_eq!(whole.blocks(0, 1, 3).count(), 3);
        assert_eq!(between(&whole), found);
        // Without classes there is no such head.
        assert_eq!(
            measure_between((&start, &whole), &data, (Target::Class, Own::Relevant), &shares),
            vec![One::default(); 3]
        );
    }

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
