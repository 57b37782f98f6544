//! Histograms whose bins share a value that lies between them, so that a small change stays small.

/// Adds `weight` of `value`, in 0..=1, to the two nearest of `bins`; the ends take what lies outside.
#[inline]
pub(super) fn add(bins: &mut [f32], value: f32, weight: f32) {
    let last = bins.len() - 1;
    let place = (value * last as f32).clamp(0.0, last as f32);
    let low = (place as usize).min(last);
    let share = place - low as f32;
    bins[low] += weight * (1.0 - share);
    bins[(low + 1).min(last)] += weight * share;
}

/// The two bins of `value`, in 0..1 around a circle of `n` bins, and the share of the second.
#[inline]
pub(super) fn around(n: usize, value: f32) -> (usize, usize, f32) {
    let place = value * n as f32;
    let low = (place as usize).min(n - 1);
    (low, (low + 1) % n, (place - low as f32).clamp(0.0, 1.0))
}

/// The Hellinger map: `weight * sqrt(x / sum(x))`, of Euclidean length `weight`; zeros stay zeros.
///
/// The dot product of two such histograms is their Bhattacharyya coefficient (Arandjelovic and Zisserman 2012, "Three
/// things everyone should know to improve object retrieval", for SIFT).
pub(super) fn hellinger(bins: &mut [f32], weight: f32) {
    let sum: f32 = bins.iter().sum();
    if sum > 1e-6 {
        bins.iter_mut().for_each(|x| *x = weight * (x.max(0.0) / sum).sqrt());
    } else {
        bins.fill(0.0);
    }
}

/// The angle of `(x, y)` as a fraction 0..1 of a turn, to about 1e-5.
///
/// A polynomial, since `atan2` differs in its last bits between platforms.
#[inline]
pub(super) fn turn(y: f32, x: f32) -> f32 {
    let (ax, ay) = (x.abs(), y.abs());
    let (small, large) = if ax < ay { (ax, ay) } else { (ay, ax) };
    if large == 0.0 {
        return 0.0;
    }
    let z = small / large;
    let s = z * z;
    let series = 0.193_543_46 + s * (-0.116_432_87 + s * (0.052_653_32 - s * 0.011_721_2));
    let angle = z * (0.999_977_26 + s * (-0.332_623_47 + s * series)) / std::f32::consts::TAU;
    let angle = if ax < ay { 0.25 - angle } else { angle };
    let angle = if x < 0.0 { 0.5 - angle } else { angle };
    let angle = if y < 0.0 { 1.0 - angle } else { angle };
    if angle >= 1.0 { 0.0 } else { angle }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turn_is_atan2() {
        for i in 0..1000 {
            let angle = i as f32 / 1000.0;
            let (sin, cos) = (angle * std::f32::consts::TAU).sin_cos();
            let got = turn(3.0 * sin, 3.0 * cos);
            let off = (got - angle).abs();
            assert!(off.min(1.0 - off) < 1e-5, "{angle} {got}");
            assert!((0.0..1.0).contains(&got));
        }
        assert_eq!(turn(0.0, 0.0), 0.0);
    }

    #[test]
    fn a_value_is_shared_and_nothing_is_lost() {
        let mut bins = [0.0; 5];
        add(&mut bins, 0.25, 1.0);
        assert_eq!(bins, [0.0, 1.0, 0.0, 0.0, 0.0]);
        add(&mut bins, 0.625, 2.0);
        assert_eq!(bins, [0.0, 1.0, 1.0, 1.0, 0.0]);
        add(&mut bins, -3.0, 1.0);
        add(&mut bins, 7.0, 1.0);
        assert_eq!(bins, [1.0; 5]);
        assert_eq!(around(4, 0.875), (3, 0, 0.5));
        hellinger(&mut bins, 2.0);
        assert!((bins.iter().map(|x| x * x).sum::<f32>() - 4.0).abs() < 1e-5);
        let mut none = [0.0; 2];
        hellinger(&mut none, 1.0);
        assert_eq!(none, [0.0; 2]);
    }
}
