//! Vector registers without `unsafe`: a loop is compiled once for AVX2 with FMA, once for what every processor of its kind
//! has, and the machine that it runs on chooses. Without the feature `encoders` there is the second alone.
//!
//! Loops over a count are written with `while` where it matters: with the assertions of a debugging build, the steps of a
//! range keep sums out of registers. So does the closure of `array::from_fn` without optimisation between code units.

/// Numbers that are computed together: columns of a product, or elements of two rows.
pub(crate) const PANEL: usize = 16;

/// Numbers of [`PANEL`] columns. Kept in this type, since a cast in an inner loop is not free in a debugging build.
#[cfg(feature = "encoders")]
pub(crate) type Columns = [pulp::f32x8; 2];

/// A loop that is compiled for several instruction sets.
pub(crate) trait Kernel {
    fn run<L: Lanes>(self, lanes: L);
}

/// 16 sums that are computed together.
pub(crate) trait Lanes: Copy {
    type Sums: Copy;

    /// Whether sums of four pairs of rows fit the registers.
    const WIDE: bool;

    #[cfg(feature = "encoders")]
    fn load(self, columns: &Columns) -> Self::Sums;

    fn read(self, samples: &[f32; PANEL]) -> Self::Sums;

    /// `sums + factor * weights`, in one step where the processor has it: bits differ between instruction sets.
    #[cfg(feature = "encoders")]
    fn madd(self, factor: f32, weights: Self::Sums, sums: Self::Sums) -> Self::Sums;

    /// `sums + a * b`, rounded after each: every machine gives the same bits.
    fn add_product(self, a: Self::Sums, b: Self::Sums, sums: Self::Sums) -> Self::Sums;

    /// `sums + w * relu(a + b)`, rounded after each.
    fn add_hidden(self, a: Self::Sums, b: Self::Sums, w: Self::Sums, sums: Self::Sums) -> Self::Sums;

    fn samples(self, sums: Self::Sums) -> [f32; PANEL];

    /// The sum of all samples in the one order: the second half is added to the first until one is left.
    fn total(self, sums: Self::Sums) -> f32;

    /// The samples within 0..=6, or NaN.
    #[cfg(feature = "encoders")]
    fn relu6(self, sums: Self::Sums) -> [f32; PANEL];
}

/// Whatever the compiler makes of it.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Lanes for Plain {
    type Sums = [f32; PANEL];

    const WIDE: bool = false;

    #[cfg(feature = "encoders")]
    #[inline(always)]
    fn load(self, columns: &Columns) -> Self::Sums {
        pulp::cast(*columns)
    }

    #[inline(always)]
    fn read(self, samples: &[f32; PANEL]) -> Self::Sums {
        *samples
    }

    #[cfg(feature = "encoders")]
    #[inline(always)]
    fn madd(self, factor: f32, weights: Self::Sums, mut sums: Self::Sums) -> Self::Sums {
        for j in 0..PANEL {
            sums[j] += factor * weights[j];
        }
        sums
    }

    #[inline(always)]
    fn add_product(self, a: Self::Sums, b: Self::Sums, mut sums: Self::Sums) -> Self::Sums {
        for j in 0..PANEL {
            sums[j] += a[j] * b[j];
        }
        sums
    }

    #[inline(always)]
    fn add_hidden(self, a: Self::Sums, b: Self::Sums, w: Self::Sums, mut sums: Self::Sums) -> Self::Sums {
        for j in 0..PANEL {
            sums[j] += w[j] * (a[j] + b[j]).max(0.0);
        }
        sums
    }

    #[inline(always)]
    fn samples(self, sums: Self::Sums) -> [f32; PANEL] {
        sums
    }

    #[inline(always)]
    fn total(self, mut sums: Self::Sums) -> f32 {
        let mut width = PANEL / 2;
        while width > 0 {
            for i in 0..width {
                sums[i] += sums[i + width];
            }
            width /= 2;
        }
        sums[0]
    }

    #[cfg(feature = "encoders")]
    #[inline(always)]
    fn relu6(self, sums: Self::Sums) -> [f32; PANEL] {
        sums.map(|x| x.clamp(0.0, 6.0))
    }
}

/// AVX2 with fused multiplication and addition.
#[cfg(all(feature = "encoders", target_arch = "x86_64"))]
impl Lanes for pulp::x86::V3 {
    type Sums = Columns;

    const WIDE: bool = true;

    #[inline(always)]
    fn load(self, columns: &Columns) -> Self::Sums {
        *columns
    }

    #[inline(always)]
    fn read(self, samples: &[f32; PANEL]) -> Self::Sums {
        // Read in place: a copy would pass through the stack.
        *bytemuck::cast_ref(samples)
    }

    #[inline(always)]
    fn madd(self, factor: f32, weights: Self::Sums, sums: Self::Sums) -> Self::Sums {
        let factor = self.splat_f32x8(factor);
        [self.mul_add_f32x8(factor, weights[0], sums[0]), self.mul_add_f32x8(factor, weights[1], sums[1])]
    }

    #[inline(always)]
    fn add_product(self, a: Self::Sums, b: Self::Sums, sums: Self::Sums) -> Self::Sums {
        [
            self.add_f32x8(sums[0], self.mul_f32x8(a[0], b[0])),
            self.add_f32x8(sums[1], self.mul_f32x8(a[1], b[1])),
        ]
    }

    #[inline(always)]
    fn add_hidden(self, a: Self::Sums, b: Self::Sums, w: Self::Sums, sums: Self::Sums) -> Self::Sums {
        // Of two operands, this instruction returns the second where one is NaN, as `f32::max` does of NaN and 0.
        let zero = self.splat_f32x8(0.0);
        let relu = |a, b| self.max_f32x8(self.add_f32x8(a, b), zero);
        self.add_product(w, [relu(a[0], b[0]), relu(a[1], b[1])], sums)
    }

    #[inline(always)]
    fn samples(self, sums: Self::Sums) -> [f32; PANEL] {
        pulp::cast(sums)
    }

    #[inline(always)]
    fn total(self, sums: Self::Sums) -> f32 {
        let [low, high]: [pulp::f32x4; 2] = pulp::cast(self.add_f32x8(sums[0], sums[1]));
        let pulp::f32x4(a, b, c, d) = self.add_f32x4(low, high);
        (a + c) + (b + d)
    }

    #[inline(always)]
    fn relu6(self, sums: Self::Sums) -> [f32; PANEL] {
        // Of two operands, these instructions return the second where one is NaN.
        let (zero, six) = (self.splat_f32x8(0.0), self.splat_f32x8(6.0));
        self.samples(sums.map(|x| self.min_f32x8(six, self.max_f32x8(zero, x))))
    }
}

/// Runs `kernel`, compiled for AVX2 and FMA where the processor has them, else for what every processor of its kind has.
#[cfg(all(feature = "encoders", target_arch = "x86_64"))]
pub(crate) fn with_vectors(kernel: impl Kernel) {
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

/// Runs `kernel`, compiled for what every processor of its kind has.
#[cfg(not(all(feature = "encoders", target_arch = "x86_64")))]
pub(crate) fn with_vectors(kernel: impl Kernel) {
    kernel.run(Plain);
}

/// Runs `work`, whose loops the compiler turns to vectors, by [`with_vectors`].
#[cfg(feature = "encoders")]
pub(crate) fn on_vectors<F: FnOnce()>(work: F) {
    struct Work<F>(F);
    impl<F: FnOnce()> Kernel for Work<F> {
        #[inline(always)]
        fn run<L: Lanes>(self, _: L) {
            self.0();
        }
    }
    with_vectors(Work(work));
}
