//! What every similarity implements: a rule, and a query item that it has compiled against one media type of items.

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use uncsm_format::{MediaView, Vectors};

use crate::encode::kernel::{Stored, dots16, dots32, hidden16};
use crate::error::Result;
use crate::index::cells::{Ranking, Rest};
use crate::model::{Bundle, Calibration, QueryHalf, QueryHub, Target, dot};

/// One way to compare a query item with a stored row.
pub(in crate::search) trait Measure {
    /// Name of the leg in results and weights.
    fn leg(&self) -> &'static str;

    /// Its name in the plan of a query.
    fn describe(&self) -> String {
        self.leg().into()
    }

    /// How an explanation says what a document's value is made of.
    fn formula(&self) -> &'static str {
        "(sum of weight x value over wanted parts - sum of weight x max(0, value) over unwanted) / weight_sum"
    }

    /// Targets that the bundle must have.
    fn targets(&self) -> &'static [Target] {
        &[]
    }

    /// Whether values are log-odds of the metric network.
    fn is_metric(&self) -> bool {
        false
    }

    /// From a value to 0..=1, growing with it.
    fn unit_interval(&self, value: f32) -> f32;

    /// A query item of media type `pair.0` against items of media type `pair.1`; `None` where the bundle has no head for
    /// the pair.
    ///
    /// # Errors
    /// [`crate::ErrorCode::BadArgument`] where the bundle lacks what the similarity reads.
    fn compile(
        &self,
        bundle: &Bundle,
        pair: (usize, usize),
        vector: &[f32],
    ) -> Result<Option<Box<dyn RowScorer>>>;
}

/// A query item that is compiled against one media type of items.
pub(in crate::search) trait RowScorer: fmt::Debug + Send + Sync {
    /// The same again.
    fn copy(&self) -> Box<dyn RowScorer>;

    /// What the similarity says of a row; anything for a damaged one.
    fn compare(&self, row: &Row) -> f32;

    /// [`RowScorer::compare`], with the least number where that is no number: a damaged row must lose against every sound
    /// one, and NaN would win under total order.
    fn raw(&self, row: &Row) -> f32 {
        let raw = self.compare(row);
        if raw.is_finite() { raw } else { f32::MIN }
    }

    /// [`RowScorer::compare`] of the rows `at` of `view`, to `out [at.len()]`, with its bits. A similarity that reads rows where
    /// they lie is many times as fast as this loop.
    fn compare_all(&self, view: &MediaView<'_>, at: &[u32], out: &mut [f32]) {
        let mut row = Row::default();
        for (out, &at) in out.iter_mut().zip(at) {
            row.load(view, at as usize);
            *out = self.compare(&row);
        }
    }

    /// [`RowScorer::raw`] of the rows `at` of `view`, to `out [at.len()]`.
    fn raws(&self, view: &MediaView<'_>, at: &[u32], out: &mut [f32]) {
        self.compare_all(view, at, out);
        for raw in out.iter_mut().filter(|raw| !raw.is_finite()) {
            *raw = f32::MIN;
        }
    }

    /// [`RowScorer::raws`], but rows at or below `floor` may come out as any number at or below it.
    fn raws_above(&self, view: &MediaView<'_>, at: &[u32], _floor: Option<f32>, out: &mut [f32]) {
        self.raws(view, at, out);
    }

    /// What documents are ranked by: the calibrated logit where there is a calibration.
    fn value(&self, raw: f32) -> f32 {
        raw
    }

    /// A number such that every [`RowScorer::raw`] at or below it has a [`RowScorer::value`] below `value`; `None` where none
    /// is known. Rows at or below it are left out of a ranking whose last value is `value`.
    fn floor(&self, _value: f32) -> Option<f32> {
        None
    }

    /// What tells which of a document's items is the best, here the row `at` of `view`: `value` at even odds unless a prior was
    /// given, so that probabilities are of the item that ranks.
    fn order(&self, _view: &MediaView<'_>, _at: usize, _raw: f32, value: f32) -> f32 {
        value
    }

    /// Whether [`RowScorer::raw`] and [`RowScorer::order`] say the same under another rate of matches: calibrations make values alone.
    fn keeps_raw(&self) -> bool {
        true
    }

