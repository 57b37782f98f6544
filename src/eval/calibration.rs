//! How far probabilities can be trusted.
//!
//! Over all pairs of the split, with weights that bring the rate of matches to `r` (one half, or as it is):
//! - expected calibration error: pairs in the order of probability, cut into 15 bins of equal mass; the mean over the
//!   bins of `|mean probability - rate of matches|` (Naeini et al., "Obtaining well calibrated probabilities using
//!   Bayesian binning", 2015);
//! - Brier skill: `1 - B / (r (1 - r))` with `B` the mean of `(probability - match)^2`: 0 for always saying `r`.
//!
//! Probabilities are shifted to the prior `r` that they are measured at. The precision counts pairs as they are, with
//! the prior that the bundle stores.
//!
//! The scores of up to 16,777,216 pairs are held and sorted. More are scored twice and counted, with the same figures but for the rounding
//! of sums.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::errors::{self, AtRate, Counted};
use super::matches::Matches;
use super::measures::{direction_name, directions};
use crate::data::{Items, Similarity, TrainingData};
use crate::model::{Calibration, Target};

/// Precision of the pairs with probability of at least 0.8.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct PrecisionAt {
    /// Rate of matches among them; null without such pairs.
    pub value: Option<f64>,
    /// Their number.
    pub pairs: u64,
}

/// Calibration of one direction.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Rates {
    /// `class` or `pair`.
    pub target: &'static str,
    /// The prior that the bundle stores.
    pub prior: f32,
    /// With matches and others weighing the same.
    pub half: AtRate,
    /// With all pairs weighing the same.
    pub natural: AtRate,
    /// At the stored prior.
    #[serde(rename = "precision_at_0.8")]
    pub precision: PrecisionAt,
}

/// One entry per ordered pair of media types. Serialises as `{"image_to_text": {..} or null, ..}`.
#[derive(Clone, Debug, PartialEq)]
pub struct CalibrationReport {
    /// Names like `image_to_text` and their figures.
    pub each: Vec<(String, Option<Rates>)>,
}

impl Serialize for CalibrationReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.each.len()))?;
        for (name, rates) in &self.each {
            map.serialize_entry(name, rates)?;
        }
        map.end()
    }
}

/// Most pairs of a query and an item whose scores are held and sorted.
const SORTED: usize = 1 << 24;

/// Of the metric network's default target.
pub(super) fn report(items: &Items<'_>, data: &TrainingData) -> CalibrationReport {
    let target = items.bundle.default_target();
    let one = |a, b| rates(items, data, Similarity::Metric(target), target, (a, b));
    each_direction(items, &one)
}

/// Of the dot product of class posteriors, calibrated on the same pairs: what the metric network is to be measured against.
pub(super) fn posterior_report(items: &Items<'_>, data: &TrainingData) -> CalibrationReport {
    each_direction(items, &|a, b| rates(items, data, Similarity::Posterior, Target::Class, (a, b)))
}

fn each_direction(items: &Items<'_>, one: &dyn Fn(usize, usize) -> Option<Rates>) -> CalibrationReport {
    let each = directions(items.media.len()).into_iter();
    CalibrationReport { each: each.map(|(a, b)| (direction_name(items, (a, b)), one(a, b))).collect() }
}

fn rates(
    items: &Items<'_>,
    data: &TrainingData,
    similarity: Similarity,
    target: Target,
    pair: (usize, usize),
) -> Option<Rates> {
    let pairs = Pairs { items, similarity, pair, matches: Matches::new((items, items), data, target, pair) };
    pairs.rates(target, SORTED)
}

/// The pairs of all queries of one media type and items of another.
struct Pairs<'a> {
    items: &'a Items<'a>,
    similarity: Similarity,
    pair: (usize, usize),
    matches: Matches<'a>,
}

