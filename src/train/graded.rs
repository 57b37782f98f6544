//! Graded pairs within the rows that are learned from.

use super::config::TrainConfig;
use crate::corpus::Split;
use crate::data::{GradedItems, GradedPair, TrainingData};

/// A pair of which the first media type is not after the second.
pub(super) struct Pair {
    pub(super) media: (usize, usize),
    /// Positions among the rows that are learned from.
    pub(super) a: Vec<usize>,
    pub(super) b: Vec<usize>,
    pub(super) similar: f32,
}

/// The graded pairs within the rows that are learned from.
#[derive(Default)]
pub(crate) struct Graded(pub(super) Vec<Pair>);

impl Graded {
    /// The pairs with both sides in `rows`, ascending.
    pub(crate) fn new(data: &TrainingData, rows: &[usize]) -> Self {
        let positions = |items: &GradedItems| -> Vec<usize> {
            items.rows.iter().filter_map(|row| rows.binary_search(row).ok()).collect()
        };
        let pair = |pair: &GradedPair| {
            let (a, b) = if pair.a.media <= pair.b.media { (&pair.a, &pair.b) } else { (&pair.b, &pair.a) };
            Pair { media: (a.media, b.media), a: positions(a), b: positions(b), similar: pair.similar }
        };
        let whole = |pair: &Pair| !pair.a.is_empty() && !pair.b.is_empty();
        Self(data.graded.iter().map(pair).filter(whole).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Whether graded pairs are learned from, which the metric stage does.
pub(crate) fn taught(data: &TrainingData, config: &TrainConfig) -> bool {
    let learned = config.metric.graded_weight > 0.0 && config.metric.epochs > 0;
    learned && !Graded::new(data, &data.rows_of(Split::Train)).is_empty()
}
