//! Placeholder
pub enum Dtype {F16,F32}
