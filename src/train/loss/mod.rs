//! The losses: one file each, with its formula.

pub(crate) mod contrastive;
pub(crate) mod cross_entropy;
pub(crate) mod double_triplet;
pub(crate) mod logistic;
