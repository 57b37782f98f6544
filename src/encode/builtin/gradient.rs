//! Histograms of gradient directions on a grid (after Dalal and Triggs 2005, "Histograms of oriented gradients").

use super::canvas::{Canvas, SIDE};
use super::soft;

/// The strongest gradient of the three channels at each pixel.
pub(super) struct Gradients(Vec<Gradient>);

struct Gradient {
    magnitude: f32,
    /// Fraction of a turn, 0..1, towards the brighter side.
    turn: f32,
}

impl Gradients {
    /// Central differences, one-sided at the border.
    pub(super) fn of(canvas: &Canvas) -> Self {
        let at = |x: usize, y: usize| canvas.pixels[y * SIDE + x];
        let mut gradients = Vec::with_capacity(SIDE * SIDE);
        for y in 0..SIDE {
            for x in 0..SIDE {
                let (left, right) = (at(x.saturating_sub(1), y), at((x + 1).min(SIDE - 1), y));
                let (above, below) = (at(x, y.saturating_sub(1)), at(x, (y + 1).min(SIDE - 1)));
                let (mut best, mut dx, mut dy) = (0.0, 0.0, 0.0);
                for channel in 0..3 {
                    let (h, v) = (right[channel] - left[channel], below[channel] - above[channel]);
                    let square = h * h + v * v;
                    if square > best {
                        (best, dx, dy) = (square, h, v);
                    }
                }
                // Noise of compression stays out.
                let magnitude = (f32::sqrt(best) - 0.03).max(0.0);
                let turn = if magnitude > 0.0 { soft::turn(dy, dx) } else { 0.0 };
                gradients.push(Gradient { magnitude, turn });
            }
        }
        Self(gradients)
    }

    /// Directions without sign in `bins` bins over a half turn, on `grid` x `grid` cells that share what lies between
    /// their centres: `[grid * grid, bins]`, of length `weight`, with cells of much contrast damped by the root.
    pub(super) fn grid(&self, out: &mut [f32], grid: usize, bins: usize, weight: f32) {
        let cells: Vec<(usize, usize, f32)> = (0..SIDE)
            .map(|i| {
                let place =
                    ((i as f32 + 0.5) * grid as f32 / SIDE as f32 - 0.5).clamp(0.0, grid as f32 - 1.0);
                let low = place as usize;
                (low, (low + 1).min(grid - 1), place - low as f32)
            })
            .collect();
        for (i, gradient) in self.0.iter().enumerate().filter(|(_, gradient)| gradient.magnitude > 0.0) {
            let (low, high, share) = soft::around(bins, gradient.turn * 2.0 % 1.0);
            let (top, bottom, down) = cells[i / SIDE];
            let (left, right, across) = cells[i % SIDE];
            let parts = [
                (top, left, (1.0 - down) * (1.0 - across)),
                (top, right, (1.0 - down) * across),
                (bottom, left, down * (1.0 - across)),
                (bottom, right, down * across),
            ];
            for (row, column, part) in parts {
                let cell = (row * grid + column) * bins;
                out[cell + low] += gradient.magnitude * part * (1.0 - share);
                out[cell + high] += gradient.magnitude * part * share;
            }
        }
        soft::hellinger(out, weight);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_falls_into_its_direction_and_cells() {
        let step = |x: usize| if x >= SIDE / 16 { 1.0 } else { 0.0 };
        let pixels = (0..SIDE * SIDE).map(|i| [step(i % SIDE); 3]).collect();
        let gradients = Gradients::of(&Canvas { pixels, aspect: 1.0 });
        let mut out = vec![0.0; 4 * 4 * 8];
        gradients.grid(&mut out, 4, 8, 1.0);
        for (i, &value) in out.iter().enumerate() {
            let left_column = i / 8 % 4 == 0;
            assert_eq!(value > 0.01, left_column && i % 8 == 0, "{i} {value}");
        }
    }
}
