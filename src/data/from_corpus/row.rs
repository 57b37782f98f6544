//! A row of training data before classes have numbers.

use std::collections::BTreeMap;

use crate::corpus::Split;

/// What is left of one document: a row for each of its items, counted by the media type that has most.
pub(super) struct Row {
    /// Number of its document among all that were read.
    pub(super) document: usize,
    pub(super) split: Split,
    pub(super) class: Option<Class>,
    pub(super) group: u64,
    pub(super) title: Option<String>,
    /// Whether the user's key gave the group.
    pub(super) grouped: bool,
    pub(super) features: BTreeMap<String, Vec<f32>>,
}

/// The class of a row.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// One of the trained bundle's.
    Known(u32),
    Named(String),
}

impl Class {
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::Known(_) => "",
        }
    }
}

impl Row {
    /// The title, of a row that may be learned from.
    pub(super) fn title(&self) -> Option<&str> {
        self.title.as_deref().filter(|_| self.split != Split::Test)
    }
}
