//! What graded pairs teach a model with kernel members.
//!
//! Kernel members are fitted at once, and what deep members have learned of graded pairs is gone where they have no share. So the
//! metric network learns these once more, over pathways that stay.

use crate::error::Result;
use crate::model::Bundle;
use crate::parallel as workers;
use crate::train::config::TrainConfig;
use crate::train::report::StageReport;
use crate::train::run::{End, Run};
use crate::train::schedule::Stage;
use crate::train::split::Fold;
use crate::train::start::over_settled;

/// A metric stage over settled pathways.
pub(crate) struct Lesson(TrainConfig);

/// The models of the folds after it, their reports, and the epochs that each of them kept.
pub(crate) struct Taught {
    pub(crate) models: Vec<(Bundle, Vec<usize>)>,
    pub(crate) reports: Vec<Vec<StageReport>>,
    pub(crate) kept: Vec<Vec<usize>>,
}

impl Lesson {
    pub(crate) fn new(config: &TrainConfig) -> Self {
        Self(over_settled(config.clone()))
    }

    fn run<'a>(&'a self, run: &Run<'a>, start: &'a Bundle) -> Run<'a> {
        Run { start: Some(start), stages: &[Stage::Metric], config: &self.0, ..*run }
    }

    /// Of each model on the rows that it was fitted on.
    pub(crate) fn folds(
        &self,
        run: &Run<'_>,
        models: Vec<(Bundle, Vec<usize>)>,
        folds: &[Fold],
    ) -> Result<Taught> {
        let numbered: Vec<_> =
            models.iter().zip(folds).enumerate().map(|(at, (model, fold))| (at, model, fold)).collect();
        let ends: Vec<End> = workers::map(&numbered, |&(at, (bundle, _), fold)| {
            self.run(run, bundle).fold(at, fold, numbered.len())
        })
        .into_iter()
        .collect::<Result<_>>()?;
        let mut out = Taught { models: Vec::new(), reports: Vec::new(), kept: Vec::new() };
        for (end, (_, held)) in ends.into_iter().zip(models) {
            out.models.push((end.bundle, held));
            out.reports.push(end.reports);
            out.kept.push(end.kept);
        }
        Ok(out)
    }

    /// Of `bundle` on all train rows.
    pub(crate) fn whole(&self, run: &Run<'_>, bundle: &Bundle, kept: &[Vec<usize>]) -> Result<Bundle> {
        self.run(run, bundle).whole(kept)
    }
}
