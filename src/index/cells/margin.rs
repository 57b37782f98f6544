//! How far values by code lie off: what a document of several linear forms may be worth at most, measured with sample queries when
//! cells are made. Margins stand among the curves, as rows of targets of their own.
//!
//! A true first-k row that codes put below the score of the last of them by more than the margin is lost. Of a form that does not make a
//! document one of the first, errors are those of any row.

use std::ops::RangeInclusive;

use uncsm_format::cells::{CURVE_COLUMNS, Cells, MARGINS, MISSES};

use super::form::Ranking;
use super::probe::{SHARE, effort};
use super::quantile::{quantile, quantiles};
use crate::media::Fingerprint;

/// By how much queries differ from samples in what short codes leave, and both.
const SPARE: [f32; 2] = [1.25, 1.5];
/// The number of best rows beyond which a row counts as any: errors of rows so far down are those of all.
const BEST: usize = 1000;

/// How far values by code of one form may lie off, at the share that may be missed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Margins {
    /// By short code, of a row that may be among the best under this form alone.
    pub(crate) best: f32,
    /// By short code, of any other.
    pub(crate) any: f32,
    /// By both codes.
    pub(crate) both: f32,
    /// Among so many first ones by short code the best are.
    pub(crate) rank: usize,
}

/// The margins for searches of `depths` rows at a share `recall` of the true ones. `None` where none were measured for the scores `model`, the
/// ranking and the media type of the query.
pub(crate) fn margins(
    cells: &Cells<'_>,
    model: Fingerprint,
    (ranking, query_media): (Ranking, usize),
    depths: RangeInclusive<usize>,
    recall: f32,
) -> Option<Margins> {
    let curves = cells.curves.filter(|curves| *curves.model == model.0)?;
    let at = quantile(recall, SHARE)?;
    let is = |row: &&[f32; CURVE_COLUMNS]| row[0] == MARGINS + ranking.code() && row[1] == query_media as f32;
    let of = |row: &[f32; CURVE_COLUMNS]| [row[3 + at], row[3 + MISSES.len() + at]];
    let (any, best): (Vec<_>, Vec<_>) = curves.rows.iter().filter(is).partition(|row| row[2] == 0.0);
    let any = of(any.first()?);
    // The measured depths around those that are asked for.
    let (least, most) = (*depths.start() as f32, *depths.end() as f32);
    let below = best.iter().map(|row| row[2]).filter(|&k| k <= least).fold(0.0, f32::max);
    let above = best.iter().map(|row| row[2]).filter(|&k| k >= most).fold(f32::INFINITY, f32::min);
    let all = best.iter().map(|row| row[2]).fold(0.0, f32::max);
    let near = best.iter().filter(|row| row[2] >= below.min(all) && row[2] <= above);
    let best = near.map(of).reduce(|a, b| [a[0].max(b[0]), a[1].max(b[1])])?;
    let rank = effort(cells, model, (ranking, query_media), BEST, recall)?.refine;
    let [short, both] = SPARE;
    Some(Margins {
        best: short * best[0].max(any[0]),
        any: short * any[0],
        both: both * best[1].max(any[1]),
        rank,
    })
}

/// The row of a file, of what both kinds of codes leave.
pub(crate) fn row(
    (ranking, media): (Ranking, usize),
    depth: usize,
    off: &[[f32; 2]],
) -> [f32; CURVE_COLUMNS] {
    let mut row = [0.0; CURVE_COLUMNS];
    let (head, numbers) = row.split_at_mut(3);
    head.copy_from_slice(&[MARGINS + ranking.code(), media as f32, depth as f32]);
    for (part, out) in numbers.as_chunks_mut().0.iter_mut().take(2).enumerate() {
        *out = quantiles(off.iter().map(|off| off[part]).collect());
    }
    row
}
