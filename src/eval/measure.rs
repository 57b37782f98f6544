//! Measures of one ranking, with ties at their expected place.
//!
//! Items of equal score have no order, so a measure is its mean over all orders of each group of ties: exact, and the
//! same whatever the storage order.

/// A number that falls as `score` rises, by its `total_cmp`.
fn descending(score: f32) -> u32 {
    let bits = score.to_bits();
    // Negative numbers have their bits in the order of their size.
    if bits >> 31 == 1 { bits } else { !bits & (u32::MAX >> 1) }
}

/// Items of one query, best first, cut into groups of equal score.
pub(crate) struct Ranking {
    /// Items in descending order of score.
    order: Vec<usize>,
    /// End of each group in `order`.
    ends: Vec<usize>,
}

impl Ranking {
    /// Ranks the items that `takes_part` by score, in the order of `total_cmp`: a positive NaN comes first, a negative one last.
    pub(crate) fn new(scores: &[f32], takes_part: impl Fn(usize) -> bool) -> Self {
        debug_assert!(scores.len() <= u32::MAX as usize, "keys hold 32 bits of the item");
        // Keys with their items behind them: sorting these is several times as fast as looking scores up.
        let mut keys: Vec<u64> = (0..scores.len())
            .filter(|&i| takes_part(i))
            .map(|i| u64::from(descending(scores[i])) << 32 | i as u64)
            .collect();
        keys.sort_unstable();
        let ends =
            (1..=keys.len()).filter(|&i| i == keys.len() || keys[i] >> 32 != keys[i - 1] >> 32).collect();
        let order = keys.into_iter().map(|key| key as u32 as usize).collect();
        Self { order, ends }
    }

    /// Items that share their score with a better-placed one.
    pub(crate) fn ties(&self) -> u64 {
        (self.order.len() - self.ends.len()) as u64
    }

    fn groups(&self, relevant: impl Fn(usize) -> bool) -> impl Iterator<Item = Group> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let hits = self.order[start..end].iter().filter(|&&i| relevant(i)).count();
            let group = Group { start, size: end - start, hits };
            start = end;
            group
        })
    }

    /// Expected average precision over all results; `None` where nothing is relevant.
    ///
    /// In a group of `g` items, `r` of them relevant, that starts after `s` items with `R` relevant, place `i` (from 1)
    /// is relevant with probability `r/g`, and then the expected precision is
    /// `(R + 1 + (i-1)(r-1)/(g-1)) / (s+i)`.
    pub(crate) fn average_precision(&self, relevant: impl Fn(usize) -> bool) -> Option<f64> {
        let (mut before, mut sum) = (0usize, 0.0f64);
        for Group { start, size, hits } in self.groups(relevant) {
            if hits > 0 {
                let slope = if size > 1 { (hits - 1) as f64 / (size - 1) as f64 } else { 0.0 };
                for i in 0..size {
                    let found = (before + 1) as f64 + i as f64 * slope;
                    sum += hits as f64 / size as f64 * found / (start + i + 1) as f64;
                }
            }
            before += hits;
        }
        (before > 0).then(|| sum / before as f64)
    }

    /// Probability that a relevant item is among the first `k`; `None` where nothing is relevant.
    pub(crate) fn recall_at(&self, k: usize, relevant: impl Fn(usize) -> bool) -> Option<f64> {
        let Group { start, size, hits } = self.groups(relevant).find(|group| group.hits > 0)?;
        let places = k.saturating_sub(start).min(size);
        // None of `places` draws without replacement hits: product of (misses - i) / (size - i).
        let misses = size - hits;
        let miss: f64 = (0..places).map(|i| misses.saturating_sub(i) as f64 / (size - i) as f64).product();
        Some(1.0 - miss)
    }
}

struct Group {
    start: usize,
    size: usize,
    hits: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ap(scores: &[f32], relevant: &[usize]) -> f64 {
        Ranking::new(scores, |_| true).average_precision(|i| relevant.contains(&i)).unwrap()
    }

    #[test]
    fn average_precision_of_a_strict_ranking() {
        // Relevant at ranks 1 and 3.
        assert!((ap(&[0.9, 0.5, 0.7, 0.1], &[0, 1]) - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        assert!(Ranking::new(&[1.0], |_| true).average_precision(|_| false).is_none());
        let ranking = Ranking::new(&[3.0, 2.0, 1.0], |i| i != 0);
        assert_eq!(ranking.average_precision(|i| i == 1), Some(1.0));
    }

    #[test]
    fn keys_fall_as_scores_rise() {
        let scores =
            [-f32::NAN, f32::NEG_INFINITY, -2.0, -1.0, -0.0, 0.0, 1e-40, 0.5, 7.0, f32::INFINITY, f32::NAN];
        for pair in scores.windows(2) {
            assert!(
                pair[0].total_cmp(&pair[1]).is_lt() && descending(pair[0]) > descending(pair[1]),
                "{pair:?}"
            );
        }
        let ranking = Ranking::new(&[0.5, f32::NAN, -1.0, 0.5], |_| true);
        assert_eq!((ranking.order, ranking.ends), (vec![1, 0, 3, 2], vec![1, 3, 4]));
    }

    #[test]
    fn ties_give_the_mean_over_all_orders() {
        // Enumerates the orders of the tied group by nudging the scores.
        let base = [2.0f32, 1.0, 1.0, 1.0, 0.0];
        let relevant = [1usize, 2, 4];
        let orders =
            [[3, 2, 1], [3, 1, 2], [2, 3, 1], [1, 3, 2], [2, 1, 3], [1, 2, 3]].map(|order: [i32; 3]| {
                let mut scores = base;
                for (at, nudge) in order.iter().enumerate() {
                    scores[at + 1] += *nudge as f32 * 0.01;
                }
                scores
            });
        let mean = orders.iter().map(|scores| ap(scores, &relevant)).sum::<f64>() / 6.0;
        assert!((ap(&base, &relevant) - mean).abs() < 1e-12);
        for k in 1..=5 {
            let at = |scores: &[f32]| {
                Ranking::new(scores, |_| true).recall_at(k, |i| relevant.contains(&i)).unwrap()
            };
            let mean = orders.iter().map(|scores| at(scores)).sum::<f64>() / 6.0;
            assert!((at(&base) - mean).abs() < 1e-12, "{k}");
        }
        assert_eq!(Ranking::new(&base, |_| true).ties(), 2);
    }
}
