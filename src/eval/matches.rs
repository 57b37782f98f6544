//! Which pairs of items match, as a target means it.

use crate::data::{Items, MediaItems, TrainingData};
use crate::model::Target;

/// What a target says about queries of one media type and items of another.
///
/// Of one media type with itself no pair of items is known to belong together, so the target `pair` has no positives.
pub(crate) struct Matches<'a> {
    data: &'a TrainingData,
    target: Target,
    within: bool,
    queries: &'a MediaItems,
    found: &'a MediaItems,
    /// Of each query.
    paired: Vec<Option<u32>>,
}

impl<'a> Matches<'a> {
    /// Of queries of `a` over items of `b`.
    ///
    /// The second of `items` holds the first, before all others, so that their numbers of equal content agree.
    pub(crate) fn new(
        items: (&'a Items<'_>, &'a Items<'_>),
        data: &'a TrainingData,
        target: Target,
        (a, b): (usize, usize),
    ) -> Self {
        let (queries, found) = (&items.0.media[a], &items.1.media[b]);
        Self { data, target, within: a == b, queries, found, paired: items.0.paired_content(a, b) }
    }

    /// Whether the query and the item of these numbers match; `None` where the target says nothing about them.
    pub(crate) fn of(&self, query: usize, item: usize) -> Option<bool> {
        let (row, other) = (self.queries.rows[query], self.found.rows[item]);
        match self.target {
            Target::Class if self.within && row == other => None,
            Target::Class => Some(self.data.class(row)? == self.data.class(other)?),
            Target::Pair if self.within => None,
            Target::Pair => Some(self.paired[query]? == self.found.content[item]),
        }
    }

    /// Calls `hear` with the score of each pair of a query, whose scores `[n]` these are, and whether they match.
    pub(crate) fn each(&self, query: usize, scores: &[f32], mut hear: impl FnMut(f32, bool)) {
        for (item, score) in scores.iter().enumerate() {
            if let Some(is_match) = self.of(query, item) {
                hear(*score, is_match);
            }
        }
    }
}

/// The scores of matching and of other pairs, as `target` means it; pairs that it says nothing about are left out.
///
/// As [`Matches::new`], with the scores `[q, n]` of all queries.
pub(crate) fn matches(
    items: (&Items<'_>, &Items<'_>),
    data: &TrainingData,
    target: Target,
    a: usize,
    b: usize,
    scores: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let matches = Matches::new(items, data, target, (a, b));
    let (mut positives, mut negatives) = (Vec::new(), Vec::new());
    for (query, scores) in scores.chunks_exact(items.1.media[b].rows.len().max(1)).enumerate() {
        matches.each(query, scores, |score, is_match| {
            let side = if is_match { &mut positives } else { &mut negatives };
            side.push(score);
        });
    }
    (positives, negatives)
}
