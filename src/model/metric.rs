//! The metric network: how similar two shared vectors are.
//!
//! First-stage logit of `u` (media type a) and `v` (media type b), for one target:
//! `s(u, v) = u' M_ab v + w . relu(A_a u + A_b v + c) + bias`
//! with `u, v [d]`, `M_ab [d, d]`, `A [h, d]` per media type and shared by the targets, `w, c [h]`. It is symmetric:
//! `M_ab = M_ba'` per unordered pair of media types and `M_aa` is symmetric. `M'u` and `A_a u + c` are computed once per
//! query, `A_b v` depends on the item alone and may be stored, so a score costs one dot of `d` and one pass over `h`.
//! Between two media types a head may subtract a hub term `w (h_b(u) + h_a(v))` besides, see [`super::hub`]; `h_a(v)` is stored too.
//! Source: the metric network of Qi, Huang, Peng, "Cross-media similarity metric learning with unified deep networks",
//! 2017, with a bilinear term added and one hidden layer split into its two halves.

use serde::{Deserialize, Serialize};

use super::calibration::Calibration;
use super::floats::Floats;
use super::hub::{Hubs, hub_column};
pub use crate::encode::kernel::dot;
use crate::encode::kernel::{Rows, hidden, hidden_products, products};

/// What a logit is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Target {
    /// The two items belong to the same class.
    Class,
    /// The two items belong together: picture and caption of one document.
    Pair,
}

impl Target {
    /// `class` or `pair`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Class => "class",
            Self::Pair => "pair",
        }
    }
}

/// `(M + M') / 2`, in place.
pub(crate) fn symmetrise(matrix: &mut [f32], d: usize) {
    for i in 0..d {
        for j in 0..i {
            let mean = 0.5 * (matrix[i * d + j] + matrix[j * d + i]);
            matrix[i * d + j] = mean;
            matrix[j * d + i] = mean;
        }
    }
}

/// Parameters of one target and unordered pair of media types `a <= b`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Head {
    pub(crate) target: Target,
    pub(crate) a: usize,
    pub(crate) b: usize,
    /// `[d, d]`, rows for media type `a`; symmetric where `a == b`.
    pub(crate) bilinear: Floats,
    /// `w [h]`.
    pub(crate) weights: Vec<f32>,
    /// `c [h]`.
    pub(crate) shift: Vec<f32>,
    pub(crate) bias: f32,
    /// What the hub term is taken by; 0 where there is none, as where `a == b`.
    pub(crate) hub: f32,
    /// Of queries of `a` over items of `b`, and of `b` over `a`; both hold the same fit where `a == b`.
    pub(crate) calibration: [Option<Calibration>; 2],
}

/// The parameters of all heads; see the module page for the formula.
#[derive(Clone, Debug, PartialEq)]
pub struct MetricNetwork {
    pub(crate) dim: usize,
    pub(crate) half: usize,
    pub(crate) targets: Vec<Target>,
    /// `A [h, d]` per media type.
    pub(crate) halves: Vec<Floats>,
    pub(crate) hubs: Hubs,
    /// Per target in the order of `targets`, all pairs `a <= b` in lexicographic order.
    pub(crate) heads: Vec<Head>,
}

impl MetricNetwork {
    /// Elements of a shared vector, `d`.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// Elements of a stored item half, `h`; 0 where the head has no hidden layer.
    pub fn half(&self) -> usize {
        self.half
    }

    /// Hubs that are stored of each item, one per other media type in their order; 0 where the bundle has no hub term.
    pub fn hub_columns(&self) -> usize {
        self.hubs.columns()
    }

    /// Anchors of a media type, the unit parts of train rows that hubs are measured by; 0 where it has none.
    pub fn hub_anchors(&self, media: usize) -> usize {
        self.hubs.count(media)
    }

    /// The temperature of the hub terms, where there are any.
    pub fn hub_temperature(&self) -> Option<f32> {
        (!self.hubs.is_empty()).then_some(self.hubs.temperature)
    }

    /// What the hub term is taken by in the logits of a target between two media types; 0 where there is none.
    pub fn hub_weight(&self, target: Target, one: usize, other: usize) -> f32 {
        self.head(target, one, other).map_or(0.0, |head| head.hub)
    }

    /// The targets that it was trained for.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The head of `target` for this pair of media types in either order.
    pub(crate) fn head(&self, target: Target, one: usize, other: usize) -> Option<&Head> {
        let (a, b) = (one.min(other), one.max(other));
        self.heads.iter().find(|head| head.target == target && head.a == a && head.b == b)
    }

    /// The calibration of queries of one media type over items of another.
    pub fn calibration(&self, target: Target, query_media: usize, item_media: usize) -> Option<Calibration> {
        self.head(target, query_media, item_media)?.calibration[usize::from(query_media > item_media)]
    }

