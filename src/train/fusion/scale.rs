//! The scale and the bias of learned fusion weights: a curve of Platt's over the rows of all queries.

use super::rows::{LEN, Ranked, over, softplus};
use crate::train::newton::{Bound, Moments, minimise};

/// `(a, b)` of Platt's curve `sigmoid(a s + b)` over the rows, for either side half of the mass of every query.
pub(crate) fn scale(queries: &[&Ranked], weights: &[f64; LEN]) -> (f64, f64) {
    let score = |row: &[f64; LEN]| -> f64 { row.iter().zip(weights).map(|(x, w)| x * w).sum() };
    // What a row has of either side.
    let masses = |query: &Ranked, i: usize| {
        let (weight, grade) = (query.weights[i], query.grades[i]);
        (weight * grade / (2.0 * query.sides.0), weight * (1.0 - grade) / (2.0 * query.sides.1))
    };
    // Mean and deviation of the scores, for a well-scaled start.
    let sums: Moments<2> = over(queries, |query| {
        let mut sum = Moments::ZERO;
        for (i, row) in query.rows.iter().enumerate() {
            let (relevant, other) = masses(query, i);
            let s = score(row);
            sum.add(&[s, s * s], 0.0, relevant + other, 0.0);
        }
        sum
    });
    let [mean, squares] = sums.gradient;
    let deviation = (squares - mean * mean).max(0.0).sqrt().max(1e-12);
    let n = queries.len() as f64;
    let (high, low) = ((n + 1.0) / (n + 2.0), 1.0 / (n + 2.0));
    let [a, b] = minimise([0.0; 2], [Bound::NotNegative, Bound::Free], |at| {
        over(queries, |query| {
            let mut sum = Moments::ZERO;
            for (i, row) in query.rows.iter().enumerate() {
                let (relevant, other) = masses(query, i);
                let x = [(score(row) - mean) / deviation, 1.0];
                let z = at[0] * x[0] + at[1];
                let (value, slope, curvature) = softplus(z);
                let (mass, wanted) = (relevant + other, relevant * high + other * low);
                sum.add(&x, mass * value - wanted * z, mass * slope - wanted, mass * curvature);
            }
            sum
        })
    });
    (a / deviation, b - a * mean / deviation)
}
