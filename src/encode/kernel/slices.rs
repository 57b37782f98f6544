//! Arithmetic over plain slices, compiled for the vector units of the machine it runs on.
//!
//! Everything here is inlined into one call of [`on_vectors`](super::on_vectors), so that one check of the processor covers a whole step.
//! Sums run in [`LANES`] lanes in one fixed order: a result depends on the elements alone.

/// Lanes of a sum.
const LANES: usize = 16;

#[inline(always)]
fn lanes(x: &[f32], start: f32, op: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = [start; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane = op(*lane, *x);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane = op(*lane, *x);
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] = op(lanes[i], lanes[i + width]);
        }
        width /= 2;
    }
    lanes[0]
}

#[inline(always)]
pub(crate) fn sum(x: &[f32]) -> f32 {
    lanes(x, 0.0, |a, b| a + b)
}

#[inline(always)]
pub(crate) fn sum_of_squares(x: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let mut chunks = x.chunks_exact(LANES);
    for chunk in &mut chunks {
        for (lane, x) in lanes.iter_mut().zip(chunk) {
            *lane += x * x;
        }
    }
    for (lane, x) in lanes.iter_mut().zip(chunks.remainder()) {
        *lane += x * x;
    }
    sum(&lanes)
}

#[inline(always)]
pub(crate) fn max(x: &[f32]) -> f32 {
    lanes(x, f32::MIN, |a, b| if a > b { a } else { b })
}

/// `e^x` to about 1e-7 of its size; beyond +-87 as at 87.
///
/// `2^n` times a Taylor polynomial of the rest, which is at most ln 2 / 2.
#[inline(always)]
pub(crate) fn exp(x: f32) -> f32 {
    // Adding it rounds to a whole number, which then stands in the low bits.
    const SHIFT: f32 = 12_582_912.0;
    // ln 2 in two parts, the first of which has few digits: its multiples are exact.
    const LN_2_HIGH: f32 = 0.693_359_4;
    const LN_2_LOW: f32 = -2.121_944_4e-4;
    let x = if x < -87.0 { -87.0 } else { x };
    let x = if x > 87.0 { 87.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + SHIFT;
    let n = shifted - SHIFT;
    let r = x - n * LN_2_HIGH - n * LN_2_LOW;
    let p = 1.0 / 5040.0;
    let p = p * r + 1.0 / 720.0;
    let p = p * r + 1.0 / 120.0;
    let p = p * r + 1.0 / 24.0;
    let p = p * r + 1.0 / 6.0;
    let p = p * r + 0.5;
    let p = p * r + 1.0;
    let p = p * r + 1.0;
    p * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23)
}

/// The error function to about 2e-7.
///
/// Abramowitz and Stegun, "Handbook of Mathematical Functions" (1964), 7.1.26, for the tail; a Taylor polynomial near 0,
/// where that formula loses digits.
#[inline(always)]
pub(crate) fn erf(x: f32) -> f32 {
    let a = x.abs();
    let t = 1.0 / (1.0 + 0.327_591_1 * a);
    let p = 1.061_405_4;
    let p = p * t - 1.453_152_1;
    let p = p * t + 1.421_413_8;
    let p = p * t - 0.284_496_74;
    let p = p * t + 0.254_829_6;
    let tail = (1.0 - p * t * exp(-a * a)).copysign(x);
    let s = x * x;
    let q = -1.0 / 1320.0;
    let q = q * s + 1.0 / 216.0;
    let q = q * s - 1.0 / 42.0;
    let q = q * s + 0.1;
    let q = q * s - 1.0 / 3.0;
    let q = q * s + 1.0;
    let near = q * x * std::f32::consts::FRAC_2_SQRT_PI;
    if a < 0.5 { near } else { tail }
}

#[inline(always)]
pub(crate) fn gelu(x: f32) -> f32 {
    0.5 * x * (1.0 + erf(x * std::f32::consts::FRAC_1_SQRT_2))
}

/// `gelu` with `tanh(sqrt(2 / pi) (x + 0.044715 x^3))` in place of the error function.
#[inline(always)]
pub(crate) fn gelu_tanh(x: f32) -> f32 {
    let y = 0.797_884_6 * (x + 0.044_715 * x * x * x);
    let e = exp(-2.0 * y.abs());
    let tanh = ((1.0 - e) / (1.0 + e)).copysign(y);
    0.5 * x * (1.0 + tanh)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By its series, which converges everywhere; in f64 it is good to 1e-12 up to 4.
    fn erf_by_series(x: f64) -> f64 {
        let (mut term, mut sum) = (x, x);
        for n in 1..200 {
            term *= -x * x / f64::from(n);
            sum += term / f64::from(2 * n + 1);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    }

    #[test]
    fn functions_agree_with_double_precision() {
        for i in -40_000..=40_000 {
            let x = i as f32 / 10_000.0;
            let exact = erf_by_series(f64::from(x));
            assert!((f64::from(erf(x)) - exact).abs() < 5e-7, "erf({x}) = {} for {exact}", erf(x));
            let y = f64::from(x);
            let tanh = (std::f64::consts::FRAC_2_PI.sqrt() * (y + 0.044_715 * y * y * y)).tanh();
            assert!((f64::from(gelu_tanh(x)) - 0.5 * y * (1.0 + tanh)).abs() < 1e-6);
            let power = f64::from(20.0 * x).exp();
            assert!((f64::from(exp(20.0 * x)) / power - 1.0).abs() < 5e-7, "exp({})", 20.0 * x);
        }
        for (x, expected) in [(-9.0, -1.0), (9.0, 1.0), (1e9, 1.0), (0.0, 0.0)] {
            assert_eq!(erf(x), expected);
        }
        assert_eq!((gelu(20.0), gelu(-20.0), gelu_tanh(-20.0), gelu_tanh(1e6)), (20.0, 0.0, 0.0, 1e6));
        assert!(exp(-1e9) > 0.0 && exp(-1e9) < 1e-37 && exp(1e9).is_finite());
    }

    #[test]
    fn reductions_take_every_element() {
        let x: Vec<f32> = (0..37).map(|i| i as f32 - 5.0).collect();
        assert_eq!((sum(&x), max(&x)), (481.0, 31.0));
        assert_eq!(sum_of_squares(&x), x.iter().map(|x| x * x).sum::<f32>());
        assert_eq!(max(&[-3.0, -2.0]), -2.0);
    }
}