    /// All that a query `u [d]` contributes to its scores; `None` where target or media types are not there.
    ///
    /// Cost: `d * (d + h)` multiply-adds, and with a hub term `e` for each anchor of the other media type.
    ///
    /// # Panics
    /// When `u` has not [`dim`](Self::dim) elements.
    pub fn query_half(
        &self,
        target: Target,
        query_media: usize,
        item_media: usize,
        u: &[f32],
    ) -> Option<QueryHalf> {
        assert_eq!(u.len(), self.dim, "a shared vector of this bundle");
        let head = self.head(target, query_media, item_media)?;
        let hubs = self.query_hubs(head, query_media, item_media, u);
        Some(self.query_side(head, (query_media, item_media), u, hubs.first().copied()))
    }

    /// The hub terms of the queries `[q, d]`; none where the head has none.
    fn query_hubs(
        &self,
        head: &Head,
        query_media: usize,
        item_media: usize,
        queries: &[f32],
    ) -> Vec<QueryHub> {
        match hub_column(item_media, query_media).filter(|_| head.hub != 0.0) {
            Some(column) => {
                let all = self.hubs.of(item_media, queries, self.dim).into_iter();
                all.map(|own| QueryHub { column, weight: head.hub, own }).collect()
            }
            None => Vec::new(),
        }
    }

    /// [`query_half`](Self::query_half) of a head, with the hub term of the query.
    fn query_side(
        &self,
        head: &Head,
        (query_media, item_media): (usize, usize),
        u: &[f32],
        hub: Option<QueryHub>,
    ) -> QueryHalf {
        let mut bilinear = vec![0.0f32; self.dim];
        if query_media <= item_media {
            for (x, row) in u.iter().zip(head.bilinear.chunks_exact(self.dim)) {
                for (out, m) in bilinear.iter_mut().zip(row) {
                    *out += x * m;
                }
            }
        } else {
            for (out, row) in bilinear.iter_mut().zip(head.bilinear.chunks_exact(self.dim)) {
                *out = dot(row, u);
            }
        }
        let mut hidden = vec![0.0f32; self.half];
        self.item_half(query_media, u, &mut hidden);
        for (out, shift) in hidden.iter_mut().zip(&head.shift) {
            *out += shift;
        }
        QueryHalf {
            bilinear,
            hidden,
            weights: head.weights.clone(),
            bias: head.bias,
            hub,
            calibration: self.calibration(head.target, query_media, item_media),
        }
    }

    /// Replaces `out [q, n]` by the raw logits of queries `[q, d]` of one media type over items `[n, d]` of another, their
    /// halves `[n, h]` and hubs `[n, columns]`, each with the bits of [`QueryHalf::logit`]; leaves it where target or media types
    /// are not there. Cost: `q * (n + d) * (d + h)` on the calling thread, and the hubs of the queries.
    ///
    /// # Panics
    /// When a length does not fit.
    pub(crate) fn logits(
        &self,
        target: Target,
        (query_media, queries): (usize, &[f32]),
        (item_media, items): (usize, ItemRows<'_>),
        out: &mut [f32],
    ) {
        let Some(head) = self.head(target, query_media, item_media) else { return };
        let hubs = self.query_hubs(head, query_media, item_media, queries);
        let (mut bilinear, mut hidden) = (Vec::with_capacity(queries.len()), Vec::new());
        for (i, u) in queries.chunks_exact(self.dim).enumerate() {
            let query = self.query_side(head, (query_media, item_media), u, hubs.get(i).copied());
            bilinear.extend_from_slice(&query.bilinear);
            hidden.extend_from_slice(&query.hidden);
        }
        products(Rows::new(&bilinear, self.dim), Rows::new(items.vectors, self.dim), out);
        let mut terms = vec![0.0; out.len()];
        if self.half > 0 {
            let (hidden, halves) = (Rows::new(&hidden, self.half), Rows::new(items.halves, self.half));
            hidden_products(hidden, halves, &head.weights, &mut terms);
        }
        out.iter_mut().zip(&terms).for_each(|(logit, term)| *logit = *logit + term + head.bias);
        let (n, columns) = (items.vectors.len() / self.dim, self.hub_columns());
        for (logits, query) in out.chunks_exact_mut(n.max(1)).zip(&hubs) {
            for (logit, hubs) in logits.iter_mut().zip(items.hubs.chunks_exact(columns)) {
                *logit -= query.term(hubs);
            }
        }
    }

    /// `A_b v [h]`: the part of the hidden layer that depends on the item alone, for storage.
    ///
    /// Cost: `d * h` multiply-adds.
    ///
    /// # Panics
    /// When `media` does not exist, or the slices have not [`dim`](Self::dim) and [`half`](Self::half) elements.
    pub fn item_half(&self, media: usize, v: &[f32], out: &mut [f32]) {
        assert_eq!((v.len(), out.len()), (self.dim, self.half), "a shared vector and a half of this bundle");
        for (out, row) in out.iter_mut().zip(self.halves[media].chunks_exact(self.dim.max(1))) {
            *out = dot(row, v);
        }
    }

    /// The hubs of items `vectors [n, d]` of a media type into `out [n, columns]`, for storage; the bits of a row do not depend
    /// on the others.
    ///
    /// Cost: per row, `e` multiply-adds and one exponential for each anchor of the other media types.
    ///
    /// # Panics
    /// When the slices have not `n` rows of [`dim`](Self::dim) and [`hub_columns`](Self::hub_columns) elements.
    pub fn item_hubs(&self, media: usize, vectors: &[f32], out: &mut [f32]) {
        let rows = vectors.len() / self.dim;
        assert_eq!(
            (vectors.len(), out.len()),
            (rows * self.dim, rows * self.hub_columns()),
            "shared vectors and hubs of this bundle"
        );
        self.hubs.of_items(media, vectors, self.dim, out);
    }
}

/// Items as they are scored: shared vectors `[n, d]`, halves `[n, h]` and hubs `[n, columns]`.
#[derive(Clone, Copy)]
pub(crate) struct ItemRows<'a> {
    pub(crate) vectors: &'a [f32],
    pub(crate) halves: &'a [f32],
    pub(crate) hubs: &'a [f32],
}

