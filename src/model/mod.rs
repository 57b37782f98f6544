//! The UNCSM model at work: pathways into one shared space, the metric network on it, its calibration, the learned fusion.
//!
//! Plain `f32` code in one fixed order of reduction, so that a score is a pure function of its two rows. Training is
//! [`crate::train`].

mod bundle;
mod calibration;
mod floats;
mod fusion;
mod hub;
mod metric;
mod pathway;

pub use bundle::{Bundle, ClassNames, MediaConfig, OnExisting, Stored};
pub(crate) use bundle::{Known, Unrounded, maker, not_finite};
pub(crate) use calibration::KNOTS;
#[cfg(all(test, feature = "train"))]
pub(crate) use calibration::sigmoid;
pub use calibration::{Calibration, Curve, Rate};
pub(crate) use floats::{Floats, Narrow};
pub use fusion::{FusionCounts, FusionFeatures, FusionLayer};
#[cfg(feature = "train")]
pub(crate) use hub::Hubs;
pub(crate) use metric::{Head, ItemRows, symmetrise};
pub use metric::{MetricNetwork, QueryHalf, QueryHub, Target, dot};
pub(crate) use pathway::{Deep, Kernel, Pathway, normalise, root, standardise};
pub use pathway::{Members, Shares};
