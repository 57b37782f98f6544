//! The losses: one file each, with its formula, and `batch`, which adds them up.

mod batch;
mod contrastive;
mod cross_entropy;
mod double_triplet;
mod graded;
mod logistic;
mod ranking;

pub(super) use batch::Losses;
pub(super) use ranking::ranking;
