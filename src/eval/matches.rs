//! Which pairs of items match, as a target means it.

use crate::data::{Items, TrainingData};
use crate::model::Target;

/// The scores of matching and of other pairs, as `target` means it; pairs that it says nothing about are left out.
///
/// The second of `items` holds the first, before all others, so that their numbers of equal content agree.
///
/// Of one media type with itself no pair of items is known to belong together, so the target `pair` has no positives.
pub(crate) fn matches(
    items: (&Items<'_>, &Items<'_>),
    data: &TrainingData,
    target: Target,
    a: usize,
    b: usize,
    scores: &[f32],
) -> (Vec<f32>, Vec<f32>) {
    let (queries, found) = (&items.0.media[a], &items.1.media[b]);
    let paired = items.0.paired_content(a, b);
    let (mut positives, mut negatives) = (Vec::new(), Vec::new());
    for (i, &row) in queries.rows.iter().enumerate() {
        for (j, &other) in found.rows.iter().enumerate() {
            let is_match = match target {
                Target::Class => match (data.class(row), data.class(other)) {
                    (Some(x), Some(y)) if !(a == b && row == other) => x == y,
                    _ => continue,
                },
                Target::Pair if a == b => continue,
                Target::Pair => match paired[i] {
                    Some(content) => content == found.content[j],
                    None => continue,
                },
            };
            let side = if is_match { &mut positives } else { &mut negatives };
            side.push(scores[i * found.rows.len() + j]);
        }
    }
    (positives, negatives)
}
