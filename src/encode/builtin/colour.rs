//! Colour histograms: hues by tone, and greys, with soft borders.

use super::canvas::{Canvas, SIDE};
use super::soft;

/// A pixel in the terms of a colour histogram.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colour {
    /// Fraction of the hue circle, 0..1.
    hue: f32,
    /// How far the pixel counts as coloured, not grey, 0..=1.
    coloured: f32,
    /// Shares of vivid, pale and dark, which add up to 1.
    tones: [f32; 3],
    /// The largest channel, 0..=1.
    value: f32,
}

impl Colour {
    fn new([red, green, blue]: [f32; 3]) -> Self {
        let value = red.max(green).max(blue).clamp(0.0, 1.0);
        let chroma = (value - red.min(green).min(blue)).max(0.0);
        let sixth = if chroma < 1e-6 {
            0.0
        } else if value == red {
            ((green - blue) / chroma + 6.0) % 6.0
        } else if value == green {
            (blue - red) / chroma + 2.0
        } else {
            (red - green) / chroma + 4.0
        };
        let saturation = if value > 1e-6 { (chroma / value).min(1.0) } else { 0.0 };
        Self {
            hue: (sixth / 6.0).clamp(0.0, 0.999_999),
            coloured: ((chroma - 0.04) / 0.2).clamp(0.0, 1.0),
            tones: [saturation * value, (1.0 - saturation) * value, 1.0 - value],
            value,
        }
    }

    /// The colours of every pixel of `canvas`.
    pub(super) fn of(canvas: &Canvas) -> Vec<Self> {
        canvas.pixels.iter().map(|&pixel| Self::new(pixel)).collect()
    }
}

/// The bins of a colour histogram: hue by tone, then greys from black to white.
#[derive(Debug, Clone, Copy)]
pub(super) struct Palette {
    hues: usize,
    tones: usize,
    greys: usize,
}

/// Tells tones apart: 12 hues, each vivid, pale and dark, and 5 greys.
pub(super) const FINE: Palette = Palette { hues: 12, tones: 3, greys: 5 };
/// 8 hues and 3 greys.
pub(super) const COARSE: Palette = Palette { hues: 8, tones: 1, greys: 3 };

impl Palette {
    pub(super) const fn len(self) -> usize {
        self.hues * self.tones + self.greys
    }

    /// Adds `weight` of `colour` to `bins`, `[len]`.
    pub(super) fn add(self, bins: &mut [f32], colour: &Colour, weight: f32) {
        let (hues, greys) = bins.split_at_mut(self.hues * self.tones);
        if colour.coloured > 0.0 {
            let (low, high, share) = soft::around(self.hues, colour.hue);
            let weight = weight * colour.coloured;
            for tone in 0..self.tones {
                let weight = if self.tones == 1 { weight } else { weight * colour.tones[tone] };
                hues[low * self.tones + tone] += weight * (1.0 - share);
                hues[high * self.tones + tone] += weight * share;
            }
        }
        soft::add(greys, colour.value, weight * (1.0 - colour.coloured));
    }

    /// Histograms of a `grid` x `grid` of equal cells, `[grid * grid, len]`, each of length `weight / grid`.
    pub(super) fn grid(self, out: &mut [f32], colours: &[Colour], grid: usize, weight: f32) {
        let len = self.len();
        for (i, colour) in colours.iter().enumerate() {
            let cell = i / SIDE * grid / SIDE * grid + i % SIDE * grid / SIDE;
            self.add(&mut out[cell * len..(cell + 1) * len], colour, 1.0);
        }
        for cell in out.chunks_exact_mut(len) {
            soft::hellinger(cell, weight / grid as f32);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_colours_fall_into_their_bins() {
        let top = |rgb: [f32; 3]| {
            let mut bins = vec![0.0; COARSE.len()];
            COARSE.add(&mut bins, &Colour::new(rgb), 1.0);
            assert!((bins.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            (0..bins.len()).max_by(|&a, &b| bins[a].total_cmp(&bins[b])).unwrap()
        };
        assert_eq!(top([1.0, 0.0, 0.0]), 0);
        assert_eq!(top([0.0, 1.0, 1.0]), 4);
        assert_eq!(top([0.0, 0.0, 0.0]), 8);
        assert_eq!(top([0.5, 0.5, 0.5]), 9);
        assert_eq!(top([1.0, 1.0, 1.0]), 10);
    }

    #[test]
    fn tones_tell_pale_from_dark() {
        let share = |rgb: [f32; 3], tone: usize| {
            let mut bins = vec![0.0; FINE.len()];
            FINE.add(&mut bins, &Colour::new(rgb), 1.0);
            bins[tone]
        };
        assert!(share([1.0, 0.0, 0.0], 0) > 0.9);
        assert!(share([1.0, 0.7, 0.7], 1) > 0.6);
        assert!(share([0.3, 0.0, 0.0], 2) > 0.6);
    }
}
