//! Calibration error and Brier skill of probabilities, sorted or counted.

use serde::Serialize;

/// Errors at one rate of matches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct AtRate {
    /// Expected calibration error, in [0, 1].
    pub ece: f64,
    /// Brier skill score; at most 1, 0 for a constant.
    pub brier_skill: f64,
}

const BINS: usize = 15;

impl AtRate {
    fn of(ece: f64, brier: f64, rate: f64) -> Self {
        Self { ece, brier_skill: 1.0 - brier / (rate * (1.0 - rate)).max(1e-12) }
    }
}

/// Bins of equal mass, filled in the order of probability.
#[derive(Default)]
struct Bins {
    ece: f64,
    mass: f64,
    /// Of this bin, probabilities less matches.
    gap: f64,
    /// Bins that are full.
    full: usize,
}

impl Bins {
    fn add(&mut self, mass: f64, gap: f64) {
        self.mass += mass;
        self.gap += gap;
    }

    /// Goes on to the next bin where this one is full; all that was added since the last call stays in one bin.
    fn cut(&mut self, is_last: bool) {
        let end = |full: usize| (full + 1) as f64 / BINS as f64;
        if self.mass >= end(self.full) - 1e-12 || is_last {
            self.ece += self.gap.abs();
            self.gap = 0.0;
            while end(self.full) <= self.mass + 1e-12 {
                self.full += 1;
            }
        }
    }
}

/// Errors at the rate of matches `rate` of the probabilities of matching and of other pairs, both ascending.
pub(super) fn of_sorted(matching: &[f32], others: &[f32], rate: f64) -> AtRate {
    let weight = [(1.0 - rate) / others.len() as f64, rate / matching.len() as f64];
    let sides = [(others, 0.0), (matching, 1.0)];
    let (mut at, mut bins, mut brier) = ([0, 0], Bins::default(), 0.0);
    let next = |at: [usize; 2]| {
        let [a, b] = [others.get(at[0]), matching.get(at[1])];
        a.into_iter().chain(b).copied().min_by(f32::total_cmp)
    };
    while let Some(p) = next(at) {
        // Equal probabilities stay in one bin, so that their order does not count.
        for (side, (all, is_match)) in sides.iter().enumerate() {
            while all.get(at[side]).is_some_and(|q| q.total_cmp(&p).is_eq()) {
                let miss = f64::from(p) - is_match;
                brier += weight[side] * miss.powi(2);
                bins.add(weight[side], weight[side] * miss);
                at[side] += 1;
            }
        }
        bins.cut(next(at).is_none());
    }
    AtRate::of(bins.ece, brier, rate)
}

/// Low bits of a probability that the first count drops.
const LOW: u32 = 12;
/// Buckets of the first count, from 0 to 1, both included.
const BUCKETS: usize = (1.0f32.to_bits() >> LOW) as usize + 1;

/// What others and matches give to a bucket, in this order.
#[derive(Clone, Copy, Default)]
struct Bucket {
    pairs: [u64; 2],
    /// Probabilities less matches.
    gaps: [f64; 2],
}

impl Bucket {
    fn add(&mut self, side: usize, miss: f64) {
        self.pairs[side] += 1;
        self.gaps[side] += miss;
    }

    fn is_empty(&self) -> bool {
        self.pairs == [0, 0]
    }

    /// Its mass and gap, where an other and a match weigh this.
    fn weighed(&self, weight: [f64; 2]) -> (f64, f64) {
        (sum(self.pairs.map(|pairs| pairs as f64), weight), sum(self.gaps, weight))
    }
}

fn sum(parts: [f64; 2], weight: [f64; 2]) -> f64 {
    parts[0] * weight[0] + parts[1] * weight[1]
}

/// Probabilities of any number of pairs at the rate of matches `rate`, counted twice: first in buckets of about equal ones, then each
/// value alone in those buckets where a bin ends. So the errors are those of [`of_sorted`], but for the rounding of sums.
///
/// Memory is 10 MiB.
pub(super) struct Counted {
    rate: f64,
    first: Vec<Bucket>,
    /// Of others and matches, the sum of squared misses.
    squares: [f64; 2],
    /// Of the buckets that are counted twice, and in them by low bits; at most one for each end of a bin.
    twice: Vec<(usize, Vec<Bucket>)>,
    /// Whether a bucket is.
    is_twice: Vec<bool>,
}

impl Counted {
    pub(super) fn new(rate: f64) -> Self {
        let (first, is_twice) = (vec![Bucket::default(); BUCKETS], vec![false; BUCKETS]);
        Self { rate, first, squares: [0.0; 2], twice: Vec::new(), is_twice }
    }

    /// Counts a pair for the first time.
    pub(super) fn add(&mut self, p: f32, is_match: bool) {
        let (bucket, _) = place(p);
        let (side, miss) = missed(p, is_match);
        self.first[bucket].add(side, miss);
        self.squares[side] += miss * miss;
    }

    /// Goes on to the second count.
    pub(super) fn turn(&mut self) {
        let (weight, mut bins) = (self.weight(), Bins::default());
        for (at, bucket) in self.first.iter().enumerate().filter(|(_, bucket)| !bucket.is_empty()) {
            let (mass, gap) = bucket.weighed(weight);
            let full = bins.full;
            bins.add(mass, gap);
            bins.cut(false);
            if bins.full > full {
                self.twice.push((at, vec![Bucket::default(); 1 << LOW]));
                self.is_twice[at] = true;
            }
        }
    }