    /// Changes every calibration: lets probabilities assume another rate of matches.
    fn recalibrate(&mut self, _change: &dyn Fn(Calibration) -> Calibration) {}

    /// Its calibrations.
    fn calibrations(&self) -> Vec<Calibration> {
        self.query_halves().into_iter().filter_map(|query| query.calibration).collect()
    }

    /// Whether the sigmoid of a value is a probability.
    fn is_calibrated(&self) -> bool {
        false
    }

    /// How much a document loses by being like an unwanted item, at least 0 and growing with `value`.
    fn penalty(&self, value: f32) -> f32 {
        value.max(0.0)
    }

    /// The query sides of the metric network's heads, by target; none for other similarities.
    fn query_halves(&self) -> Vec<&QueryHalf> {
        Vec::new()
    }

    /// What it compares by: one linear form of a row's vector, or several of which [`RowScorer::joined`] makes a value.
    fn forms(&self) -> Vec<LinearForm<'_>>;

    /// The log-odds (or the value) that one of the forms makes of its number; grows with it.
    fn of_form(&self, _form: usize, number: f32) -> f32 {
        self.value(number)
    }

    /// The value of a row from what each of its forms says: of several, the log-odds of their mean probability.
    fn joined(&self, of_forms: &[f32]) -> f32 {
        of_forms.first().copied().unwrap_or(f32::MIN)
    }

    /// The parts of the raw logits of a row, by target.
    fn numbers(&self, row: &Row) -> Vec<HeadNumbers> {
        self.query_halves().into_iter().map(|query| HeadNumbers::of(query, row)).collect()
    }
}

/// The linear part of what a similarity says of a row, and what it has beside, but for a hidden layer.
pub(in crate::search) struct LinearForm<'a> {
    pub(in crate::search) ranking: Ranking,
    /// `[d]`; of cosine, what is taken by the row's inverse norm.
    pub(in crate::search) weights: Cow<'a, [f32]>,
    pub(in crate::search) rest: Rest,
}

impl<'a> LinearForm<'a> {
    /// Of a head for `target`.
    pub(super) fn of_head(target: Target, head: &'a QueryHalf) -> Self {
        let rest = Rest { bias: head.bias, hub: head.hub };
        Self { ranking: Ranking::Metric(target), weights: Cow::Borrowed(&head.bilinear), rest }
    }

    /// Of weights alone.
    pub(super) fn plain(ranking: Ranking, weights: Cow<'a, [f32]>) -> Self {
        Self { ranking, weights, rest: Rest::default() }
    }
}

/// The dot products of `query` with the columns `part` of the rows `at` of `view`, to `out [at.len()]`, with the bits of [`dot`].
pub(super) fn dots(view: &MediaView<'_>, part: Range<usize>, query: &[f32], at: &[u32], out: &mut [f32]) {
    match view.vectors {
        Vectors::F16(all) => dots16(query, Stored::new(all, view.dim, part), at, out),
        Vectors::F32(all) => dots32(query, Stored::new(all, view.dim, part), at, out),
    }
}

/// [`QueryHalf::logit`] of the rows `at` of `view`, to `out [at.len()]`, with its bits.
pub(super) fn logits(query: &QueryHalf, view: &MediaView<'_>, at: &[u32], out: &mut [f32]) {
    dots(view, 0..view.dim, &query.bilinear, at, out);
    // Without hidden units their term is 0, which makes a 0 of -0.
    let mut hidden = vec![0.0; at.len()];
    let units = view.half.min(query.hidden.len()).min(query.weights.len());
    if units > 0 {
        let halves = Stored::new(view.halves, view.half, 0..units);
        hidden16(&query.hidden[..units], &query.weights[..units], halves, at, &mut hidden);
    }
    for (out, hidden) in out.iter_mut().zip(hidden) {
        *out = *out + hidden + query.bias;
    }
    if let Some(hub) = &query.hub {
        for (out, &at) in out.iter_mut().zip(at) {
            *out -= hub.term(view.hubs_of(at as usize));
        }
    }
}

impl Clone for Box<dyn RowScorer> {
    fn clone(&self) -> Self {
        self.copy()
    }
}

