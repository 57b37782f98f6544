//! How far values by code lie off: what a document of several linear forms may be worth at most, measured with sample queries when
//! cells are made. Margins stand among the curves, as rows of targets of their own.
//!
//! A true first-k row that codes put below the score of the last of them by more than the margin is lost. Of a form that does not make a
//! document one of the first, errors are those of any row.

use std::ops::RangeInclusive;

use uncsm_format::cells::{CURVE_COLUMNS, Cells, MARGINS, MISSES};

use super::form::Ranking;
use super::measured::{Measured, Row};
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
    let measured = Measured::of(cells, model, (MARGINS + ranking.code(), query_media))?;
    let at = quantile(recall, SHARE)?;
    let of = |row: &Row| [row[3 + at], row[3 + MISSES.len() + at]];
    let any = of(measured.any);
    let best =
        measured.within(measured.around(&depths)).map(of).reduce(|a, b| [a[0].max(b[0]), a[1].max(b[1])])?;
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
