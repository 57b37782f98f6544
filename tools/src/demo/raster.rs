//! Draws a scene, anti-aliased, each time a little otherwise.

use image::{Rgb, RgbImage};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::scene::{Kind, Pattern, Place, Scene, Shape};

/// Samples per pixel and axis inside the box of a shape.
const SAMPLES: u32 = 4;
/// Largest turn of a shape, in radians.
const TURN: f32 = 0.17;

/// Draws `scene` as a picture of `side` times `side` pixels; position, size, turn and colours vary with `rng`.
///
/// Costs about `16 * side^2` evaluations of a shape at worst.
pub fn draw(scene: &Scene, side: u32, rng: &mut ChaCha8Rng) -> RgbImage {
    let mut picture = background(scene, side, rng);
    if let Some(second) = &scene.second {
        shape(&mut picture, second, scene.place.opposite(), rng);
    }
    shape(&mut picture, &scene.main, scene.place, rng);
    picture
}

fn background(scene: &Scene, side: u32, rng: &mut ChaCha8Rng) -> RgbImage {
    // All channels alike: a tint would make a white ground look like mint.
    let shift: i16 = rng.random_range(-5..=5);
    let tone = scene.tone.rgb().map(|c| f32::from((i16::from(c) + shift).clamp(0, 255)));
    // The second tone goes towards a middle grey, so that it works for dark and light tones alike.
    let (grey, part) = match scene.pattern {
        Pattern::Plain => (tone, 0.0),
        Pattern::Gradient => ([128.0; 3], rng.random_range(0.55..0.75)),
        Pattern::Striped => ([128.0; 3], rng.random_range(0.32..0.42)),
    };
    let other = mix(tone, grey, part);
    let angle = rng.random_range(0..8) as f32 * std::f32::consts::FRAC_PI_4;
    let (sin, cos) = angle.sin_cos();
    let stripes: f32 = rng.random_range(4.5..7.0);
    let phase: f32 = rng.random_range(0.0..1.0);
    RgbImage::from_fn(side, side, |px, py| {
        let x = (px as f32 + 0.5) / side as f32 - 0.5;
        let y = (py as f32 + 0.5) / side as f32 - 0.5;
        let along = x * cos + y * sin;
        let part = match scene.pattern {
            Pattern::Plain => 0.0,
            Pattern::Gradient => (along + 0.5).clamp(0.0, 1.0),
            Pattern::Striped => {
                // A triangle wave, cut off to edges one pixel wide.
                let wave = (((along * stripes + phase).rem_euclid(1.0)) - 0.5).abs() - 0.25;
                (wave * side as f32 / stripes + 0.5).clamp(0.0, 1.0)
            }
        };
        pixel(mix(tone, other, part))
    })
}

fn shape(picture: &mut RgbImage, shape: &Shape, place: Place, rng: &mut ChaCha8Rng) {
    let side = picture.width();
    let radius = shape.size.radius() * rng.random_range(0.9..1.1);
    let [dx, dy] = place.offset();
    let mut at = |offset: f32| {
        let at: f32 = 0.5 + offset + rng.random_range(-0.05..0.05);
        at.clamp(radius + 0.01, 1.0 - radius - 0.01) * side as f32
    };
    let (x, y) = (at(dx), at(dy));
    let (sin, cos) = rng.random_range(-TURN..TURN).sin_cos();
    let color = jitter(shape.color.rgb(), 8, rng);
    let radius = radius * side as f32;
    // No shape reaches farther than 1.1 radii; see `inside`.
    let span = |at: f32| {
        let low = (at - radius * 1.1).floor().max(0.0) as u32;
        let high = (at + radius * 1.1).ceil().max(0.0) as u32;
        low..high.min(side)
    };
    for py in span(y) {
        for px in span(x) {
            let mut hits = 0;
            for sample in 0..SAMPLES * SAMPLES {
                let sub = |n: u32| (n as f32 + 0.5) / SAMPLES as f32;
                let u = (px as f32 + sub(sample % SAMPLES) - x) / radius;
                let v = (py as f32 + sub(sample / SAMPLES) - y) / radius;
                hits += u32::from(inside(shape.kind, u * cos + v * sin, v * cos - u * sin));
            }
            if hits > 0 {
                let below = picture.get_pixel(px, py).0.map(f32::from);
                let part = hits as f32 / (SAMPLES * SAMPLES) as f32;
                picture.put_pixel(px, py, pixel(mix(below, color, part)));
            }
        }
    }
}

/// Whether a point is in the upright shape of radius 1 around the origin; y points down.
fn inside(kind: Kind, x: f32, y: f32) -> bool {
    let square = x * x + y * y;
    match kind {
        Kind::Circle => square <= 1.0,
        Kind::Square => x.abs().max(y.abs()) <= 0.85,
        Kind::Triangle => y <= 0.75 && x.abs() <= (y + 1.0) * 0.54,
        Kind::Star => star(x, y),
        Kind::Cross => x.abs().max(y.abs()) <= 0.95 && x.abs().min(y.abs()) <= 0.3,
        Kind::Ring => (0.3..=1.0).contains(&square),
        Kind::Crescent => square <= 1.0 && (x - 0.45) * (x - 0.45) + y * y > 0.64,
        Kind::Heart => {
            let (x, y) = (x * 1.2, 0.12 - y * 1.2);
            (x * x + y * y - 1.0).powi(3) - x * x * y.powi(3) <= 0.0
        }
        Kind::Diamond => x.abs() / 0.66 + y.abs() <= 1.0,
        Kind::Hexagon => y.abs() <= 0.866 && x.abs() * 0.866 + y.abs() * 0.5 <= 0.866,
    }
}

/// Five points: the plane is folded into one half of a point, which ends at a straight edge.
fn star(x: f32, y: f32) -> bool {
    const INNER: f32 = 0.42;
    let half = std::f32::consts::PI / 5.0;
    let folded = (x.atan2(-y).rem_euclid(2.0 * half) - half).abs();
    let angle = half - folded;
    let radius = (x * x + y * y).sqrt();
    let (px, py) = (radius * angle.cos(), radius * angle.sin());
    // The edge runs from (1, 0) to the inner corner.
    let (ex, ey) = (INNER * half.cos() - 1.0, INNER * half.sin());
    ex * py - ey * (px - 1.0) >= 0.0
}

fn jitter(rgb: [u8; 3], by: i16, rng: &mut ChaCha8Rng) -> [f32; 3] {
    rgb.map(|c| (i16::from(c) + rng.random_range(-by..=by)).clamp(0, 255) as f32)
}

fn mix(a: [f32; 3], b: [f32; 3], part: f32) -> [f32; 3] {
    std::array::from_fn(|i| a[i] + (b[i] - a[i]) * part)
}

fn pixel(rgb: [f32; 3]) -> Rgb<u8> {
    Rgb(rgb.map(|c| c.round().clamp(0.0, 255.0) as u8))
}