/// What one target's head says of one row, part by part.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::search) struct HeadNumbers {
    pub(in crate::search) bilinear: f32,
    pub(in crate::search) hidden: f32,
    pub(in crate::search) bias: f32,
    /// What the hub term adds, where the head has one.
    pub(in crate::search) hub: Option<HubNumbers>,
    pub(in crate::search) raw: f32,
    pub(in crate::search) calibration: Option<Calibration>,
}

/// `value = -weight * (query + item)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::search) struct HubNumbers {
    pub(in crate::search) weight: f32,
    pub(in crate::search) query: f32,
    pub(in crate::search) item: f32,
    pub(in crate::search) value: f32,
}

impl HubNumbers {
    fn of(hub: &QueryHub, row: &Row) -> Self {
        let item = hub.of_item(&row.hubs);
        Self { weight: hub.weight, query: hub.own, item, value: -hub.term(&row.hubs) }
    }
}

impl HeadNumbers {
    fn of(query: &QueryHalf, row: &Row) -> Self {
        let bilinear = dot(&query.bilinear, &row.vector);
        Self {
            bilinear,
            hidden: query.without_hub(&row.vector, &row.half) - query.bias - bilinear,
            bias: query.bias,
            hub: query.hub.as_ref().map(|hub| HubNumbers::of(hub, row)),
            raw: query.logit(&row.vector, &row.half, &row.hubs),
            calibration: query.calibration,
        }
    }
}

/// Room for one row as f32, reused over rows.
#[derive(Default)]
pub(in crate::search) struct Row {
    pub(in crate::search) vector: Vec<f32>,
    pub(in crate::search) half: Vec<f32>,
    pub(in crate::search) hubs: Vec<f32>,
    pub(in crate::search) inverse_norm: f32,
}

impl Row {
    #[inline]
    pub(in crate::search) fn load(&mut self, view: &MediaView<'_>, row: usize) {
        self.vector.resize(view.dim, 0.0);
        self.half.resize(view.half, 0.0);
        let at = row * view.dim..(row + 1) * view.dim;
        match view.vectors {
            Vectors::F16(all) => all[at].convert_to_f32_slice(&mut self.vector),
            Vectors::F32(all) => self.vector.copy_from_slice(&all[at]),
        }
        view.halves[row * view.half..(row + 1) * view.half].convert_to_f32_slice(&mut self.half);
        self.hubs.clear();
        self.hubs.extend_from_slice(view.hubs_of(row));
        self.inverse_norm = view.inverse_norms[row];
    }
}

