//! What `inspect` says of the cells of a segment.

use serde::Serialize;
use uncsm_format::Uvec;
use uncsm_format::cells::{CURVE_COLUMNS, MISSES};

use crate::media::Fingerprint;

/// The cells of one media type in a segment.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CellsReport {
    /// Number of cells.
    pub cells: u64,
    /// Bytes of cells, codes and curves.
    pub bytes: u64,
    /// The `score` that the curves were measured with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<Fingerprint>,
    /// Why a query looks at every row, where it does: `no curves`, or `curves of other heads`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub whole: Option<&'static str>,
    /// How far a search goes, by what is asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<CurveReport>,
}

/// How far a search goes for 99 of 100 of the best rows.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct CurveReport {
    /// `class`, `pair` or `cosine`.
    pub ranking: &'static str,
    /// Media type of the query.
    pub query: String,
    /// Number of best rows.
    pub k: u64,
    /// Rows whose codes are compared.
    pub visited: u64,
    /// Rows that are scored exactly.
    pub scored: u64,
}

/// The cells of a media type, for a bundle of `score` where that is known; `None` where it has none that read.
pub(super) fn report<D: AsRef<[u8]>>(
    uvec: &Uvec<D>,
    media: usize,
    score: Option<Fingerprint>,
) -> Option<CellsReport> {
    let cells = uvec.cells(media).ok()??;
    let at = MISSES.iter().position(|miss| *miss <= 0.0025)?;
    let of = |row: &[f32; CURVE_COLUMNS]| {
        let ranking = match row[0] {
            0.0 => "class",
            1.0 => "pair",
            _ => "cosine",
        };
        let query = uvec.media().get(row[1] as usize).map_or_else(String::new, |media| media.name.clone());
        let (visited, scored) = (row[3 + at] as u64, row[3 + MISSES.len() + at] as u64);
        CurveReport { ranking, query, k: row[2] as u64, visited, scored }
    };
    let bytes = cells.centres.len()
        + cells.codes.len()
        + 4 * (cells.rows.len() + cells.ends.len())
        + 4 * (2 * cells.dim + cells.centre_scales.len() + 2 * cells.scales.len())
        + cells.curves.map_or(0, |curves| 32 + 4 * curves.rows.as_flattened().len());
    let measured = cells.curves.map(|curves| Fingerprint(*curves.model));
    Some(CellsReport {
        cells: cells.ends.len() as u64,
        bytes: bytes as u64,
        score: measured,
        whole: match (measured, score) {
            (None, _) => Some("no curves"),
            (Some(measured), Some(score)) if measured != score => Some("curves of other heads"),
            _ => None,
        },
        curves: cells.curves.map_or_else(Vec::new, |curves| curves.rows.iter().map(of).collect()),
    })
}
