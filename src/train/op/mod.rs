//! Operations fused into one pass each way: one file each, with its formula.

mod hidden_layer;
mod hidden_term;
mod slice;

pub(super) use hidden_layer::{hidden_layer, through_hidden_layer};
pub(super) use hidden_term::hidden_term;
pub(super) use slice::{column_sums, slice, slice_mut};