    /// Counts a pair for the second time.
    pub(super) fn again(&mut self, p: f32, is_match: bool) {
        let (bucket, low) = place(p);
        if self.is_twice[bucket]
            && let Some((_, fine)) = self.twice.iter_mut().find(|(at, _)| *at == bucket)
        {
            let (side, miss) = missed(p, is_match);
            fine[low].add(side, miss);
        }
    }

    /// The errors, once all pairs were counted twice.
    pub(super) fn errors(&self) -> AtRate {
        let (weight, mut bins) = (self.weight(), Bins::default());
        let mut twice = self.twice.iter();
        for (bucket, is_twice) in self.first.iter().zip(&self.is_twice) {
            let alone = std::slice::from_ref(bucket);
            let parts = if *is_twice { twice.next().map_or(alone, |(_, fine)| fine) } else { alone };
            for part in parts.iter().filter(|part| !part.is_empty()) {
                let (mass, gap) = part.weighed(weight);
                bins.add(mass, gap);
                bins.cut(false);
            }
        }
        bins.cut(true);
        AtRate::of(bins.ece, sum(self.squares, weight), self.rate)
    }

    /// Of an other and of a match.
    fn weight(&self) -> [f64; 2] {
        let count = |side: usize| self.first.iter().map(|bucket| bucket.pairs[side]).sum::<u64>() as f64;
        [(1.0 - self.rate) / count(0), self.rate / count(1)]
    }
}

/// The bucket of a probability, and its place there: bits of positive numbers are in the order of these.
fn place(p: f32) -> (usize, usize) {
    let bits = p.clamp(0.0, 1.0).to_bits() as usize;
    ((bits >> LOW).min(BUCKETS - 1), bits & ((1 << LOW) - 1))
}

/// The side of a pair, and the probability less the match.
fn missed(p: f32, is_match: bool) -> (usize, f64) {
    (usize::from(is_match), f64::from(p) - f64::from(u8::from(is_match)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errors of pairs `(p, is_match)`, by sorting and by counting.
    fn both(pairs: &[(f32, bool)], rate: f64) -> AtRate {
        let mut sides = [Vec::new(), Vec::new()];
        pairs.iter().for_each(|(p, is_match)| sides[usize::from(*is_match)].push(*p));
        sides.iter_mut().for_each(|side| side.sort_unstable_by(f32::total_cmp));
        let sorted = of_sorted(&sides[1], &sides[0], rate);
        let mut counted = Counted::new(rate);
        pairs.iter().for_each(|(p, is_match)| counted.add(*p, *is_match));
        counted.turn();
        pairs.iter().for_each(|(p, is_match)| counted.again(*p, *is_match));
        let at = counted.errors();
        assert!(counted.twice.len() <= BINS);
        let same = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(same(sorted.ece, at.ece) && same(sorted.brier_skill, at.brier_skill), "{sorted:?} {at:?}");
        sorted
    }

    /// `n` pairs per probability, of which the rounded share `truth(p)` are matches.
    fn measured(truth: impl Fn(f64) -> f64) -> AtRate {
        let mut pairs = Vec::new();
        for k in 0..300 {
            let p = (k as f64 + 0.5) / 300.0;
            let hits = (truth(p) * 100.0).round() as usize;
            pairs.extend((0..100).map(|i| (p as f32, i < hits)));
        }
        let rate = pairs.iter().filter(|pair| pair.1).count() as f64 / pairs.len() as f64;
        both(&pairs, rate)
    }

    #[test]
    fn honest_probabilities_have_no_error_and_the_skill_of_their_spread() {
        let at = measured(|p| p);
        assert!(at.ece < 0.005, "{at:?}");
        // Uniform honest probabilities: B = E[p(1-p)] = 1/6 against 1/4.
        assert!((at.brier_skill - 1.0 / 3.0).abs() < 0.01, "{at:?}");
    }

    #[test]
    fn overconfidence_shows() {
        let at = measured(|p| 0.5 + 0.4 * (p - 0.5));
        // Mean of |p - (0.5 + 0.4 (p - 0.5))| = 0.6 * 1/4.
        assert!((at.ece - 0.15).abs() < 0.01, "{at:?}");
    }

    #[test]
    fn a_constant_has_no_skill() {
        let at = both(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9].map(|i| (0.5, i % 2 == 0)), 0.5);
        assert!(at.ece < 1e-9 && at.brier_skill.abs() < 1e-9, "{at:?}");
    }

    #[test]
    fn probabilities_that_are_near_each_other_fill_bins_of_their_own() {
        // All in one bucket, the first half matches: each bin misses by about one half.
        let near = |i: u32| f32::from_bits(0.5f32.to_bits() + i);
        let at = both(&(0..3000).map(|i| (near(i), i < 1500)).collect::<Vec<_>>(), 0.5);
        assert!((at.ece - 0.5).abs() < 0.04, "{at:?}");
        both(&(0..3000).map(|i| (near(i * 3), i % 7 < 3)).collect::<Vec<_>>(), 0.1);
    }

    #[test]
    fn what_is_next_to_0_and_1_counts() {
        let ends = [0.0, f32::MIN_POSITIVE, 1e-20, 1.0];
        let at = both(&ends.map(|p| (p, p > 0.5)), 0.25);
        assert_eq!(at.brier_skill, 1.0);
        both(&ends.map(|p| (p, p < 1e-30)), 0.5);
    }
}
