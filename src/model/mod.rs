//! The UNCSM model: pathways into one shared space, the metric network on it, and their training.
//!
//! Inference ([`Bundle`], [`MetricNetwork`], [`Calibration`]) is plain `f32` code in one fixed order of reduction, so a
//! score is a pure function of its two rows. Training ([`train`]) uses candle, and ends in a [`Bundle`]. Its three stages:
//! contrastive loss on the shared space, double triplet loss, and the metric network jointly with the pathways.

mod adam;
mod batch;
mod bundle;
mod bundle_encoders;
mod bundle_io;
mod calibrate;
mod calibration;
mod calibration_curve;
mod classes;
mod config;
mod contrastive;
mod cross_entropy;
mod data;
mod double_triplet;
mod from_corpus;
mod from_features;
mod fusion_fit;
mod fusion_layer;
mod fusion_rows;
mod fusion_scale;
mod graded;
mod hidden_layer;
mod hidden_op;
mod items;
mod logistic;
mod measure;
mod measures;
mod metric;
mod network;
mod newton;
mod pathway;
mod priors;
mod scaling;
mod seen;
mod shrink;
mod split;
mod stage;
mod summary;
mod tensors;
mod titles;
mod train;
mod train_from;
mod write_features;

pub use bundle::{Bundle, ClassNames, MediaConfig, Stored};
pub use bundle_io::OnExisting;
pub use calibrate::calibrate;
pub use calibration::Calibration;
pub use calibration_curve::Curve;
pub use config::{HeadForm, Refit, TrainConfig};
pub use data::{Labels, MediaFeatures, Split, TrainingData};
pub use from_corpus::{CorpusOptions, NewClasses, from_corpus};
pub use from_features::{FeatureOptions, from_features};
pub use fusion_fit::{FusionQuery, FusionRow};
pub use fusion_layer::{FusionCounts, FusionFeatures, FusionLayer};
pub use graded::{DocumentRef, Documents, GradedCount, GradedItems, GradedPair};
pub use measures::{Directions, Measures, PerSimilarity, RECALL_AT, Recall};
pub use metric::{MetricNetwork, QueryHalf, Target, dot};
pub use summary::DataSummary;
pub use train::{Progress, StageReport, Trained, train};
pub use train_from::train_from;
pub use write_features::{WrittenFeatures, write_features};

pub(crate) use calibrate::matches;
pub(crate) use items::{Items, Similarity};
pub(crate) use measures::{direction_name, directions, measure};
