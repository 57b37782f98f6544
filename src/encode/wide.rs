//! Vector registers without `unsafe`: a loop is compiled once for AVX2 with FMA, once for what every processor of its kind
//! has, and the machine that it runs on chooses.
//!
//! Loops over a count are written with `while` where it matters: with the assertions of a debugging build, the steps of a
//! range keep sums out of registers.

/// Columns of a product that are computed together.
pub(super) const PANEL: usize = 16;

/// Numbers of [`PANEL`] columns. Kept in this type, since a cast in an inner loop is not free in a debugging build.
pub(super) type Columns = [pulp::f32x8; 2];

/// A loop that is compiled for several instruction sets.
pub(super) trait Kernel {
    fn run<L: Lanes>(self, lanes: L);
}

/// 16 sums that are computed together.
pub(super) trait Lanes: Copy {
    type Sums: Copy;

    fn load(self, columns: &Columns) -> Self::Sums;

    /// `sums + factor * weights`.
    fn madd(self, factor: f32, weights: Self::Sums, sums: Self::Sums) -> Self::Sums;

    fn samples(self, sums: Self::Sums) -> [f32; PANEL];

    /// The samples within 0..=6, or NaN.
    fn relu6(self, sums: Self::Sums) -> [f32; PANEL];
}

/// Whatever the compiler makes of it.
#[derive(Clone, Copy)]
pub(super) struct Plain;

impl Lanes for Plain {
    type Sums = [f32; PANEL];

    #[inline(always)]
    fn load(self, columns: &Columns) -> Self::Sums {
        pulp::cast(*columns)
    }

    #[inline(always)]
    fn madd(self, factor: f32, weights: Self::Sums, mut sums: Self::Sums) -> Self::Sums {
        for j in 0..PANEL {
            sums[j] += factor * weights[j];
        }
        sums
    }

    #[inline(always)]
    fn samples(self, sums: Self::Sums) -> [f32; PANEL] {
        sums
    }

    #[inline(always)]
    fn relu6(self, sums: Self::Sums) -> [f32; PANEL] {
        sums.map(|x| x.clamp(0.0, 6.0))
    }
}

/// AVX2 with fused multiplication and addition.
#[cfg(target_arch = "x86_64")]
impl Lanes for pulp::x86::V3 {
    type Sums = Columns;

    #[inline(always)]
    fn load(self, columns: &Columns) -> Self::Sums {
        *columns
    }

    #[inline(always)]
    fn madd(self, factor: f32, weights: Self::Sums, sums: Self::Sums) -> Self::Sums {
        let factor = self.splat_f32x8(factor);
        [self.mul_add_f32x8(factor, weights[0], sums[0]), self.mul_add_f32x8(factor, weights[1], sums[1])]
    }

    #[inline(always)]
    fn samples(self, sums: Self::Sums) -> [f32; PANEL] {
        pulp::cast(sums)
    }

    #[inline(always)]
    fn relu6(self, sums: Self::Sums) -> [f32; PANEL] {
        // Of two operands, these instructions return the second where one is NaN.
        let (zero, six) = (self.splat_f32x8(0.0), self.splat_f32x8(6.0));
        self.samples(sums.map(|x| self.min_f32x8(six, self.max_f32x8(zero, x))))
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) fn with_vectors(kernel: impl Kernel) {
    struct With<K>(K, pulp::x86::V3);
    impl<K: Kernel> pulp::WithSimd for With<K> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) {
            self.0.run(self.1);
        }
    }
    match pulp::x86::V3::try_new() {
        Some(v3) => pulp::Simd::vectorize(v3, With(kernel, v3)),
        None => kernel.run(Plain),
    }
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn with_vectors(kernel: impl Kernel) {
    kernel.run(Plain);
}
