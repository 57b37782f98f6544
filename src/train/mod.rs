//! Training of the model, with candle: the networks, their losses, the three stages, selection on validation rows, and
//! calibration.
//!
//! The stages: contrastive loss on the shared space, double triplet loss, and the metric network jointly with the pathways.
//! In the order of a run: `trainer`, `split`, `members` with `kernel`, `run` (`stage` with `loss`, `network` and `optimiser`, `export`),
//! `finish`, `calibrate`.

mod batch;
mod calibrate;
mod candidates;
mod check;
mod config;
mod draw;
mod dropout;
mod export;
mod finish;
mod fusion;
mod graded;
mod kernel;
mod linear;
mod loss;
mod members;
mod network;
mod newton;
mod op;
mod optimiser;
mod priors;
mod report;
mod run;
mod scaling;
mod schedule;
mod select;
mod split;
mod stage;
mod start;
mod trainer;

pub use calibrate::calibrate;
pub use config::{
    ContrastiveConfig, DoubleTripletConfig, HeadForm, KernelConfig, LossConfig, MetricConfig, ModelConfig,
    Refit, RegularisationConfig, SelectionConfig, StepConfig, TrainConfig,
};
pub use fusion::{FusionQuery, FusionRow};
pub use report::{DeepMembers, Progress, StageReport};
pub use trainer::{Trained, Trainer};
