//! How far below the best values by code a true one may lie, measured with sample queries when cells are made, and where a search of a
//! query ends by that.
//!
//! Between the value of the middle of all rows, which codes are relative to, and the k-th best value by both codes lies a distance that differs widely from query to query. The
//! greater it is, the further codes lie off, though not in proportion: nearly as its power of three quarters, of the powers that were tried
//! the one by which a number from samples held for other queries. So a query with a few clear best rows ends soon, one with many nearly
//! equal ones goes on. A curve of ranks has one number for both, that of the second.

use std::ops::RangeInclusive;

use uncsm_format::cells::{CURVE_COLUMNS, Cells, MISSES, REACH};

use super::form::Ranking;
use super::measured::{Measured, Row};
use super::quantile::{quantile, quantiles};
use crate::media::Fingerprint;

/// By how much queries differ from samples.
const SPARE: f32 = 1.1;
/// The share of what may be missed that each of the three may miss.
const SHARE: f32 = 1.0 / 4.0;
/// Where a reach does not end before the middle and short codes lie off by more than this share of a usual distance, ranks tell more.
const MOST: f32 = 0.4;

/// How far a true row may lie below the k-th best value by both codes, at the share that may be missed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Reach {
    /// From which of the best rows on it is told.
    k: usize,
    /// By how much the centre of its cell, its value by short code and that by both may lie below, where the distance is 1.
    below: [f32; 3],
    /// A distance that few samples are below.
    usual: f32,
}

/// What a true row is looked for by.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stage {
    Cells = 0,
    Short = 1,
    Both = 2,
}

/// The reach of searches of `k` rows, where what passes may stand as far down as `depths`, at a share `recall` of the true ones. `None` where
/// none was measured for the scores `model`, the ranking and the media type of the query, or for so many, and where it tells less than ranks do.
pub(crate) fn reach(
    cells: &Cells<'_>,
    model: Fingerprint,
    (ranking, query_media): (Ranking, usize),
    depths: RangeInclusive<usize>,
    recall: f32,
) -> Option<Reach> {
    let measured = Measured::of(cells, model, (REACH + ranking.code(), query_media))?;
    let at = quantile(recall, SHARE)?;
    let inverse = measured.any[3];
    // Codes lie off most for the very first rows, of which a measured depth does not tell: it is told from its last.
    let k = (*depths.start()).max(measured.first() as usize);
    let near = measured.around(&(k..=k.max(*depths.end())));
    if !near.end().is_finite() {
        return None;
    }
    let below = |row: &Row| [0, 1, 2].map(|part| row[3 + part * MISSES.len() + at]);
    let below = measured.within(near).map(below).reduce(|a, b| [0, 1, 2].map(|part| a[part].max(b[part])))?;
    let usual = if inverse > 0.0 { 1.0 / inverse } else { 0.0 };
    let reach = Reach { k, below: below.map(|below| below * SPARE), usual };
    (reach.ends() || reach.at(Stage::Short, usual) <= MOST * usual).then_some(reach)
}

/// The power of three quarters, which has the same bits everywhere.
fn scale(distance: f32) -> f32 {
    distance.sqrt() * distance.sqrt().sqrt()
}

impl Reach {
    /// From which of the best rows on it is told.
    pub(super) fn k(&self) -> usize {
        self.k
    }

    /// How far below the k-th best value by both codes something true may lie.
    fn at(&self, stage: Stage, distance: f32) -> f32 {
        self.below[stage as usize] * scale(distance)
    }

    /// Whether queries of usual distances end before the middle.
    pub(crate) fn ends(&self) -> bool {
        self.at(Stage::Cells, self.usual) < self.usual
    }

    /// The value below which nothing is looked at, from the k-th best value that was met and that of the middle. What is left where the best
    /// do not pass, or of a query unlike the samples, may lie nearer to the middle than anything that was measured: codes do not lie off by less.
    pub(super) fn floor(&self, stage: Stage, best: f32, middle: f32) -> f32 {
        let distance = best - middle;
        // Also what is no number.
        if distance > 0.0 { best - self.at(stage, distance.max(self.usual)) } else { f32::NEG_INFINITY }
    }
}

