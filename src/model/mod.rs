//! The UNCSM model: pathways into one shared space, the metric network on it, and their training.
//!
//! Inference ([`Bundle`], [`MetricNetwork`], [`Calibration`]) is plain `f32` code in one fixed order of reduction, so a
//! score is a pure function of its two rows. Training uses candle, and ends in a [`Bundle`].

mod bundle;
mod bundle_io;
mod calibration;
mod metric;
mod pathway;
mod tensors;

pub use bundle::{Bundle, ClassNames, MediaConfig, Stored};
pub use bundle_io::OnExisting;
pub use calibration::Calibration;
pub use metric::{MetricNetwork, QueryHalf, Target, dot};