/// `1 / (1 + exp(-x))`.
pub(in crate::search) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// `-ln(1 - p)` for log-odds of `p`.
pub(super) fn log_loss(log_odds: f32) -> f32 {
    log_odds.max(0.0) + (-log_odds.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use half::f16;

    use super::*;
    use crate::model::Rate;
    use crate::search::similarity::Similarity;

    const SIMILARITIES: [Similarity; 5] = [
        Similarity::Metric(Target::Class),
        Similarity::Metric(Target::Pair),
        Similarity::Both,
        Similarity::Cosine,
        Similarity::Posterior,
    ];

    /// Stored rows of noise, some equal, some zero, some damaged.
    struct Rows {
        docs: Vec<u32>,
        narrow: Vec<f16>,
        wide: Vec<f32>,
        halves: Vec<f16>,
        hubs: Vec<f32>,
        inverse_norms: Vec<f32>,
    }

    impl Rows {
        fn new(n: usize, bundle: &Bundle) -> Self {
            let metric = bundle.metric();
            let noise = |count: usize, seed: usize| -> Vec<f16> {
                let at = |i: usize| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.0 - 1.0;
                (0..count).map(|i| f16::from_f32(at(i))).collect()
            };
            let dim = metric.dim();
            let mut narrow = noise(n * dim, 1);
            narrow.copy_within(0..dim, 3 * dim);
            narrow[4 * dim..5 * dim].fill(f16::ZERO);
            narrow[5 * dim + 2] = f16::NAN;
            narrow[6 * dim + dim - 1] = f16::INFINITY;
            let wide: Vec<f32> = narrow.iter().map(|x| x.to_f32()).collect();
            let norm = |row: &[f32]| dot(row, row).sqrt();
            let inverse_norms =
                wide.chunks(dim).map(norm).map(|norm| if norm > 0.0 { 1.0 / norm } else { 0.0 }).collect();
            let mut hubs: Vec<f32> =
                noise(n * metric.hub_columns(), 3).into_iter().map(f16::to_f32).collect();
            if let Some(hub) = hubs.get_mut(7) {
                *hub = f32::NAN;
            }
            let docs = (0..n as u32).collect();
            Self { docs, narrow, wide, halves: noise(n * metric.half(), 2), hubs, inverse_norms }
        }

        fn view(&self, bundle: &Bundle, narrow: bool) -> MediaView<'_> {
            MediaView {
                vectors: if narrow { Vectors::F16(&self.narrow) } else { Vectors::F32(&self.wide) },
                docs: &self.docs,
                ordinals: &[],
                spans: &[],
                hashes: &[],
                inverse_norms: &self.inverse_norms,
                halves: &self.halves,
                hubs: &self.hubs,
                dim: bundle.metric().dim(),
                half: bundle.metric().half(),
                hub_columns: bundle.metric().hub_columns(),
            }
        }
    }

    #[test]
    fn many_rows_have_the_bits_of_one_and_a_floor_loses_none() {
        let (mut floors, mut damaged, mut left_out) = (0, 0, 0);
        for (half, anchors, narrow) in
            [(0, 0, true), (19, 0, true), (0, 9, true), (19, 9, true), (19, 9, false)]
        {
            let bundle =
                Bundle::random(&[("image", 7), ("text", 5)], 37, half, 4, 3).with_random_hubs(anchors, 5);
            let rows = Rows::new(50, &bundle);
            let view = rows.view(&bundle, narrow);
            let at: Vec<u32> = (0..50).rev().chain([7, 7, 30]).chain(0..50).collect();
            let query: Vec<f32> = (0..37).map(|i| (i as f32 * 0.7).sin()).collect();
            for (similarity, pair) in SIMILARITIES.into_iter().flat_map(|s| [(s, (0, 1)), (s, (1, 1))]) {
                let mut scorer = similarity.measure().compile(&bundle, pair, &query).unwrap().unwrap();
                let rate = Some(Rate::Share);
                scorer.recalibrate(&|fit| Calibration { rate, slope: 1.7, prior: 0.03, ..fit });
                let mut raws = vec![f32::NAN; at.len()];
                scorer.raws(&view, &at, &mut raws);
                let mut row = Row::default();
                for (&at, raw) in at.iter().zip(&raws) {
                    row.load(&view, at as usize);
                    let one = scorer.raw(&row);
                    assert_eq!(raw.to_bits(), one.to_bits(), "{similarity:?} {pair:?} {half} {anchors} {at}");
                    damaged += usize::from(one == f32::MIN);
                }
                for value in raws.iter().map(|&raw| scorer.value(raw)) {
                    let Some(floor) = scorer.floor(value) else { continue };
                    floors += 1;
                    assert!(
                        raws.iter().all(|&raw| raw > floor || scorer.value(raw) < value),
                        "{similarity:?}"
                    );
                    let mut above = vec![f32::NAN; at.len()];
                    scorer.raws_above(&view, &at, Some(floor), &mut above);
                    for (above, raw) in above.iter().zip(&raws) {
                        let is_out = *raw <= floor && *above <= floor;
                        assert!(above.to_bits() == raw.to_bits() || is_out, "{similarity:?}: {above} {raw}");
                        left_out += usize::from(above != raw);
                    }
                }
            }
        }
        assert!(floors > 1000 && damaged > 0 && left_out > 1000, "{floors} {damaged} {left_out}");
    }

    #[test]
    fn a_penalty_is_minus_the_logarithm_of_not_matching() {
        for x in [-30.0f32, -2.0, 0.0, 1.5, 30.0] {
            let expected = -(1.0 - f64::from(sigmoid(x))).ln();
            if x < 15.0 {
                assert!((f64::from(log_loss(x)) - expected).abs() < 1e-5, "{x}");
            }
            assert!(log_loss(x) >= 0.0 && log_loss(x) >= log_loss(x - 0.5));
        }
    }
}
