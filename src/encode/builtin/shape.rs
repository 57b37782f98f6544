//! Cues of a region: its colour, outline, form, place and size.

use std::f32::consts::TAU;

use super::canvas::SIDE;
use super::colour::{COARSE, Colour, FINE};
use super::region::{Foreground, Region};
use super::soft;

/// Directions in which the outline is measured.
const RAYS: usize = 32;
/// Outline radii kept with their direction.
const OUTLINE: usize = 16;
/// Periods of the outline: 3 for a triangle, 4 for a square, 5 for a star.
const PERIODS: usize = 8;
const FORM: usize = 8;
const PLACE: usize = 6;
/// Elements of the cues of one region.
pub(super) const REGION: usize = FINE.len() + OUTLINE + PERIODS + 2 * FORM + 3 * PLACE;
/// Elements of [`joint`].
pub(super) const JOINT: usize = COARSE.len() * FORM;

/// A region, measured.
pub(super) struct Figure<'a> {
    region: &'a Region,
    /// Centre of mass and sides of the bounding box, in fractions of the canvas.
    centre: [f32; 2],
    sides: [f32; 2],
    /// Radii over their mean, by direction.
    radii: [f32; RAYS],
    /// Standard deviation of the radii.
    variation: f32,
}

impl<'a> Figure<'a> {
    /// Measures region number `index`; `aspect` is that of the picture, so that a circle is one in any picture.
    pub(super) fn new(found: &'a Foreground, index: usize, aspect: f32) -> Self {
        let region = &found.regions[index];
        let (mut sum, mut low, mut high) = ([0usize; 2], [SIDE; 2], [0usize; 2]);
        for &i in &region.pixels {
            for (axis, place) in [i % SIDE, i / SIDE].into_iter().enumerate() {
                sum[axis] += place;
                low[axis] = low[axis].min(place);
                high[axis] = high[axis].max(place);
            }
        }
        let centre = sum.map(|sum| sum as f32 / region.pixels.len() as f32);
        let mut radii = [0f32; RAYS];
        // A unit of length in the picture is `1 / across` canvas pixels wide and `1 / down` high.
        let (across, down) = (aspect.sqrt(), 1.0 / aspect.sqrt());
        for (ray, radius) in radii.iter_mut().enumerate() {
            let (sin, cos) = (f64::from(TAU) * ray as f64 / RAYS as f64).sin_cos();
            let (dx, dy) = (cos as f32 / across, sin as f32 / down);
            let mut length = 0.0;
            loop {
                let (x, y) = (centre[0] + dx * length + 0.5, centre[1] + dy * length + 0.5);
                if !(0.0..SIDE as f32).contains(&x) || !(0.0..SIDE as f32).contains(&y) {
                    break;
                }
                if found.labels[y as usize * SIDE + x as usize] == index as u32 + 1 {
                    *radius = length + 0.5;
                }
                length += 0.5;
            }
        }
        let mean = (radii.iter().sum::<f32>() / RAYS as f32).max(0.5);
        radii.iter_mut().for_each(|radius| *radius /= mean);
        let variation = (radii.iter().map(|r| (r - 1.0) * (r - 1.0)).sum::<f32>() / RAYS as f32).sqrt();
        Self {
            region,
            centre: centre.map(|centre| (centre + 0.5) / SIDE as f32),
            sides: [0, 1].map(|axis| (high[axis] + 1 - low[axis]) as f32 / SIDE as f32),
            radii,
            variation,
        }
    }

    /// Amplitudes of the periods 1.. of the outline: what a rotation leaves (Zahn and Roskies 1972, "Fourier descriptors
    /// for plane closed curves", for radii).
    fn periods(&self) -> [f32; PERIODS] {
        std::array::from_fn(|k| {
            let (mut real, mut imaginary) = (0f32, 0f32);
            for (ray, radius) in self.radii.iter().enumerate() {
                let (sin, cos) = (f64::from(TAU) * ((k + 1) * ray % RAYS) as f64 / RAYS as f64).sin_cos();
                real += radius * cos as f32;
                imaginary += radius * sin as f32;
            }
            (real * real + imaginary * imaginary).sqrt() / RAYS as f32
        })
    }

    fn area(&self) -> f32 {
        self.region.pixels.len() as f32 / (SIDE * SIDE) as f32
    }

