//! Judged documents in the form that a fit reads, and the losses over them.

use rayon::prelude::*;

use super::query::{FusionQuery, FusionRow};
use crate::model::FusionFeatures;
use crate::train::newton::Moments;

/// Entries, as a number for arrays.
pub(crate) const LEN: usize = FusionFeatures::LEN;
/// Entries that hardly differ within any query are not blown up.
const LEAST_SPREAD: f64 = 0.01;

/// The rows of a query, the highest grade first.
pub(crate) struct Ranked {
    pub(crate) rows: Vec<[f64; LEN]>,
    pub(crate) grades: Vec<f64>,
    /// Row weights over their mean, so that sums of very small or large ones stay in range.
    pub(crate) weights: Vec<f64>,
    /// By row: the first row of a lower grade.
    below: Vec<usize>,
    /// `P` and `N`: what relevant documents weigh, and what the others do.
    pub(crate) sides: (f64, f64),
    pub(crate) positives: u64,
    pub(crate) negatives: u64,
}

impl Ranked {
    /// `None` where no two rows that count have different grades.
    pub(crate) fn new(query: &FusionQuery) -> Option<Self> {
        let mut rows: Vec<&FusionRow> = query.rows.iter().filter(|row| row.weight > 0.0).collect();
        // A stable sort: rows of one grade stay in their order.
        rows.sort_by(|a, b| b.label.total_cmp(&a.label));
        let grades: Vec<f64> = rows.iter().map(|row| f64::from(row.label)).collect();
        if grades.first() == grades.last() {
            return None;
        }
        let mean = rows.iter().map(|row| f64::from(row.weight)).sum::<f64>() / rows.len() as f64;
        let weights: Vec<f64> = rows.iter().map(|row| f64::from(row.weight) / mean).collect();
        let positives = grades.iter().filter(|grade| **grade > 0.0).count();
        Some(Self {
            below: grades.iter().map(|grade| grades.partition_point(|other| other >= grade)).collect(),
            sides: (
                weights.iter().zip(&grades).map(|(w, g)| w * g).sum(),
                weights.iter().zip(&grades).map(|(w, g)| w * (1.0 - g)).sum(),
            ),
            positives: positives as u64,
            negatives: (grades.len() - positives) as u64,
            rows: rows.iter().map(|row| row.features.0.map(f64::from)).collect(),
            grades,
            weights,
        })
    }

    /// Calls `each` with the difference of the entries and the mass of every pair of different grades.
    pub(crate) fn pairs(&self, mut each: impl FnMut(&[f64; LEN], f64)) {
        let total = self.sides.0 * self.sides.1;
        for i in 0..self.rows.len() {
            for j in self.below[i]..self.rows.len() {
                let difference = std::array::from_fn(|k| self.rows[i][k] - self.rows[j][k]);
                let mass = self.weights[i] * self.weights[j] * (self.grades[i] - self.grades[j]) / total;
                each(&difference, mass);
            }
        }
    }
}

/// `ln(1 + exp(x))`, its slope and its curvature, without overflow.
pub(crate) fn softplus(x: f64) -> (f64, f64, f64) {
    let e = (-x.abs()).exp();
    let p = if x >= 0.0 { 1.0 / (1.0 + e) } else { e / (1.0 + e) };
    (x.max(0.0) + e.ln_1p(), p, p * (1.0 - p))
}

/// The sum over queries in their order, whatever the number of threads.
pub(crate) fn over<const N: usize>(
    queries: &[&Ranked],
    of: impl Fn(&Ranked) -> Moments<N> + Sync,
) -> Moments<N> {
    let parts: Vec<Moments<N>> = queries.par_iter().map(|query| of(query)).collect();
    let mut sum = Moments::ZERO;
    for part in &parts {
        sum.add_all(part, 1.0 / queries.len() as f64);
    }
    sum
}

/// The pairwise loss of the weights `z` on entries divided by `spread`, mean over queries.
pub(crate) fn pairwise(queries: &[&Ranked], spread: &[f64; LEN], z: &[f64; LEN]) -> Moments<LEN> {
    over(queries, |query| {
        let mut sum = Moments::ZERO;
        query.pairs(|difference, mass| {
            let x: [f64; LEN] = std::array::from_fn(|k| -difference[k] / spread[k]);
            let (value, slope, curvature) = softplus(x.iter().zip(z).map(|(x, z)| x * z).sum());
            sum.add(&x, mass * value, mass * slope, mass * curvature);
        });
        sum
    })
}

/// Root mean square difference of each entry over the pairs.
pub(crate) fn spread(queries: &[&Ranked]) -> [f64; LEN] {
    // The value collects masses and the gradient squares.
    let sum: Moments<LEN> = over(queries, |query| {
        let mut sum = Moments::ZERO;
        query.pairs(|difference, mass| sum.add(&difference.map(|x| x * x), mass, mass, 0.0));
        sum
    });
    sum.gradient.map(|squares| (squares / sum.value).sqrt().max(LEAST_SPREAD))
}
