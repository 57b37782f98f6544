//! What makes bundles and measures them, and the features that they learn from.

#[cfg(feature = "train")]
pub mod calibrate;
pub mod encoders;
pub mod eval;
pub mod features;
#[cfg(feature = "train")]
pub mod fuse;
pub mod rows;
#[cfg(feature = "train")]
pub mod train;
#[cfg(any(test, not(feature = "train")))]
pub mod without_training;
