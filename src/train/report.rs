//! What training says while it runs and at its end.

use serde::Serialize;

use crate::eval::Measures;

/// Where training stands, after each epoch of each run; runs on different folds go on side by side. The first may begin
/// with a part of its epochs, by which deep members are judged, and then count from 1 again.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// From 0: the runs on folds, and then the one over all train rows, where there is one.
    pub run: usize,
    /// Runs on folds.
    pub runs: usize,
    /// `contrastive`, `double_triplet` or `metric`.
    pub stage: &'static str,
    /// Finished epochs of the stage.
    pub epoch: usize,
    /// Most epochs of the stage.
    pub epochs: usize,
    /// Mean loss of the epoch.
    pub loss: f64,
    /// What early stopping looks at, more is better; `None` without validation rows.
    pub score: Option<f64>,
}

/// What a stage has come to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StageReport {
    /// `contrastive`, `double_triplet` or `metric`.
    pub name: &'static str,
    /// Epochs that ran.
    pub epochs: usize,
    /// Wall time.
    pub seconds: f64,
    /// On the validation rows, with the parameters that the stage leaves.
    pub validation: Measures,
}

/// What came of the deep members that were trained beside kernel members.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct DeepMembers {
    /// Validation splits that they were trained for: the first alone, and for a part of their epochs, where they add too little on it by then
    /// and no graded pairs were learned.
    pub tried: usize,
    /// Validation splits.
    pub splits: usize,
    /// Whether they have a share in the model.
    pub kept: bool,
}

/// Per stage the mean over the models that went through it: epochs, seconds and measures.
pub(crate) fn mean_reports(all: &[Vec<StageReport>]) -> Vec<StageReport> {
    let names: Vec<&str> = all.first().into_iter().flatten().map(|report| report.name).collect();
    let mean = |name: &str| {
        let reports: Vec<&StageReport> =
            all.iter().filter_map(|reports| reports.iter().find(|report| report.name == name)).collect();
        let measures: Vec<Measures> = reports.iter().map(|report| report.validation.clone()).collect();
        let n = reports.len();
        Some(StageReport {
            name: reports.first()?.name,
            epochs: (reports.iter().map(|report| report.epochs).sum::<usize>() + n / 2) / n,
            seconds: reports.iter().map(|report| report.seconds).sum::<f64>() / n as f64,
            validation: Measures::mean(&measures)?,
        })
    };
    names.into_iter().filter_map(mean).collect()
}
