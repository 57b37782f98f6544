//! Quality of a bundle on a split, as in the literature: the object that an evaluation gives as JSON.
//!
//! - MAP over all results, relevant: same class; recall at 1, 5, 10 of the paired item. Ties count at their expected
//!   place, items of byte-equal content as the paired item. Queries without any relevant item are left out.
//! - All scores are of shared vectors rounded to f16, as an index stores them.
//! - Calibration of the default target at equal mass of matches and others, and at their natural rate.

mod calibration;
mod errors;
mod matches;
mod measure;
mod measures;

use serde::Serialize;

pub use calibration::{CalibrationReport, PrecisionAt, Rates};
pub use errors::AtRate;
pub(crate) use matches::matches;
pub use measures::{Directions, Measures, PerSimilarity, RECALL_AT, Recall};
pub(crate) use measures::{One, Own, measure, measure_between, measure_one};

use crate::corpus::Split;
use crate::data::{Items, TrainingData};
use crate::error::{Error, ErrorCode, Result};
use crate::model::Bundle;

/// The figures of one bundle on one split.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// Rows of the split.
    pub pairs: usize,
    /// What the features are.
    pub features: String,
    /// Items that share their score with a better-placed one of the same query, by the default metric.
    pub ties: u64,
    /// MAP over all results per similarity; null where it does not exist.
    pub map_all: PerSimilarity<Directions>,
    /// Recall of the paired item per similarity; null where it does not exist.
    pub recall: PerSimilarity<Recall>,
    /// Calibration of the default target per direction; null where it was not calibrated or cannot be measured.
    pub calibration: CalibrationReport,
    /// The same of the dot product of class posteriors, calibrated on the same pairs; null without classes.
    pub calibration_posterior: CalibrationReport,
}

/// Measures a bundle on the rows of a split.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is measured before `run`"]
pub struct Evaluation<'a> {
    bundle: &'a Bundle,
    data: &'a TrainingData,
    split: Split,
}

impl<'a> Evaluation<'a> {
    /// Of the rows marked `test`.
    pub fn new(bundle: &'a Bundle, data: &'a TrainingData) -> Self {
        Self { bundle, data, split: Split::Test }
    }

    /// Of the rows of another split.
    pub fn split(mut self, split: Split) -> Self {
        self.split = split;
        self
    }

    /// Measures.
    ///
    /// Cost: all pairs of the split are scored by every similarity, and sorted per query. Memory is some hundred bytes a row beside its shared
    /// vectors, and 200 MiB for scores, or 200 bytes a row where that is more.
    ///
    /// # Errors
    /// [`ErrorCode::Empty`] where the split has no rows, [`ErrorCode::UnknownMedia`] and [`ErrorCode::BadDimension`] where
    /// the data do not fit the bundle, [`ErrorCode::NotFinite`] naming the row, [`ErrorCode::Changed`] where a features file
    /// was changed.
    pub fn run(self) -> Result<Report> {
        let Self { bundle, data, split } = self;
        data.check_shapes()?;
        data.check_fits(bundle)?;
        let rows = data.rows_of(split);
        if rows.is_empty() {
            return Err(Error::new(ErrorCode::Empty, "the split to evaluate has no rows")
                .expected(format!("rows marked {split:?}").to_lowercase()));
        }
        data.check_finite(&rows)?;
        let items = data.whole(Items::new(bundle, data, &rows))?;
        let measures = measure(&items, data);
        Ok(Report {
            pairs: rows.len(),
            features: data.features_name.clone(),
            ties: measures.ties,
            map_all: measures.map_all,
            recall: measures.recall,
            calibration: calibration::report(&items, data),
            calibration_posterior: calibration::posterior_report(&items, data),
        })
    }
}
