//! Class values by kernel ridge regression on the landmarks.
//!
//! With responses `K [n, m]`, one-hot classes `T [n, C]` and their mean: `(K'K + n l K_mm) A = K'(T - mean)`,
//! `f(k) = mean + A'k`. With all rows as landmarks this is kernel ridge regression itself, with fewer its Nystroem form
//! (Rudi, Camoriano, Rosasco, "Less is more: Nystroem computational regularization", 2015).

use candle_core::{Result, Tensor};

use super::moments::Labelled;
use super::moments::Side;
use super::units::narrow;
use crate::train::linear::{Whitener, elements, inner};

/// `A [m, C]` and the mean `[1, C]`.
pub(super) struct Classes {
    weights: Tensor,
    mean: Tensor,
}

impl Classes {
    /// With the ridge `decay`; `None` where no row of this media type has a class.
    pub(super) fn fit(side: &Side, decay: f64) -> Result<Option<Self>> {
        let Some(Labelled { rows, sum, squares, by_class, counts }) = &side.labelled else { return Ok(None) };
        if *rows < 1.0 {
            return Ok(None);
        }
        let mean = (counts * (1.0 / rows))?;
        let w = Whitener::new(&(squares + (&side.within * (rows * decay))?)?)?;
        let centred = (by_class - inner(sum, &mean)?)?;
        Ok(Some(Self { weights: w.apply_transposed(&w.apply(&centred)?)?, mean }))
    }

    /// Weights `[C, m]` and bias `[C]` of class logits: the values times `sharpness`.
    pub(super) fn readout(&self, sharpness: f64) -> Result<(Vec<f32>, Vec<f32>)> {
        let weights = elements(&(self.weights.t()?.contiguous()? * sharpness)?)?;
        Ok((narrow(&weights), narrow(&elements(&(&self.mean * sharpness)?)?)))
    }
}
