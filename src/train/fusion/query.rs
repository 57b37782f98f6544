//! Judged queries.

use crate::model::FusionFeatures;

/// One document of a judged query.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FusionRow {
    /// What the legs say about it.
    pub features: FusionFeatures,
    /// How relevant it is, 0 to 1.
    pub label: f32,
    /// How much it counts among the rows of its query: 0 or more, 1 for all that are alike.
    pub weight: f32,
}

/// The judged documents that one query found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct FusionQuery {
    /// The documents, in any order.
    pub rows: Vec<FusionRow>,
}
