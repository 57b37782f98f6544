//! A tiny rasteriser and the files made from it.

use std::io::Cursor;

use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Circle,
    Square,
    Triangle,
    Star,
}

pub(crate) const SHAPES: [Shape; 4] = [Shape::Circle, Shape::Square, Shape::Triangle, Shape::Star];
pub(crate) const COLOURS: [[u8; 3]; 5] =
    [[220, 30, 30], [40, 160, 50], [40, 70, 220], [240, 200, 30], [130, 50, 160]];

impl Shape {
    /// Whether the shape of radius 1 around the origin holds the point; y points down.
    fn holds(self, x: f32, y: f32) -> bool {
        match self {
            Self::Circle => x * x + y * y <= 1.0,
            Self::Square => x.abs() <= 0.85 && y.abs() <= 0.85,
            Self::Triangle => (-1.0..=0.7).contains(&y) && x.abs() <= (y + 1.0) * 0.6,
            Self::Star => {
                let fifth = std::f32::consts::TAU / 5.0;
                let angle = (x.atan2(-y).rem_euclid(fifth) - fifth / 2.0).abs();
                // Straight edges between tips at radius 1 and notches at 0.4.
                let (tip, notch) = ((fifth / 2.0).sin_cos(), 0.4f32);
                let (px, py) = ((x * x + y * y).sqrt() * angle.cos(), (x * x + y * y).sqrt() * angle.sin());
                py * (tip.1 - notch) - (px - notch) * tip.0 >= 0.0 && px <= 1.0 || px <= notch && py <= 0.3
            }
        }
    }
}

/// A shape on a plain background, with 3 x 3 samples per pixel.
pub(crate) fn draw(
    side: u32,
    shape: Shape,
    colour: [u8; 3],
    ground: [u8; 3],
    at: (f32, f32),
    radius: f32,
) -> RgbImage {
    RgbImage::from_fn(side, side, |x, y| {
        let mut inside = 0;
        for sample in 0..9 {
            let (dx, dy) = ((sample % 3) as f32 / 3.0 + 1.0 / 6.0, (sample / 3) as f32 / 3.0 + 1.0 / 6.0);
            let place =
                |pixel: u32, d: f32, centre: f32| ((pixel as f32 + d) / side as f32 - centre) / radius;
            inside += u32::from(shape.holds(place(x, dx, at.0), place(y, dy, at.1)));
        }
        let mix =
            |i: usize| ((u32::from(colour[i]) * inside + u32::from(ground[i]) * (9 - inside)) / 9) as u8;
        Rgb([mix(0), mix(1), mix(2)])
    })
}

pub(crate) fn scene() -> RgbImage {
    let mut picture = draw(256, Shape::Star, COLOURS[0], [170, 200, 230], (0.35, 0.4), 0.2);
    let other = draw(256, Shape::Circle, COLOURS[1], [170, 200, 230], (0.7, 0.7), 0.12);
    for (to, from) in picture.pixels_mut().zip(other.pixels()) {
        if from.0 != [170, 200, 230] {
            *to = *from;
        }
    }
    picture
}

pub(crate) fn file(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.into().write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

pub(crate) fn jpeg(picture: &RgbImage, quality: u8) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).encode_image(picture).unwrap();
    bytes
}
