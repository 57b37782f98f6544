//! What the fits of a run are given, and what is chosen for them.

use crate::data::TrainingData;
use crate::train::config::TrainConfig;

/// What was chosen.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    pub(super) spread: f32,
    pub(super) ridge: f64,
    pub(super) power: f64,
    pub(super) decay: f64,
    pub(super) sharpness: f64,
    /// How long the unit part learns on.
    pub(super) learned: Epochs,
}

/// Epochs that are run of a schedule of so many; 0 for the closed form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Epochs {
    pub(super) run: usize,
    pub(super) of: usize,
}

/// What the fits of a run share.
#[derive(Clone, Copy)]
pub(crate) struct Given<'a> {
    pub(crate) data: &'a TrainingData,
    pub(crate) config: &'a TrainConfig,
    pub(crate) classes: usize,
    /// Elements of the unit part.
    pub(crate) unit: usize,
}
