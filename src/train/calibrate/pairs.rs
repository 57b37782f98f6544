//! The pairs that a calibration is fitted on.

use rayon::slice::ParallelSliceMut;

/// Others that are kept as they are: those with the greatest raw logits, where a match is told from them.
const WHOLE: usize = 100_000;
/// Others of the rest, thinned out evenly in the order of their raw logits.
const THINNED: usize = 100_000;

/// A raw logit, and whether it is that of a match.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pair {
    pub(super) raw: f32,
    pub(super) is_match: bool,
    /// Pairs of about this raw logit that it stands for.
    pub(super) stands_for: f32,
}

impl Pair {
    /// A pair that stands for itself.
    pub(super) fn of(raw: f32, is_match: bool) -> Self {
        Self { raw, is_match, stands_for: 1.0 }
    }

    /// All matches, and what is left of many others.
    ///
    /// Cost: a sort of the others, on all cores.
    pub(super) fn all(matches: &[f32], others: &mut [f32]) -> Vec<Self> {
        others.par_sort_unstable_by(|a, b| b.total_cmp(a));
        let (whole, rest) = others.split_at(WHOLE.min(others.len()));
        let step = rest.len().div_ceil(THINNED).max(1);
        let matches = matches.iter().map(|&raw| Self::of(raw, true));
        let whole = whole.iter().map(|&raw| Self::of(raw, false));
        // The middle one of so many.
        let thinned = rest
            .chunks(step)
            .map(|part| Self { stands_for: part.len() as f32, ..Self::of(part[part.len() / 2], false) });
        matches.chain(whole).chain(thinned).collect()
    }

    /// Matches and others, as many as the pairs stand for.
    pub(super) fn masses(pairs: &[Self]) -> (f64, f64) {
        pairs.iter().fold((0.0, 0.0), |(matches, others), pair| {
            let mass = f64::from(pair.stands_for);
            if pair.is_match { (matches + mass, others) } else { (matches, others + mass) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_others_are_all_there_and_no_mass_is_lost() {
        let mut others: Vec<f32> = (0..350_003u32).map(|i| (i * 7919 % 350_003) as f32).collect();
        let pairs = Pair::all(&[5.0, 9.0], &mut others);
        assert_eq!(Pair::masses(&pairs), (2.0, 350_003.0));
        assert!(pairs.len() <= 2 + WHOLE + THINNED);
        let top: Vec<&Pair> = pairs.iter().filter(|pair| pair.raw >= 250_003.0).collect();
        assert!(top.len() == WHOLE && top.iter().all(|pair| pair.stands_for == 1.0));
        let mean = |pairs: &[Pair]| {
            let sum: f64 = pairs.iter().map(|pair| f64::from(pair.raw) * f64::from(pair.stands_for)).sum();
            sum / Pair::masses(pairs).1
        };
        assert!((mean(&pairs[2..]) - 175_001.0).abs() < 3.0);
    }
}