/// The hub term of a query over items of one media type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueryHub {
    /// Where the hub of the query's media type stands among those of an item.
    pub column: usize,
    /// What the sum of both hubs is taken by.
    pub weight: f32,
    /// `h_b(u)`: the hub of the query among the anchors of the items' media type.
    pub own: f32,
}

impl QueryHub {
    /// What the hubs of an item `[columns]` and of the query take from its score: `w (h_b(u) + h_a(v))`; NaN for an item
    /// without one of the query's media type, as only a damaged file has it.
    #[inline]
    pub fn term(&self, hubs: &[f32]) -> f32 {
        self.weight * (self.own + self.of_item(hubs))
    }

    /// `h_a(v)` among the hubs of an item.
    #[inline]
    pub(crate) fn of_item(&self, hubs: &[f32]) -> f32 {
        hubs.get(self.column).copied().unwrap_or(f32::NAN)
    }
}

/// The query side of the metric network, ready to score items.
#[derive(Clone, Debug)]
pub struct QueryHalf {
    /// `M'u [d]`.
    pub bilinear: Vec<f32>,
    /// `A_a u + c [h]`.
    pub hidden: Vec<f32>,
    /// `w [h]`.
    pub weights: Vec<f32>,
    /// Added to every score.
    pub bias: f32,
    /// What is taken from a score for being near to everything; `None` where the head has no hub term.
    pub hub: Option<QueryHub>,
    /// From raw logits to probabilities; `None` where no positives were measured.
    pub calibration: Option<Calibration>,
}

impl QueryHalf {
    /// The raw logit of one item: shared vector `v [d]`, its half `[h]` from [`MetricNetwork::item_half`] and its hubs `[columns]`
    /// from [`MetricNetwork::item_hubs`].
    ///
    /// A pure function of its arguments, the same on every machine. Cost: one dot of `d`, one pass over `h`.
    #[inline]
    pub fn logit(&self, v: &[f32], half: &[f32], hubs: &[f32]) -> f32 {
        let logit = self.without_hub(v, half);
        match &self.hub {
            Some(hub) => logit - hub.term(hubs),
            None => logit,
        }
    }

    /// A raw logit such that what documents are ranked by is below `value` at it and below it, as [`Calibration::below`] has it.
    pub(crate) fn below(&self, value: f32) -> Option<f32> {
        match &self.calibration {
            Some(calibration) => calibration.below(value),
            None => Some(value.next_down()),
        }
    }

