//! Learning a [`FusionLayer`] from judged queries.
//!
//! **Weights**: those of least pairwise logistic loss with a ridge, none negative:
//! `1/Q sum_q sum_(i,j) m_ij ln(1 + exp(-(s_i - s_j))) + t/(2Q) sum_k (w_k c_k)^2`, with `s = w'x`, over the pairs of documents
//! of one query where `i` has the higher grade. Only the order within a query counts, so that what makes the scores of a whole
//! query high, such as its length, is not learned from, and no bias is needed. Source: Burges et al., "Learning to rank using
//! gradient descent", 2005, with a linear scorer; pairs from clicks: Joachims, "Optimizing search engines using clickthrough
//! data", 2002.
//!
//! **Masses**: `m_ij = w_i w_j (g_i - g_j) / (P N)` with row weights `w`, grades `g`, `P = sum w g`, `N = sum w (1 - g)`. With
//! grades 0 and 1 every query has mass 1, half of it by its relevant documents and half by its others: how many others there
//! are is the depth of the list and no fact about relevance. Queries of close grades have less.
//!
//! **Ridge**: `c_k` is the root mean square difference of entry `k` over the pairs, at least .01, and `t` the precision of a
//! normal prior on the weights `w_k c_k`. From twenty queries on, `t` is chosen by the pairwise loss of queries left out. A
//! strong ridge does not make the ranking arbitrary: weights then go along the mean differences between the two sides.
//!
//! **Scale and bias**: `a s + b` by Platt's method on the rows, each query with mass 1/2 for either side, a query being one
//! observation in the smoothed targets. `a` is positive: with `D_q` the mean score of the relevant side minus that of the other,
//! `D_q` is the sum of `m_ij (s_i - s_j)`; a weight vector better than 0 has `sum_q D_q > 0`, and the logistic loss
//! falls with `a` at 0 by a multiple of this very sum. So this step never turns a ranking around.

mod query;
mod rows;
mod scale;

use super::newton::{Bound, minimise};
use crate::error::{Error, ErrorCode, Result};
use crate::model::{FusionCounts, FusionLayer, Target};
pub use query::{FusionQuery, FusionRow};
use rows::{LEN, Ranked, pairwise, spread};
use scale::scale;

/// Fewest queries with documents of different grades.
const LEAST_QUERIES: usize = 5;
/// From this many on the ridge is chosen on queries left out.
const CHOOSE_FROM: usize = 20;
/// The ridge of fewer queries: on generated queries with legs of three kinds of quality, 5 to 20 at a time, it brought
/// as many pairs of new ones into order as the best ridge, less .007 at most, and 10 up to .033 less.
const DEFAULT_RIDGE: f64 = 0.3;
/// The ridges to choose from, the strongest first, which is kept where another one is no better.
const RIDGES: [f64; 8] = [100.0, 30.0, 10.0, 3.0, 1.0, 0.3, 0.1, 0.03];
/// Parts of the queries that are left out in turn.
const FOLDS: usize = 5;

