//! A monotone curve from raw logits to log-odds, for scores whose matches do not follow a logistic curve.
//!
//! Between the knots the curve is straight, outside it has the slope of Platt's. A dot product of posteriors, for one, is
//! itself a probability: its log-odds are not linear in it.

use serde::{Deserialize, Serialize};

/// Points of a curve.
pub(crate) const KNOTS: usize = 12;
/// Raw logits and the log-odds at them, both ascending.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Curve(pub(crate) [[f32; 2]; KNOTS]);

impl Curve {
    /// The log-odds at `raw`; `slope` holds outside of the knots.
    pub(crate) fn at(&self, raw: f32, slope: f32) -> f32 {
        let knots = &self.0;
        let i = knots.partition_point(|knot| knot[0] <= raw);
        if i == 0 {
            return knots[0][1] + slope * (raw - knots[0][0]);
        }
        let [x, y] = knots[i - 1];
        match knots.get(i) {
            None => y + slope * (raw - x),
            Some(&[next, high]) => y + (high - y) * ((raw - x) / (next - x)),
        }
    }

    /// The log-odds that the stretches before the knots at or below `raw` come to, as [`Curve::at`] rounds them.
    pub(super) fn ends_up_to(&self, raw: f32) -> impl Iterator<Item = f32> {
        let stretches = self.0.windows(2).take_while(move |pair| pair[1][0] <= raw);
        stretches.map(|pair| pair[0][1] + (pair[1][1] - pair[0][1]))
    }

    /// The raw logit of these log-odds: the inverse of [`Curve::at`].
    pub(crate) fn inverse(&self, odds: f32, slope: f32) -> f32 {
        let knots = &self.0;
        let i = knots.partition_point(|knot| knot[1] <= odds);
        if i == 0 {
            return knots[0][0] + (odds - knots[0][1]) / slope;
        }
        let [x, y] = knots[i - 1];
        match knots.get(i) {
            None => x + (odds - y) / slope,
            Some(&[next, high]) => x + (next - x) * ((odds - y) / (high - y)),
        }
    }

    /// Whether the knots are finite and ascend, as every curve must.
    pub(crate) fn is_sound(&self) -> bool {
        self.0.iter().flatten().all(|x| x.is_finite())
            && self.0.windows(2).all(|pair| pair[0][0] < pair[1][0] && pair[0][1] < pair[1][1])
    }
}
