//! The working picture: every picture squashed to one small square.

use crate::encode::picture::RgbImage;

/// Pixels of a side of the working picture.
pub(super) const SIDE: usize = 96;

/// A picture of [`SIDE`] x [`SIDE`] pixels, `[SIDE * SIDE]` row by row, channels in 0..=1.
///
/// It is squashed, so that positions are relative to the picture; `aspect` undoes that for shapes.
#[derive(Debug, Clone)]
pub(super) struct Canvas {
    pub(super) pixels: Vec<[f32; 3]>,
    /// Width over height of the picture, within 1/8..=8.
    pub(super) aspect: f32,
}

impl Canvas {
    /// Resizes with a triangle filter, as wide as two source pixels or two canvas pixels, whichever is more.
    ///
    /// Cost: about 6 multiplications per source pixel.
    pub(super) fn new(image: &RgbImage) -> Self {
        let (width, height) = (image.width() as usize, image.height() as usize);
        let (columns, lines) = (Taps::new(width), Taps::new(height));
        let mut pixels = vec![[0f32; 3]; SIDE * SIDE];
        let mut row = vec![[0f32; 3]; SIDE];
        let samples = image.as_raw();
        let mut first = 0;
        for y in 0..height {
            // Starts and ends ascend, so the lines that `y` goes to are a window, and nothing is kept per source line.
            while lines.0.get(first).is_some_and(|tap| tap.start + tap.weights.len() <= y) {
                first += 1;
            }
            let source = &samples[y * width * 3..(y + 1) * width * 3];
            for (to, tap) in row.iter_mut().zip(&columns.0) {
                let mut sum = [0f32; 3];
                let from = source[tap.start * 3..].chunks_exact(3);
                for (weight, sample) in tap.weights.iter().zip(from) {
                    for channel in 0..3 {
                        sum[channel] += weight * f32::from(sample[channel]);
                    }
                }
                *to = sum;
            }
            for (line, tap) in lines.0.iter().enumerate().skip(first).take_while(|(_, tap)| tap.start <= y) {
                let weight = tap.weights[y - tap.start];
                if weight <= 0.0 {
                    continue;
                }
                let weight = weight / 255.0;
                for (to, from) in pixels[line * SIDE..(line + 1) * SIDE].iter_mut().zip(&row) {
                    for channel in 0..3 {
                        to[channel] += weight * from[channel];
                    }
                }
            }
        }
        Self { pixels, aspect: (width as f32 / height as f32).clamp(0.125, 8.0) }
    }
}

/// For each canvas coordinate, the source coordinates that it is made of.
struct Taps(Vec<Tap>);

struct Tap {
    start: usize,
    /// They add up to 1.
    weights: Vec<f32>,
}

impl Taps {
    fn new(len: usize) -> Self {
        let scale = len as f32 / SIDE as f32;
        let reach = scale.max(1.0);
        let tap = |i: usize| {
            let centre = (i as f32 + 0.5) * scale;
            let start = (centre - reach).floor().max(0.0) as usize;
            let end =
                ((centre + reach).ceil().max(0.0) as usize).clamp(start + 1, len.max(start + 1)).min(len);
            let start = start.min(end - 1);
            let mut weights: Vec<f32> =
                (start..end).map(|j| (1.0 - (j as f32 + 0.5 - centre).abs() / reach).max(0.0)).collect();
            let sum: f32 = weights.iter().sum();
            if sum > 0.0 {
                weights.iter_mut().for_each(|weight| *weight /= sum);
            } else {
                weights.fill(1.0 / (end - start) as f32);
            }
            Tap { start, weights }
        };
        Self((0..SIDE).map(tap).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::image::Rgb;

    #[test]
    fn a_plain_picture_of_any_size_stays_plain() {
        for (width, height) in [(1, 1), (1, 500), (3, 2), (96, 96), (257, 131), (2000, 1)] {
            let canvas = Canvas::new(&RgbImage::from_pixel(width, height, Rgb([255, 51, 0])));
            for pixel in &canvas.pixels {
                assert!(
                    (pixel[0] - 1.0).abs() < 1e-4 && (pixel[1] - 0.2).abs() < 1e-4,
                    "{width}x{height} {pixel:?}"
                );
                assert_eq!(pixel[2], 0.0);
            }
        }
    }

    #[test]
    fn each_pixel_is_the_weighted_mean_of_its_sources() {
        for (width, height) in [(3u32, 1000u32), (40, 96), (5, 7)] {
            let image =
                RgbImage::from_fn(width, height, |x, y| Rgb([(x * 71 + y * 37) as u8, (y * y) as u8, 9]));
            let (columns, lines) = (Taps::new(width as usize), Taps::new(height as usize));
            let canvas = Canvas::new(&image);
            for (line, down) in lines.0.iter().enumerate() {
                for (column, across) in columns.0.iter().enumerate() {
                    for channel in 0..3 {
                        let mut sum = 0.0;
                        for (y, &a) in down.weights.iter().enumerate() {
                            for (x, &b) in across.weights.iter().enumerate() {
                                let at = ((across.start + x) as u32, (down.start + y) as u32);
                                let sample = image.get_pixel(at.0, at.1)[channel];
                                sum += f64::from(a) * f64::from(b) * f64::from(sample) / 255.0;
                            }
                        }
                        let got = canvas.pixels[line * SIDE + column][channel];
                        assert!(
                            (f64::from(got) - sum).abs() < 1e-4,
                            "{width}x{height} {line},{column}: {got} {sum}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn places_are_kept() {
        let image = RgbImage::from_fn(200, 100, |x, y| {
            Rgb([if x >= 100 { 255 } else { 0 }, if y >= 50 { 255 } else { 0 }, 0])
        });
        let canvas = Canvas::new(&image);
        assert_eq!(canvas.aspect, 2.0);
        let at = |x: usize, y: usize| canvas.pixels[y * SIDE + x];
        let near =
            |pixel: [f32; 3], red: f32, green: f32| (pixel[0] - red).abs() + (pixel[1] - green).abs() < 1e-4;
        assert!(near(at(3, 3), 0.0, 0.0) && near(at(SIDE - 3, 3), 1.0, 0.0));
        assert!(near(at(3, SIDE - 3), 0.0, 1.0) && near(at(SIDE - 3, SIDE - 3), 1.0, 1.0));
    }
}