impl FusionLayer {
    /// Learns a layer that ranks the relevant documents of each query above its others.
    ///
    /// `target` is what the media logits in the rows are about. Queries all of whose documents have one grade teach no order
    /// and are left out. Every query counts alike, however many documents it has; a query that stands twice counts twice. The
    /// same queries in the same order give the same layer. An entry that does not differ within any query gets no weight.
    ///
    /// Clicks favour what stood above: a layer learned from them leans toward the ranking that was shown.
    ///
    /// Cost: about ten evaluations of all pairs of documents of different grades within a query, and with twenty queries or
    /// more another 40 fits for the choice of the ridge, on all cores: seconds for 100,000 pairs.
    ///
    /// # Errors
    /// [`ErrorCode::NotFinite`] and [`ErrorCode::BadValue`] naming query and row, for a label outside 0 to 1 or a negative
    /// weight too. [`ErrorCode::TooFewData`] for fewer than five queries with documents of different grades, and where no entry
    /// is higher for what is relevant.
    pub fn fit(target: Target, queries: &[FusionQuery]) -> Result<Self> {
        check(queries)?;
        let queries: Vec<Ranked> = queries.iter().filter_map(Ranked::new).collect();
        if queries.len() < LEAST_QUERIES {
            let what = "too few queries to learn a fusion from";
            return Err(Error::new(ErrorCode::TooFewData, what)
                .expected(format!("at least {LEAST_QUERIES} that found both relevant documents and others"))
                .got(queries.len())
                .hint("give more lines; ids must be those of the index"));
        }
        let all: Vec<&Ranked> = queries.iter().collect();
        let weights = rank(&all, choose(&all));
        if weights.iter().all(|weight| *weight == 0.0) {
            return Err(Error::new(
                ErrorCode::TooFewData,
                "neither keywords nor media rank what is relevant above the rest",
            )
            .expected("relevant documents with higher scores or better ranks")
            .got(format!("none of {LEN} entries higher, over {} queries", all.len()))
            .hint("give more lines, and check that they judge what the queries ask for"));
        }
        let (slope, bias) = scale(&all, &weights);
        let counts = FusionCounts {
            lines: all.len() as u64,
            positives: all.iter().map(|query| query.positives).sum(),
            negatives: all.iter().map(|query| query.negatives).sum(),
        };
        Self::new(target, weights.map(|weight| (slope * weight) as f32), bias as f32, counts)
    }
}

fn check(queries: &[FusionQuery]) -> Result<()> {
    for (q, query) in queries.iter().enumerate() {
        for (r, row) in query.rows.iter().enumerate() {
            let at = || format!("row {r} of query {q}");
            if !row.features.0.iter().chain([&row.label, &row.weight]).all(|x| x.is_finite()) {
                return Err(Error::new(ErrorCode::NotFinite, format!("{} holds NaN or infinity", at()))
                    .expected("finite numbers"));
            }
            if !(0.0..=1.0).contains(&row.label) {
                return Err(Error::new(ErrorCode::BadValue, format!("the label of {} is no grade", at()))
                    .expected("0 to 1")
                    .got(row.label));
            }
            if row.weight < 0.0 {
                return Err(Error::new(ErrorCode::BadValue, format!("the weight of {} is negative", at()))
                    .expected("0 or more")
                    .got(row.weight));
            }
        }
    }
    Ok(())
}

/// The weights of least loss with the ridge `ridge`, none negative.
fn rank(queries: &[&Ranked], ridge: f64) -> [f64; LEN] {
    let spread = spread(queries);
    let ridge = ridge / queries.len() as f64;
    let found = minimise([0.0; LEN], [Bound::NotNegative; LEN], |z| {
        let mut sum = pairwise(queries, &spread, z);
        for (k, z) in z.iter().enumerate() {
            let axis: [f64; LEN] = std::array::from_fn(|j| if j == k { 1.0 } else { 0.0 });
            sum.add(&axis, ridge * z * z / 2.0, ridge * z, ridge);
        }
        sum
    });
    std::array::from_fn(|k| found[k] / spread[k])
}

/// The ridge of least loss on queries left out: every fifth one, in turn.
fn choose(queries: &[&Ranked]) -> f64 {
    if queries.len() < CHOOSE_FROM {
        return DEFAULT_RIDGE;
    }
    let part = |fold: usize, held: bool| -> Vec<&Ranked> {
        let chosen = queries.iter().enumerate().filter(|(i, _)| (i % FOLDS == fold) == held);
        chosen.map(|(_, query)| *query).collect()
    };
    let mut best = (f64::INFINITY, DEFAULT_RIDGE);
    for ridge in RIDGES {
        let loss = |fold| {
            let held = part(fold, true);
            let weights = rank(&part(fold, false), ridge);
            held.len() as f64 * pairwise(&held, &[1.0; LEN], &weights).value
        };
        let loss: f64 = (0..FOLDS).map(loss).sum();
        if loss < best.0 {
            best = (loss, ridge);
        }
    }
    best.1
}

#[cfg(test)]
mod tests;
