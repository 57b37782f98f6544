//! Which members a model gets, and how kernel members and deep members become one bundle.

pub(super) mod alone;
pub(super) mod plan;
pub(super) mod shares;
