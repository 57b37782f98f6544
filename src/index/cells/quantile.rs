//! The shares of true rows that may be missed, as curves have them.

use uncsm_format::cells::MISSES;

/// Which quantile each of what may lose a row gets at a share `recall` of the true ones: the largest that is measured and not above
/// `share` of what may be missed, but for rounding.
pub(super) fn quantile(recall: f32, share: f32) -> Option<usize> {
    let miss = (1.0 - recall) * share;
    MISSES.iter().position(|measured| *measured <= miss * 1.001)
}

/// What a share of each of [`MISSES`] of the values exceeds. Values that are no numbers are left out.
pub(super) fn quantiles(mut all: Vec<f32>) -> [f32; MISSES.len()] {
    all.retain(|value| value.is_finite());
    all.sort_unstable_by(f32::total_cmp);
    MISSES.map(|miss| {
        let lost = (f64::from(miss) * all.len() as f64).floor() as usize;
        all.iter().rev().nth(lost).copied().unwrap_or(0.0)
    })
}
