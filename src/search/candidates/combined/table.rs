//! What a part adds at most to the value of a row, by table: a calibration for each row would cost more than its code.

use super::held::FormOf;
use crate::search::similarity::RowScorer;

/// Entries of a table.
const ENTRIES: usize = 1024;

/// Of numbers by short code, by equal steps.
pub(super) struct Table<T> {
    low: f32,
    /// Entries per unit.
    scale: f32,
    entries: Vec<T>,
}

impl<T: Copy> Table<T> {
    /// `of` gets both ends of a step. The first and the last reach as far as there are numbers.
    fn new(form: &FormOf<'_>, of: impl Fn(f32, f32) -> T) -> Self {
        let (low, high) = form.range;
        let scale = ENTRIES as f32 / (high - low);
        let (low, scale) = if scale.is_finite() && scale > 0.0 { (low, scale) } else { (0.0, 0.0) };
        let end = |at: usize| match at {
            0 => f32::NEG_INFINITY,
            _ if at == ENTRIES || scale == 0.0 => f32::INFINITY,
            _ => low + at as f32 / scale,
        };
        let entries = (0..ENTRIES).map(|at| of(end(at), end(at + 1))).collect();
        Self { low, scale, entries }
    }

    #[inline]
    fn at(&self, number: f32) -> T {
        // What is no number, or below, is the first one.
        let at = ((number - self.low) * self.scale) as usize;
        self.entries[at.min(ENTRIES - 1)]
    }
}

/// What a part adds at most, from the numbers of its forms by short code.
pub(super) enum Upper {
    /// The most that one of the forms allows.
    Most(Vec<Table<f32>>),
    /// A weight, and by form the probability and the rest to 1: the log-odds of their means.
    Mean(f32, Vec<Table<[f32; 2]>>),
}

impl Upper {
    /// Of a part that is wanted, or not: what it takes is least where the least of its forms says so.
    pub(super) fn new(scorer: &dyn RowScorer, forms: &[FormOf<'_>], is_wanted: bool, weight: f32) -> Self {
        let most = |at: usize, high: f32| match scorer.of_form(at, high + forms[at].margin_at(high)) {
            odds if odds.is_nan() => f32::INFINITY,
            odds => odds,
        };
        let forms = || forms.iter().enumerate();
        if !is_wanted {
            let least = |at: usize, low: f32, form: &FormOf<'_>| {
                if low == f32::NEG_INFINITY {
                    return 0.0;
                }
                let penalty = scorer.penalty(scorer.of_form(at, low - form.margins.any));
                if penalty.is_finite() { -weight * penalty } else { 0.0 }
            };
            let tables = forms().map(|(at, form)| Table::new(form, |low, _| least(at, low, form)));
            return Self::Most(tables.collect());
        }
        if forms().len() == 1 {
            let of = |at: usize, high: f32| {
                if high == f32::INFINITY { high } else { weight * most(at, high) }
            };
            return Self::Most(forms().map(|(at, form)| Table::new(form, |_, high| of(at, high))).collect());
        }
        let of = |at: usize, high: f32| {
            let odds = if high == f32::INFINITY { f64::INFINITY } else { f64::from(most(at, high)) };
            let probability = |odds: f64| (1.0 / (1.0 + (-odds).exp())) as f32;
            [probability(odds), probability(-odds)]
        };
        Self::Mean(weight, forms().map(|(at, form)| Table::new(form, |_, high| of(at, high))).collect())
    }

    /// Of the numbers `[forms][rows]` of a run of rows.
    pub(super) fn of(&self, numbers: &[Vec<f32>], out: &mut [f32]) {
        match self {
            Self::Most(tables) => {
                out.fill(f32::NEG_INFINITY);
                for (table, numbers) in tables.iter().zip(numbers) {
                    out.iter_mut().zip(numbers).for_each(|(out, number)| *out = out.max(table.at(*number)));
                }
            }
            Self::Mean(weight, tables) => {
                for (at, out) in out.iter_mut().enumerate() {
                    let (mut yes, mut no) = (0.0, 0.0);
                    for (table, numbers) in tables.iter().zip(numbers) {
                        let [p, rest] = table.at(numbers[at]);
                        (yes, no) = (yes + p, no + rest);
                    }
                    *out = weight * ln_above(yes / no);
                }
            }
        }
    }
}

/// At least `ln x` of a positive number, and less than .06 above it: the chord of the logarithm between two powers of two, moved up.
fn ln_above(x: f32) -> f32 {
    const MOVED: f32 = 0.0861;
    let bits = x.to_bits();
    let power = (bits >> 23) as f32 - 127.0;
    let rest = f32::from_bits((bits & 0x007F_FFFF) | 0x3F80_0000) - 1.0;
    (power + rest + MOVED) * std::f32::consts::LN_2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quick_logarithm_stays_above() {
        for i in -8000..8000 {
            let x = (i as f32 * 0.01).exp();
            let over = ln_above(x) - x.ln();
            assert!((-1e-5..0.061).contains(&over), "{x}: {over}");
        }
        assert!(ln_above(f32::INFINITY) > 88.0 && ln_above(0.0) < -87.0);
    }
}
