//! One of several candidates for a setting, by scores on the validation rows of each fold.

/// What is less than this in MAP or recall is mostly noise of some hundred rows.
pub(crate) const LEAST: f64 = 0.003;

/// Scores of the candidates on each fold; `None` where nothing measures them.
pub(crate) type Each = Vec<Vec<Option<f64>>>;

/// The candidate of the best mean score over the folds that measure it; `None` where none does.
pub(crate) fn best_of(candidates: &[f32], each: &[Vec<Option<f64>>]) -> Option<f32> {
    best_with_score(candidates, each).map(|best| best.1)
}

/// The same, and `plain` where the best is better than that by less than [`LEAST`].
pub(crate) fn preferred(plain: f32, candidates: &[f32], each: &[Vec<Option<f64>>]) -> Option<f32> {
    let (best, candidate) = best_with_score(candidates, each)?;
    let score = candidates.iter().position(|share| *share == plain).and_then(|at| mean_at(at, each));
    Some(score.filter(|score| best - score < LEAST).map_or(candidate, |_| plain))
}

/// The best mean score, and its candidate, the first of equal ones.
pub(crate) fn best_with_score(candidates: &[f32], each: &[Vec<Option<f64>>]) -> Option<(f64, f32)> {
    let mut best: Option<(f64, f32)> = None;
    for (at, candidate) in candidates.iter().enumerate() {
        let Some(mean) = mean_at(at, each) else { continue };
        if best.is_none_or(|best| mean > best.0 + 1e-9) {
            best = Some((mean, *candidate));
        }
    }
    best
}

/// The mean score of a candidate over the folds that measure it.
fn mean_at(at: usize, each: &[Vec<Option<f64>>]) -> Option<f64> {
    let found: Vec<f64> = each.iter().filter_map(|scores| scores[at]).collect();
    (!found.is_empty()).then(|| found.iter().sum::<f64>() / found.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHARES: [f32; 3] = [1.0, 0.7, 0.5];

    #[test]
    fn what_is_better_by_noise_does_not_replace_the_plain_one() {
        let of =
            |second: f64, third: f64| preferred(1.0, &SHARES, &[vec![Some(0.5), Some(second), Some(third)]]);
        assert_eq!(of(0.502, 0.4), Some(1.0));
        assert_eq!(of(0.4, 0.504), Some(0.5));
        assert_eq!(of(0.505, 0.504), Some(0.7));
        let folds = [vec![Some(0.5), Some(0.52)], vec![Some(0.5), Some(0.484)]];
        assert_eq!(preferred(1.0, &SHARES[..2], &folds), Some(1.0), "the mean over folds decides");
        assert_eq!(preferred(1.0, &SHARES[..2], &[vec![None, Some(0.5)]]), Some(0.7));
        assert_eq!(preferred(1.0, &SHARES[..2], &[vec![None, None]]), None);
        assert_eq!(preferred(1.0, &[0.0], &[vec![Some(0.5)]]), Some(0.0), "the plain one is no candidate");
        // The plain one need not be the first.
        let scores = [vec![Some(0.502), Some(0.5), Some(0.501)]];
        assert_eq!(preferred(0.7, &SHARES, &scores), Some(0.7));
        assert_eq!(best_of(&SHARES, &scores), Some(1.0));
    }

    #[test]
    fn of_equal_scores_the_first_wins() {
        assert_eq!(best_with_score(&SHARES, &[vec![Some(0.5), Some(0.5), None]]), Some((0.5, 1.0)));
    }
}
