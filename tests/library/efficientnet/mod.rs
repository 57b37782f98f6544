//! EfficientNet-Lite0 with random weights against a slow reference, and with the published ones where they are there.

mod checkpoint;
mod files;
mod network;
mod published;
mod reference;

fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| f64::from(*x) * f64::from(*y)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-12)
}
