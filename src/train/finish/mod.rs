//! What a bundle gets once its members are trained: how much of the metric network holds on unseen rows, what graded pairs teach, what
//! of the unit parts the class reads, the hub term, sample queries.

pub(super) mod blend;
pub(super) mod hidden;
pub(super) mod hub;
pub(super) mod sample;
pub(super) mod shrink;
pub(super) mod teach;