    /// Fills `out`, `[REGION]`, each kind of cue of length `weight` or shorter.
    pub(super) fn cues(&self, out: &mut [f32], colours: &[Colour], weight: f32) {
        let (colour, out) = out.split_at_mut(FINE.len());
        for &i in &self.region.pixels {
            FINE.add(colour, &colours[i], 1.0);
        }
        soft::hellinger(colour, weight);
        let (outline, out) = out.split_at_mut(OUTLINE);
        for (outline, radii) in outline.iter_mut().zip(self.radii.chunks_exact(RAYS / OUTLINE)) {
            *outline = weight * (radii.iter().sum::<f32>() / radii.len() as f32 - 1.0).clamp(-1.0, 1.0);
        }
        let (periods, out) = out.split_at_mut(PERIODS);
        for (out, amplitude) in periods.iter_mut().zip(self.periods()) {
            *out = weight * (amplitude * 4.0).sqrt().min(1.0);
        }
        let (variation, out) = out.split_at_mut(FORM);
        let (filling, out) = out.split_at_mut(FORM);
        soft::add(variation, self.variation / 0.4, 1.0);
        soft::add(filling, (self.area() / (self.sides[0] * self.sides[1]) - 0.2) / 0.8, 1.0);
        let (across, out) = out.split_at_mut(PLACE);
        let (down, size) = out.split_at_mut(PLACE);
        soft::add(across, self.centre[0], 1.0);
        soft::add(down, self.centre[1], 1.0);
        soft::add(size, self.area().sqrt() / 0.8, 1.0);
        for bins in [variation, filling, across, down, size] {
            soft::hellinger(bins, weight);
        }
    }

    /// Adds the region to `out`, `[JOINT]`: which colour has which form, whatever its place and rank.
    pub(super) fn joint(&self, out: &mut [f32], colours: &[Colour]) {
        let mut mix = [0f32; COARSE.len()];
        for &i in &self.region.pixels {
            COARSE.add(&mut mix, &colours[i], 1.0);
        }
        let mut form = [0f32; FORM];
        soft::add(&mut form, self.variation / 0.4, 1.0);
        // The root, so that a small figure counts beside a large one.
        let scale = self.area().sqrt() / self.region.pixels.len() as f32;
        for (row, mix) in out.chunks_exact_mut(FORM).zip(mix) {
            for (out, form) in row.iter_mut().zip(form) {
                *out += scale * mix * form;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encode::builtin::canvas::Canvas;

    fn figure_of(inside: impl Fn(f32, f32) -> bool, aspect: f32, test: impl Fn(&Figure<'_>)) {
        let pixels = (0..SIDE * SIDE)
            .map(|i| {
                let (x, y) = (
                    (i % SIDE) as f32 + 0.5 - SIDE as f32 / 2.0,
                    (i / SIDE) as f32 + 0.5 - SIDE as f32 / 2.0,
                );
                if inside(x, y) { [0.0; 3] } else { [1.0; 3] }
            })
            .collect();
        let found = Foreground::of(&Canvas { pixels, aspect });
        assert_eq!(found.regions.len(), 1);
        test(&Figure::new(&found, 0, aspect));
    }

    #[test]
    fn a_circle_has_no_period_and_a_square_has_four() {
        figure_of(
            |x, y| x * x + y * y < 400.0,
            1.0,
            |figure| {
                assert!(figure.variation < 0.04, "{}", figure.variation);
                assert!(figure.periods().iter().all(|&p| p < 0.02));
                assert!((figure.centre[0] - 0.5).abs() < 1e-3 && (figure.area() - 0.1364).abs() < 2e-3);
            },
        );
        figure_of(
            |x, y| x.abs() < 20.0 && y.abs() < 20.0,
            1.0,
            |figure| {
                let periods = figure.periods();
                assert!(periods[3] > 0.05 && periods[2] < 0.02, "{periods:?}");
                assert!(figure.variation > 0.08);
            },
        );
    }

    #[test]
    fn the_aspect_of_the_picture_is_undone() {
        figure_of(
            |x, y| 4.0 * x * x + y * y < 900.0,
            2.0,
            |figure| {
                assert!(figure.variation < 0.05, "{}", figure.variation);
            },
        );
    }
}