/// What one sample query tells of its true first rows: the k-th best value by both codes, that of the middle, and of each true row the
/// values of its cell, by short code and by both.
pub(super) struct Told {
    pub(super) best: f32,
    pub(super) middle: f32,
    pub(super) rows: Vec<[f32; 3]>,
}

/// The rows of a file: the reach at each depth, and one over the distance at the first of them.
pub(super) fn rows(
    (ranking, media): (Ranking, usize),
    told: &[(usize, Vec<Told>)],
) -> Vec<[f32; CURVE_COLUMNS]> {
    let row = |depth: usize, parts: &[Vec<f32>]| {
        let mut row = [0.0; CURVE_COLUMNS];
        let (head, numbers) = row.split_at_mut(3);
        head.copy_from_slice(&[REACH + ranking.code(), media as f32, depth as f32]);
        for (out, part) in numbers.as_chunks_mut().0.iter_mut().zip(parts) {
            *out = quantiles(part.clone());
        }
        row
    };
    let mut out = Vec::new();
    for (depth, told) in told {
        // No search ends by the reach where the best are not above the middle.
        let told: Vec<&Told> = told.iter().filter(|told| told.best > told.middle).collect();
        if told.is_empty() {
            continue;
        }
        if out.is_empty() {
            out.push(row(0, &[told.iter().map(|told| 1.0 / (told.best - told.middle)).collect()]));
        }
        let share = |part: usize| {
            let of = |told: &&&Told| {
                let (best, distance) = (told.best, told.best - told.middle);
                told.rows
                    .iter()
                    .map(move |row| ((best - row[part]) / scale(distance)).max(0.0))
                    .collect::<Vec<_>>()
            };
            told.iter().flat_map(|told| of(&told)).collect()
        };
        out.push(row(*depth, &[share(0), share(1), share(2)]));
    }
    out
}

/// Reaches as a damaged file may have them.
#[cfg(test)]
pub(super) fn odd() -> impl Iterator<Item = Reach> {
    let numbers = [0.0, -1.0, f32::NAN, f32::INFINITY, 1e-30];
    numbers
        .into_iter()
        .flat_map(move |x| [0.0, 1.0, f32::NAN].map(|usual| Reach { k: 10, below: [x, 0.5, x], usual }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACHES: Reach = Reach { k: 10, below: [0.8, 0.4, 0.1], usual: 16.0 };

    #[test]
    fn a_floor_lies_below_the_best_as_the_distance_says() {
        // 8 of 16, and 64 of 256.
        assert_eq!(REACHES.floor(Stage::Cells, 26.0, 10.0), 26.0 - 0.8 * 8.0);
        assert_eq!(REACHES.floor(Stage::Both, 266.0, 10.0), 266.0 - 0.1 * 64.0);
        // Nearer than what is usual.
        assert_eq!(REACHES.floor(Stage::Short, 1.0, 0.0), 1.0 - 0.4 * 8.0);
        assert!(REACHES.ends() && !Reach { below: [2.0; 3], ..REACHES }.ends());
    }

    #[test]
    fn without_a_distance_nothing_is_left_out() {
        for (best, middle) in [(1.0, 1.0), (1.0, 2.0), (f32::NAN, 0.0), (0.0, f32::NAN)] {
            assert_eq!(REACHES.floor(Stage::Short, best, middle), f32::NEG_INFINITY);
        }
    }

    #[test]
    fn shares_are_what_the_samples_miss() {
        // Ten rows of each of two queries, of which one has no distance.
        let rows_of = || (0..10).map(|i| [2.0 * i as f32, 25.0, 17.0]).collect();
        let told = |best: f32| Told { best, middle: 1.0, rows: rows_of() };
        let rows = rows((Ranking::Cosine, 1), &[(10, vec![told(17.0), told(1.0)])]);
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0][..4], [REACH + 2.0, 1.0, 0.0, 0.0625]);
        assert_eq!(rows[1][..3], [REACH + 2.0, 1.0, 10.0]);
        // The worst, and all but the worst tenth; nothing above the best counts.
        assert_eq!((rows[1][3], rows[1][10]), (15.0 / 8.0, 17.0 / 8.0));
        assert_eq!((rows[1][11], rows[1][19]), (0.0, 0.0));
    }
}
