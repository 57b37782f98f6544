//! The least value of a smooth convex function of a few numbers, some of which must not be negative.
//!
//! Newton's method with bounds: each round minimises the quadratic model `g'd + d'Hd / 2` over the admissible points, one
//! coordinate after the other, and walks there with step halving. Source: J. Lee, Y. Sun, M. Saunders, "Proximal
//! Newton-type methods for minimizing composite functions", 2014, of which this is the case of bounds.

/// Value, gradient and second derivatives at a point.
#[derive(Clone, Debug)]
pub(crate) struct Moments<const N: usize> {
    pub(crate) value: f64,
    pub(crate) gradient: [f64; N],
    pub(crate) hessian: [[f64; N]; N],
}

impl<const N: usize> Moments<N> {
    pub(crate) const ZERO: Self = Self { value: 0.0, gradient: [0.0; N], hessian: [[0.0; N]; N] };

    /// Adds `f(x'w)`, where `f` has this value and these first and second derivatives.
    pub(crate) fn add(&mut self, x: &[f64; N], value: f64, slope: f64, curvature: f64) {
        self.value += value;
        for k in 0..N {
            self.gradient[k] += slope * x[k];
            for j in 0..N {
                self.hessian[k][j] += curvature * x[k] * x[j];
            }
        }
    }

    /// Adds `factor` times the `other` ones.
    pub(crate) fn add_all(&mut self, other: &Self, factor: f64) {
        self.value += factor * other.value;
        for k in 0..N {
            self.gradient[k] += factor * other.gradient[k];
            for j in 0..N {
                self.hessian[k][j] += factor * other.hessian[k][j];
            }
        }
    }
}

/// Whether a number is held at 0 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bound {
    Free,
    NotNegative,
}

/// Largest admissible slope at the result, for functions of values and coordinates around 1.
const TOLERANCE: f64 = 1e-10;

/// The point of the least value, from `start`, which must be admissible. Deterministic.
///
/// Cost: an evaluation per round and halving, usually five to ten.
pub(crate) fn minimise<const N: usize>(
    start: [f64; N],
    bounds: [Bound; N],
    function: impl Fn(&[f64; N]) -> Moments<N>,
) -> [f64; N] {
    let (mut point, mut here) = (start, function(&start));
    for _ in 0..200 {
        if slope_left(&point, bounds, &here) <= TOLERANCE {
            break;
        }
        let goal = least_of_model(&point, bounds, &here);
        let toward: [f64; N] = std::array::from_fn(|k| goal[k] - point[k]);
        let slope: f64 = toward.iter().zip(&here.gradient).map(|(d, g)| d * g).sum();
        let mut step = 1.0;
        let found = loop {
            let next: [f64; N] = std::array::from_fn(|k| point[k] + step * toward[k]);
            let there = function(&next);
            // Rounding of the value, which is what ends the descent, is allowed for.
            if there.value <= here.value + 1e-4 * step * slope + 1e-15 {
                break Some((next, there));
            }
            step *= 0.5;
            if step < 1e-10 {
                break None;
            }
        };
        let Some((next, there)) = found else { break };
        (point, here) = (next, there);
    }
    point
}

/// The largest slope along a coordinate that the bounds leave open; 0 at the least value alone.
pub(crate) fn slope_left<const N: usize>(point: &[f64; N], bounds: [Bound; N], here: &Moments<N>) -> f64 {
    (0..N)
        .filter(|&k| bounds[k] == Bound::Free || point[k] > 0.0 || here.gradient[k] < 0.0)
        .map(|k| here.gradient[k].abs())
        .fold(0.0, f64::max)
}

/// The least value of the quadratic model over the admissible points.
fn least_of_model<const N: usize>(point: &[f64; N], bounds: [Bound; N], here: &Moments<N>) -> [f64; N] {
    let mut goal = *point;
    for _ in 0..10_000 {
        let mut moved = 0.0f64;
        for k in 0..N {
            let row = &here.hessian[k];
            let slope: f64 = here.gradient[k] + (0..N).map(|j| row[j] * (goal[j] - point[j])).sum::<f64>();
            // The small addition keeps a flat coordinate where it is.
            let next = goal[k] - slope / (row[k] + 1e-12);
            let next = if bounds[k] == Bound::NotNegative { next.max(0.0) } else { next };
            moved = moved.max((next - goal[k]).abs());
            goal[k] = next;
        }
        if moved < 1e-14 {
            break;
        }
    }
    goal
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: [Bound; 3] = [Bound::NotNegative, Bound::NotNegative, Bound::Free];

    /// `sum_k c_k (x_k - m_k)^2 / 2 + (x_0 + x_1 + x_2)^2 / 2`.
    fn bowl(centre: [f64; 3], sharp: [f64; 3]) -> impl Fn(&[f64; 3]) -> Moments<3> {
        move |x| {
            let mut sum = Moments::ZERO;
            for k in 0..3 {
                let axis: [f64; 3] = std::array::from_fn(|j| f64::from(u8::from(j == k)));
                let off = x[k] - centre[k];
                sum.add(&axis, sharp[k] * off * off / 2.0, sharp[k] * off, sharp[k]);
            }
            let total: f64 = x.iter().sum();
            sum.add(&[1.0; 3], total * total / 2.0, total, 1.0);
            sum
        }
    }

    #[test]
    fn bowls_are_solved_with_and_without_a_bound_that_holds() {
        // Inside: c (x - m) + sum(x) = 0 with c = 1 gives x_k = m_k - sum(m) / 4.
        let found = minimise([0.0; 3], BOUNDS, bowl([3.0, 2.0, -1.0], [1.0; 3]));
        for (x, wanted) in found.iter().zip([2.0, 1.0, -2.0]) {
            assert!((x - wanted).abs() < 1e-9, "{found:?}");
        }
        // x_1 wants to -2 and is held at 0; the others solve the rest: x_k = m_k - sum(m) / 3 over two.
        let found = minimise([5.0, 5.0, 5.0], BOUNDS, bowl([3.0, -2.0, 0.0], [1.0; 3]));
        for (x, wanted) in found.iter().zip([2.0, 0.0, -1.0]) {
            assert!((x - wanted).abs() < 1e-9, "{found:?}");
        }
        assert_eq!(found[1], 0.0);
    }

    #[test]
    fn a_flat_coordinate_stays_and_a_steep_start_is_halved() {
        let found = minimise([1.0, 0.25], [Bound::Free, Bound::NotNegative], |x| {
            // ln cosh: Newton from afar overshoots without step halving.
            let mut sum = Moments::ZERO;
            let t = (x[0] * 4.0).tanh();
            sum.add(&[4.0, 0.0], (x[0] * 4.0).cosh().ln(), t, 1.0 - t * t);
            sum
        });
        assert!(found[0].abs() < 1e-9 && found[1] == 0.25, "{found:?}");
    }
}
