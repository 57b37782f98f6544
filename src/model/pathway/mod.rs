//! A pathway: from the features of one media type to the shared space.
//!
//! It has deep members, a kernel member, or both. Each gives a unit part `[e]` and, where there are classes, class logits
//! `[C]`. The shared vector is `[posteriors; unit part] [d]`, `d = C + e`:
//! - posteriors `s softmax(kernel) + (1 - s) softmax(deep)`, times a constant, with the share `s` of the kernel member;
//! - unit part `[sqrt(a) kernel; sqrt(1 - a) deep]`, each divided by its Euclidean norm, with another share `a`: its dot
//!   product is the mean of theirs. Where `a` is 0 or 1 one of them has no elements.
//!
//! With the constant 1 both parts have a norm of at most 1 (posteriors: between `1/sqrt(C)` and 1), so they weigh alike in a
//! cosine.

mod deep;
mod kernel;
mod landmarks;
mod layer;

use serde::Serialize;

use crate::encode::kernel::dot;
pub(crate) use deep::{Deep, root, standardise};
pub(crate) use kernel::{Kernel, normalise};

/// The members of a pathway, and how they are mixed.
///
/// Invariant: at least one member; both have as many classes; a member without elements of the unit part has a share of 0.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pathway {
    pub(crate) deep: Option<Deep>,
    pub(crate) kernel: Option<Kernel>,
    /// What the kernel member has of the posteriors, and of the unit part.
    pub(crate) shares: Shares,
}

/// What the kernel member of a pathway has of its output, from 0 to 1; the deep members have the rest.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Shares {
    /// Of the posteriors.
    pub posterior: f32,
    /// Of the dot product of unit parts.
    pub unit: f32,
}

/// The members of a pathway, by their sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Members {
    /// Hidden units of all deep members together; 0 without any.
    pub hidden: usize,
    /// Whether the deep unit part also reads the features straight.
    pub skip: bool,
    /// Landmarks of the kernel member, each the features of a train row; 0 without one.
    pub landmarks: usize,
}

impl Shares {
    /// Of a pathway without a kernel member.
    pub(crate) const DEEP: Self = Self { posterior: 0.0, unit: 0.0 };
    /// Of a pathway without deep members.
    pub(crate) const KERNEL: Self = Self { posterior: 1.0, unit: 1.0 };
}

impl From<Deep> for Pathway {
    fn from(deep: Deep) -> Self {
        Self { deep: Some(deep), kernel: None, shares: Shares::DEEP }
    }
}

impl Pathway {
    /// Number of classes, `C`.
    pub(crate) fn classes(&self) -> usize {
        let (deep, kernel) = (self.deep.as_ref(), self.kernel.as_ref());
        let deep = deep.map_or(0, |deep| deep.class_bias.len());
        deep.max(kernel.map_or(0, |kernel| kernel.class_bias.len()))
    }

    /// Elements of the features, `d_in`.
    pub(crate) fn d_in(&self) -> usize {
        let of_kernel = |kernel: &Kernel| kernel.landmarks.d_in();
        let of_deep = self.deep.as_ref().map(|deep| deep.mean.len());
        of_deep.or(self.kernel.as_ref().map(of_kernel)).unwrap_or(0)
    }

    /// Its members, by their sizes.
    pub(crate) fn members(&self) -> Members {
        Members {
            hidden: self.deep.as_ref().map_or(0, |deep| deep.hidden_bias.len()),
            skip: self.deep.as_ref().is_some_and(|deep| !deep.skip.is_empty()),
            landmarks: self.kernel.as_ref().map_or(0, Kernel::len),
        }
    }

    /// Elements of the unit part that the kernel member gives, and those of the deep members.
    pub(crate) fn unit_parts(&self) -> [usize; 2] {
        [
            self.kernel.as_ref().map_or(0, |kernel| kernel.unit_bias.len()),
            self.deep.as_ref().map_or(0, |deep| deep.unit_bias.len()),
        ]
    }

    /// Shared vectors `[n, d]` into `out`, each a pure function of its row of `x [n, d_in]`, which must be finite.
    ///
    /// A row has the same bits alone and in any batch: see [`products`]. Cost: `n * (k * (d_in + d) + m * (d_in + d))`
    /// multiply-adds on the calling thread for `k` hidden units and `m` landmarks, and `n * (d_in + k + m + d)` numbers.
    pub(crate) fn project(&self, n: usize, x: &[f32], posterior_scale: f32, out: &mut [f32]) {
        let kernel = self.kernel.as_ref().map(|kernel| kernel.outputs(n, x));
        let deep = self.deep.as_ref().map(|deep| deep.outputs(n, x));
        self.mix(n, [kernel, deep], posterior_scale, out);
    }

    /// Shared vectors from class logits and unit parts of the kernel member and of the deep ones.
    pub(crate) fn mix(
        &self,
        n: usize,
        members: [Option<(Vec<f32>, Vec<f32>)>; 2],
        posterior_scale: f32,
        out: &mut [f32],
    ) {
        let Shares { posterior, unit } = self.shares;
        if n == 0 {
            return;
        }
        let (classes, d) = (self.classes(), out.len() / n);
        out.fill(0.0);
        let (mut at, mut mixed) = (classes, false);
        let shares = [(posterior, unit), (1.0 - posterior, 1.0 - unit)];
        for ((member, parts), (of_class, of_unit)) in members.into_iter().zip(self.unit_parts()).zip(shares) {
            let Some((mut logits, units)) = member else { continue };
            if classes > 0 && of_class > 0.0 {
                for (out, logits) in out.chunks_exact_mut(d).zip(logits.chunks_exact_mut(classes)) {
                    softmax(logits, posterior_scale);
                    for (out, p) in out.iter_mut().zip(logits) {
                        // Alone, a member keeps the bits of its posteriors.
                        *out = if mixed { *out + of_class * *p } else { of_class * *p };
                    }
                }
                mixed = true;
            }
            if parts > 0 {
                for (out, unit) in out.chunks_exact_mut(d).zip(units.chunks_exact(parts)) {
                    let norm = dot(unit, unit).sqrt();
                    let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
                    let share = of_unit.sqrt();
                    out[at..at + parts].iter_mut().zip(unit).for_each(|(out, x)| *out = *x * inverse * share);
                }
            }
            at += parts;
        }
    }
}

/// `scale * exp(x - max) / sum`, in place.
fn softmax(x: &mut [f32], scale: f32) {
    let max = x.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for x in x.iter_mut() {
        *x = (*x - max).exp();
        sum += *x;
    }
    x.iter_mut().for_each(|x| *x *= scale / sum);
}

#[cfg(test)]
mod tests;
