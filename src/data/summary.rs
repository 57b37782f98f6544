//! What data are learned from or measured on, in numbers, before anything is learned.

use std::collections::BTreeMap;

use serde::Serialize;

use super::rows::TrainingData;
use crate::corpus::Split;

/// Rows, items and classes of some data.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct DataSummary {
    /// Rows by the name of their split: `train`, `val`, `test`.
    pub rows: BTreeMap<&'static str, u64>,
    /// Items by media type, in rows of all splits; the last item of a document with fewer of them stands in several rows.
    pub items: BTreeMap<String, u64>,
    /// Classes of the rows that may be learned from; `None` without labels.
    pub classes: Option<u64>,
    /// Rows without a class; `None` without labels.
    pub without_class: Option<u64>,
}

impl TrainingData {
    /// Counts what there is. Cost: one pass over the rows, not over their features.
    pub fn summary(&self) -> DataSummary {
        let mut rows: BTreeMap<&'static str, u64> =
            [Split::Train, Split::Val, Split::Test].map(|split| (split.as_str(), 0)).into();
        for split in &self.split {
            *rows.entry(split.as_str()).or_default() += 1;
        }
        let present = |present: &[bool]| present.iter().filter(|&&present| present).count() as u64;
        let items = self.media.iter().map(|media| (media.name.clone(), present(&media.present))).collect();
        let learned = |labels: &super::rows::Labels| {
            let classes = labels.class.iter().zip(&self.split).filter(|(_, split)| **split != Split::Test);
            let mut classes: Vec<u32> = classes.filter_map(|(class, _)| *class).collect();
            classes.sort_unstable();
            classes.dedup();
            classes.len() as u64
        };
        let without =
            |labels: &super::rows::Labels| labels.class.iter().filter(|class| class.is_none()).count() as u64;
        DataSummary {
            rows,
            items,
            classes: self.labels.as_ref().map(learned),
            without_class: self.labels.as_ref().map(without),
        }
    }
}

impl DataSummary {
    /// One line for people.
    pub fn text(&self) -> String {
        let list = |counts: Vec<String>| counts.join(", ");
        let rows = list(self.rows.iter().map(|(split, n)| format!("{n} {split}")).collect());
        let items = list(self.items.iter().map(|(media, n)| format!("{n} {media}")).collect());
        let classes = match (self.classes, self.without_class) {
            (Some(classes), Some(0)) => format!("; {classes} classes"),
            (Some(classes), Some(without)) => format!("; {classes} classes, {without} rows without one"),
            _ => "; no classes".to_owned(),
        };
        format!("rows: {rows}; items: {items}{classes}")
    }
}