impl Pairs<'_> {
    /// The errors, of scores that are `sorted` where there are no more pairs, else counted.
    fn rates(&self, target: Target, sorted: usize) -> Option<Rates> {
        let (items, (a, b)) = (self.items, self.pair);
        let calibration = match self.similarity {
            Similarity::Posterior => items.bundle.posterior_calibration(a, b)?,
            _ => items.bundle.metric().calibration(target, a, b)?,
        };
        let n = items.media[a].rows.len() * items.media[b].rows.len();
        let at = if n <= sorted { self.sorted(&calibration)? } else { self.counted(&calibration)? };
        let [right, wrong] = at.confident;
        let count = right + wrong;
        Some(Rates {
            target: target.as_str(),
            prior: calibration.prior,
            half: at.half,
            natural: at.natural,
            precision: PrecisionAt { value: (count > 0).then(|| right as f64 / count as f64), pairs: count },
        })
    }

    /// Holds all scores: 8 bytes a pair.
    fn sorted(&self, calibration: &Calibration) -> Option<Found> {
        let (mut positives, mut negatives) = (Vec::new(), Vec::new());
        self.each(&mut |raw, is_match| if is_match { positives.push(raw) } else { negatives.push(raw) })?;
        let rate = natural(positives.len() as u64, negatives.len() as u64)?;
        let at = |rate: f64| {
            let fit = calibration.with_prior(rate as f32);
            let sorted = |scores: &[f32]| {
                let mut all: Vec<f32> = scores.iter().map(|raw| fit.probability(*raw)).collect();
                all.sort_unstable_by(f32::total_cmp);
                all
            };
            errors::of_sorted(&sorted(&positives), &sorted(&negatives), rate)
        };
        let confident = |scores: &[f32]| scores.iter().filter(|raw| is_confident(calibration, **raw)).count();
        let confident = [&positives, &negatives].map(|scores| confident(scores) as u64);
        Some(Found { half: at(0.5), natural: at(rate), confident })
    }

    /// Holds the scores of a block of queries.
    fn counted(&self, calibration: &Calibration) -> Option<Found> {
        let (mut matching, mut others) = (0, 0);
        for query in 0..self.items.media[self.pair.0].rows.len() {
            for item in 0..self.items.media[self.pair.1].rows.len() {
                match self.matches.of(query, item) {
                    Some(true) => matching += 1,
                    Some(false) => others += 1,
                    None => {}
                }
            }
        }
        let rate = natural(matching, others)?;
        let mut at = [0.5, rate].map(|rate| (calibration.with_prior(rate as f32), Counted::new(rate)));
        let mut confident = [0, 0];
        self.each(&mut |raw, is_match| {
            at.iter_mut().for_each(|(fit, counted)| counted.add(fit.probability(raw), is_match));
            confident[usize::from(!is_match)] += u64::from(is_confident(calibration, raw));
        })?;
        at.iter_mut().for_each(|(_, counted)| counted.turn());
        self.each(&mut |raw, is_match| {
            at.iter_mut().for_each(|(fit, counted)| counted.again(fit.probability(raw), is_match));
        })?;
        let [half, natural] = at.map(|(_, counted)| counted.errors());
        Some(Found { half, natural, confident })
    }

    /// Calls `hear` with each score, and whether its pair matches; `None` where there is no such similarity.
    fn each(&self, hear: &mut dyn FnMut(f32, bool)) -> Option<()> {
        let (items, (a, b)) = (self.items, self.pair);
        let n = items.media[b].rows.len().max(1);
        for asked in items.blocks(a, b, 1) {
            let scores = items.scores_of(asked.clone(), items, self.similarity, a, b)?;
            for (query, scores) in asked.zip(scores.chunks_exact(n)) {
                self.matches.each(query, scores, &mut *hear);
            }
        }
        Some(())
    }
}

/// What the pairs give.
struct Found {
    half: AtRate,
    natural: AtRate,
    /// Confident matches and others.
    confident: [u64; 2],
}

/// The rate of matches; `None` where all pairs match, or none.
fn natural(matching: u64, others: u64) -> Option<f64> {
    (matching > 0 && others > 0).then(|| matching as f64 / (matching + others) as f64)
}

fn is_confident(calibration: &Calibration, raw: f32) -> bool {
    calibration.probability(raw) >= 0.8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Labels, made};
    use crate::eval::measure;
    use crate::model::Bundle;

    const KINDS: [(&str, usize); 2] = [("image", 6), ("text", 4)];

    /// Rows that lack an item here and there; every fifth has no class.
    fn data(rows: usize) -> TrainingData {
        let class = |row: usize| (!row.is_multiple_of(5)).then_some(row as u32 % 3);
        let labels = Labels { class: (0..rows).map(class).collect(), names: None, key: "k".into() };
        TrainingData { labels: Some(labels), ..made(rows, &KINDS, |at, row| row % 11 != 4 + at) }
    }

    #[test]
    fn blocks_of_queries_give_the_figures_of_one() {
        let data = data(150);
        let mut bundle = Bundle::random(&KINDS, 12, 4, 3, 7);
        // Probabilities that are spread, and some that are all about one.
        let spread = bundle.metric.heads[0].calibration[0];
        let narrow = spread.map(|fit| Calibration { slope: 1e-4, ..fit });
        bundle.metric.heads.iter_mut().for_each(|head| head.calibration = [spread, narrow]);
        bundle.posterior_fits = vec![[spread, narrow]; 3];
        let rows: Vec<usize> = (0..150).collect();
        let mut items = Items::new(&bundle, &data, &rows).unwrap();
        assert_eq!(items.blocks(0, 1, 1).count(), 1);
        let figures = |items: &Items<'_>, sorted: usize| {
            let mut rates = Vec::new();
            for (target, similarity) in [
                (Target::Class, Similarity::Metric(Target::Class)),
                (Target::Pair, Similarity::Metric(Target::Pair)),
                (Target::Class, Similarity::Posterior),
            ] {
                for pair in [(0, 1), (1, 0)] {
                    let matches = Matches::new((items, items), &data, target, pair);
                    let pairs = Pairs { items, similarity, pair, matches };
                    rates.push(pairs.rates(target, sorted).unwrap());
                }
            }
            (measure(items, &data), rates)
        };
        let whole = figures(&items, SORTED);
        let counted = figures(&items, 0);
        items.at_once = 1;
        assert_eq!(items.blocks(0, 1, 1).map(|asked| asked.len()).collect::<Vec<_>>(), [48, 48, 40]);
        assert_eq!(figures(&items, SORTED), whole);
        assert_eq!(figures(&items, 0), counted);
        // Counting adds the same in another order.
        for (sorted, counted) in whole.1.iter().zip(&counted.1) {
            assert_eq!(sorted.precision, counted.precision);
            for (sorted, counted) in [(sorted.half, counted.half), (sorted.natural, counted.natural)] {
                assert!((sorted.brier_skill - counted.brier_skill).abs() < 1e-9, "{sorted:?} {counted:?}");
                assert!((sorted.ece - counted.ece).abs() < 1e-9, "{sorted:?} {counted:?}");
            }
        }
    }
}
