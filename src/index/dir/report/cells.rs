//! What `inspect` says of the cells of a segment.

use serde::Serialize;
use uncsm_format::Uvec;
use uncsm_format::cells::CURVE_COLUMNS;

use crate::index::cells::{Ranking, effort, reach};
use crate::media::Fingerprint;
use crate::model::Target;

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
    /// `class`, `pair`, `cosine` or `posterior`.
    pub ranking: &'static str,
    /// Media type of the query.
    pub query: String,
    /// Number of best rows.
    pub k: u64,
    /// Rows whose short codes are compared.
    pub visited: u64,
    /// Rows whose long codes are compared.
    pub refined: u64,
    /// Rows that are scored exactly.
    pub scored: u64,
    /// Whether each query ends by how far below its best rows others lie: the numbers above are those of the hardest sample then, and few
    /// queries go so far.
    pub by_reach: bool,
}

/// The cells of a media type, for a bundle of `score` where that is known; `None` where it has none that read.
pub(super) fn report<D: AsRef<[u8]>>(
    uvec: &Uvec<D>,
    media: usize,
    score: Option<Fingerprint>,
) -> Option<CellsReport> {
    let cells = uvec.cells(media).ok()??;
    let measured = cells.curves.map(|curves| Fingerprint(*curves.model));
    let of = |row: &[f32; CURVE_COLUMNS]| {
        let (ranking, name) = match row[0] {
            0.0 => (Ranking::Metric(Target::Class), "class"),
            1.0 => (Ranking::Metric(Target::Pair), "pair"),
            2.0 => (Ranking::Cosine, "cosine"),
            3.0 => (Ranking::Posterior, "posterior"),
            // Margins, reaches, or what a later build knows.
            _ => return None,
        };
        let query = uvec.media().get(row[1] as usize).map_or_else(String::new, |media| media.name.clone());
        let k = row[2] as usize;
        let effort = effort(&cells, measured?, (ranking, row[1] as usize), k, 0.99)?;
        let kind = (ranking, row[1] as usize);
        let by_reach = reach(&cells, measured?, kind, k..=k, 0.99).is_some_and(|reach| reach.ends());
        let [visited, refined, scored] = [effort.visit, effort.refine, effort.keep].map(|n| n as u64);
        Some(CurveReport { ranking: name, query, k: k as u64, visited, refined, scored, by_reach })
    };
    let floats = cells.mean.len()
        + cells.directions.len()
        + cells.steps.len()
        + cells.long_steps.len()
        + cells.norms.len();
    let bytes = cells.centres.len()
        + cells.short.len()
        + cells.long.len()
        + 4 * (cells.rows.len() + cells.ends.len() + floats)
        + cells.curves.map_or(0, |curves| 32 + 4 * curves.rows.as_flattened().len());
    Some(CellsReport {
        cells: cells.ends.len() as u64,
        bytes: bytes as u64,
        score: measured,
        whole: match (measured, score) {
            (None, _) => Some("no curves"),
            (Some(measured), Some(score)) if measured != score => Some("curves of other heads"),
            _ => None,
        },
        curves: cells.curves.map_or_else(Vec::new, |curves| curves.rows.iter().filter_map(of).collect()),
    })
}
