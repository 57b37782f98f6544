//! Training of the model, with candle: the networks, their losses, the three stages, selection on validation rows, and
//! calibration.
//!
//! The stages: contrastive loss on the shared space, double triplet loss, and the metric network jointly with the pathways.
//! In the order of a run: `trainer`, `split`, `run`, `stage` with `loss`, `network` and `optimiser`, `export`, `shrink`,
//! `calibrate`.

mod alone;
mod batch;
mod calibrate;
mod check;
mod config;
mod dropout;
mod export;
mod fusion;
mod graded;
mod hidden;
mod hub;
mod kernel;
mod linear;
mod loss;
mod members;
mod network;
mod newton;
mod op;
mod optimiser;
mod plan;
mod priors;
mod report;
mod run;
mod sample;
mod scaling;
mod schedule;
mod select;
mod shrink;
mod split;
mod stage;
mod start;
mod teach;
mod trainer;

pub use calibrate::calibrate;
pub use config::{
    ContrastiveConfig, DoubleTripletConfig, HeadForm, KernelConfig, LossConfig, MetricConfig, ModelConfig,
    Refit, RegularisationConfig, SelectionConfig, StepConfig, TrainConfig,
};
pub use fusion::{FusionQuery, FusionRow};
pub use report::{DeepMembers, Progress, StageReport};
pub use trainer::{Trained, Trainer};
