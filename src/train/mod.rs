//! Training of the model, with candle: the networks, their losses, the three stages, selection on validation rows, and
//! calibration.
//!
//! The stages: contrastive loss on the shared space, double triplet loss, and the metric network jointly with the pathways.

mod batch;
mod calibrate;
mod config;
mod from;
mod fusion;
mod graded;
mod loss;
mod network;
mod newton;
mod op;
mod optimiser;
mod priors;
mod run;
mod scaling;
mod select;
mod shrink;
mod split;
mod stage;

pub use calibrate::calibrate;
pub use config::{HeadForm, Refit, TrainConfig};
pub use from::train_from;
pub use fusion::{FusionQuery, FusionRow};
pub use run::{Progress, StageReport, Trained, train};