    /// The raw logit before the hub term.
    #[inline]
    pub(crate) fn without_hub(&self, v: &[f32], half: &[f32]) -> f32 {
        dot(&self.bilinear, v) + hidden(&self.hidden, half, &self.weights) + self.bias
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::bundle::Bundle;

    #[test]
    fn many_logits_have_the_bits_of_one() {
        for (half, anchors) in [(0, 0), (19, 0), (0, 33), (19, 5)] {
            let bundle = Bundle::random(&[("image", 7), ("text", 5)], 21, half, 4, 3);
            let bundle = bundle.with_random_hubs(anchors, 7);
            let (metric, d) = (bundle.metric(), 21);
            let wave = |n: usize, f: f32| -> Vec<f32> { (0..n * d).map(|i| (i as f32 * f).sin()).collect() };
            let (queries, items) = (wave(5, 0.7), wave(9, 1.3));
            let mut halves = vec![0.0; 9 * half];
            for (i, v) in items.chunks_exact(d).enumerate() {
                metric.item_half(1, v, &mut halves[i * half..(i + 1) * half]);
            }
            let columns = metric.hub_columns();
            assert_eq!(columns, usize::from(anchors > 0));
            let mut hubs = vec![f32::NAN; 9 * columns];
            metric.item_hubs(1, &items, &mut hubs);
            let mut out = vec![f32::NAN; 45];
            let rows = ItemRows { vectors: &items, halves: &halves, hubs: &hubs };
            metric.logits(Target::Class, (0, &queries), (1, rows), &mut out);
            for (at, logit) in out.iter().enumerate() {
                let (i, j) = (at / 9, at % 9);
                let query = metric.query_half(Target::Class, 0, 1, &queries[i * d..(i + 1) * d]).unwrap();
                assert_eq!(query.hub.is_some(), anchors > 0);
                let part = |all: &[f32], width| all[j * width..(j + 1) * width].to_vec();
                let one = query.logit(&part(&items, d), &part(&halves, half), &part(&hubs, columns));
                assert_eq!(one.to_bits(), logit.to_bits(), "{i} {j}");
            }
        }
    }

    #[test]
    fn a_row_that_lost_its_hub_is_no_number() {
        let bundle = Bundle::random(&[("image", 7), ("text", 5)], 21, 0, 4, 3).with_random_hubs(6, 11);
        let of = |a, b| bundle.metric().query_half(Target::Pair, a, b, &[0.5; 21]).unwrap();
        assert!(of(0, 1).logit(&[0.5; 21], &[], &[]).is_nan());
        assert!(of(0, 1).logit(&[0.5; 21], &[], &[0.25]).is_finite());
        // Within a media type there is no term, and nothing is read.
        assert!(of(1, 1).hub.is_none() && of(1, 1).logit(&[0.5; 21], &[], &[]).is_finite());
    }

    #[test]
    fn logit_is_the_formula_and_symmetric() {
        let bundle = Bundle::random(&[("image", 7), ("text", 5)], 21, 19, 4, 3);
        is_formula_and_symmetric(&bundle);
        is_formula_and_symmetric(&bundle.with_random_hubs(6, 11));
    }

    fn is_formula_and_symmetric(bundle: &Bundle) {
        let metric = bundle.metric();
        let (d, h) = (metric.dim(), metric.half());
        let u: Vec<f32> = (0..d).map(|i| (i as f32).sin()).collect();
        let v: Vec<f32> = (0..d).map(|i| (i as f32 * 1.7).cos()).collect();
        let score = |target, a, b, u: &[f32], v: &[f32]| {
            let mut half = vec![0.0; h];
            metric.item_half(b, v, &mut half);
            let mut hubs = vec![0.0; metric.hub_columns()];
            metric.item_hubs(b, v, &mut hubs);
            metric.query_half(target, a, b, u).unwrap().logit(v, &half, &hubs)
        };
        for target in [Target::Class, Target::Pair] {
            for (a, b) in [(0, 1), (1, 0), (0, 0), (1, 1)] {
                let (x, y) = (score(target, a, b, &u, &v), score(target, b, a, &v, &u));
                assert!((x - y).abs() < 1e-4, "{target:?} {a} {b}: {x} {y}");
                let head = metric.head(target, a, b).unwrap();
                let (first, second) = if a <= b { (&u, &v) } else { (&v, &u) };
                let mut exact = f64::from(head.bias);
                for (x, row) in first.iter().zip(head.bilinear.chunks_exact(d)) {
                    for (m, y) in row.iter().zip(second) {
                        exact += f64::from(*x) * f64::from(*m) * f64::from(*y);
                    }
                }
                for k in 0..h {
                    let row = |m: usize, x: &[f32]| -> f64 {
                        (0..d).map(|i| f64::from(metric.halves[m][k * d + i]) * f64::from(x[i])).sum()
                    };
                    let pre = row(a, &u) + row(b, &v) + f64::from(head.shift[k]);
                    exact += f64::from(head.weights[k]) * pre.max(0.0);
                }
                if a != b && metric.hub_columns() > 0 {
                    assert_ne!(head.hub, 0.0);
                    let hubs = metric.hubs.of(b, &u, d)[0] + metric.hubs.of(a, &v, d)[0];
                    exact -= f64::from(head.hub) * f64::from(hubs);
                }
                assert!((f64::from(x) - exact).abs() < 1e-4, "{target:?} {a} {b}: {x} {exact}");
            }
        }
        assert!(metric.query_half(Target::Pair, 0, 2, &u).is_none());
    }
}
