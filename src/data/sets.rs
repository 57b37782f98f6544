//! Disjoint sets, as groups that share a title or a content are joined.

use std::collections::HashMap;

/// Disjoint sets with path halving.
pub(crate) struct Sets(Vec<usize>);

impl Sets {
    /// `n` sets of one number each.
    pub(crate) fn new(n: usize) -> Self {
        Self((0..n).collect())
    }

    /// The smallest number of the set that `x` is in.
    pub(crate) fn find(&mut self, mut x: usize) -> usize {
        while self.0[x] != x {
            self.0[x] = self.0[self.0[x]];
            x = self.0[x];
        }
        x
    }

    /// Makes the sets of `a` and `b` one.
    pub(crate) fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        // The smaller number is the root, whatever the order of joins.
        self.0[a.max(b)] = a.min(b);
    }

    /// The size of the largest set.
    pub(crate) fn largest(&mut self) -> usize {
        let mut sizes: HashMap<usize, usize> = HashMap::new();
        (0..self.0.len()).for_each(|x| *sizes.entry(self.find(x)).or_default() += 1);
        sizes.values().copied().max().unwrap_or(0)
    }
}
