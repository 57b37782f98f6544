//! Rows per second through a pathway, 384 -> 1,024 -> 128, on one core: `cargo bench --profile measured --bench pathway`.
//!
//! The product over batches takes turns with the loop over rows that it replaces, which is kept here as the reference; the
//! two give the same bits, which is checked. Arguments: rows (12,000) and rounds (5).

#![allow(clippy::print_stdout, reason = "the result of a benchmark")]

use std::time::Instant;

use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use uncsm_index::corpus::{FeatureFiles, PathwayArg};
use uncsm_index::data::{FeatureOptions, from_features};
use uncsm_index::model::Bundle;
use uncsm_index::train::{Refit, TrainConfig, Trainer};

type Failed = Box<dyn std::error::Error>;

const D_IN: usize = 384;

fn main() -> Result<(), Failed> {
    // `cargo bench` adds a flag of its own.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    let number = |at: usize, default: usize| arguments.get(at).map_or(Ok(default), |text| text.parse());
    let (rows, rounds) = (number(0, 12_000)?, number(1, 5)?);
    let dir = tempfile::tempdir()?;
    let bundle = bundle(dir.path())?;
    let file = dir.path().join("bundle").join("model.safetensors");
    let reference = Reference::open(&file, bundle.media()[0].roots)?;
    let features = noise(rows * D_IN, 7);
    let work = 2 * reference.bias[0].len() * (D_IN + bundle.dim());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let (mut old, mut new) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let started = Instant::now();
        let expected: Vec<f32> = features.chunks_exact(D_IN).flat_map(|x| reference.project(x)).collect();
        old.push(rows as f64 / started.elapsed().as_secs_f64());
        let started = Instant::now();
        let shared = pool.install(|| bundle.project(0, &features))?;
        new.push(rows as f64 / started.elapsed().as_secs_f64());
        let same = expected.iter().zip(&shared).all(|(a, b)| a.to_bits() == b.to_bits());
        assert!(same && expected.len() == shared.len(), "the two ways give the same bits");
    }
    println!(
        "{rows} rows, {D_IN} -> {} -> {}, {rounds} rounds on one core; median (least to most)",
        reference.bias[0].len(),
        bundle.dim()
    );
    let mut ratio: Vec<f64> = new.iter().zip(&old).map(|(new, old)| new / old).collect();
    for (what, rates) in [("row by row", &mut old), ("in batches", &mut new)] {
        rates.sort_by(f64::total_cmp);
        let (least, median, most) = (rates[0], rates[rounds / 2], rates[rounds - 1]);
        println!(
            "{what}: {median:.0} rows/s ({least:.0} to {most:.0}), {:.1} GFLOP/s",
            median * work as f64 / 1e9
        );
    }
    ratio.sort_by(f64::total_cmp);
    println!("ratio: {:.1} ({:.1} to {:.1})", ratio[rounds / 2], ratio[0], ratio[rounds - 1]);
    Ok(())
}

/// Numbers from -1 to 1 that look random.
fn noise(n: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..n).map(|_| next()).collect()
}

/// Trained as little as possible: speed does not depend on how good the vectors are.
fn bundle(dir: &std::path::Path) -> Result<Bundle, Failed> {
    let rows = 64;
    let bytes = |seed| noise(rows * D_IN, seed).iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let (a, b) = (bytes(1), bytes(2));
    let view = |bytes| TensorView::new(Dtype::F32, vec![rows, D_IN], bytes);
    let file = dir.join("features.safetensors");
    std::fs::write(&file, safetensors::serialize([("image", view(&a)?), ("text", view(&b)?)], None)?)?;
    let pathways = [PathwayArg::parse("image=image")?, PathwayArg::parse("text=text")?];
    let features = FeatureFiles::open(&[file])?;
    let data =
        from_features(&features, &FeatureOptions { pathways: &pathways, ..FeatureOptions::default() })?;
    let mut config = TrainConfig::default();
    config.model.dim = 128;
    config.model.members = 1;
    config.model.hidden = 1024;
    config.model.item_half = 0;
    // The pathway is a deep member alone: with a kernel member beside it validation might leave it out.
    config.kernel.member = false;
    config.steps.least = 0;
    config.contrastive.epochs = 1;
    config.double_triplet.epochs = 1;
    config.metric.epochs = 1;
    config.selection.refit = Refit::Off;
    let bundle = Trainer::new(&data).config(config).run()?.bundle;
    bundle.save(&dir.join("bundle"))?;
    Ok(bundle)
}

/// The pathway of the first media type as it was computed before.
struct Reference {
    mean: Vec<f32>,
    scale: Vec<f32>,
    roots: bool,
    weights: [Vec<f32>; 2],
    bias: [Vec<f32>; 2],
}

impl Reference {
    fn open(file: &std::path::Path, roots: bool) -> Result<Self, Failed> {
        let bytes = std::fs::read(file)?;
        let tensors = SafeTensors::deserialize(&bytes)?;
        let get = |name: &str| -> Result<Vec<f32>, Failed> {
            let view = tensors.tensor(&format!("pathway.0.{name}"))?;
            Ok(view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        };
        Ok(Self {
            mean: get("mean")?,
            scale: get("scale")?,
            roots,
            weights: [get("hidden.weight")?, get("unit.weight")?],
            bias: [get("hidden.bias")?, get("unit.bias")?],
        })
    }

    fn project(&self, x: &[f32]) -> Vec<f32> {
        let each = |((x, mean), scale): ((&f32, &f32), &f32)| {
            let x = if self.roots { x.abs().sqrt().copysign(*x) } else { *x };
            ((x - mean) * scale).clamp(-10.0, 10.0)
        };
        let z: Vec<f32> = x.iter().zip(&self.mean).zip(&self.scale).map(each).collect();
        let layer = |at: usize, input: &[f32]| -> Vec<f32> {
            let rows = self.weights[at].chunks_exact(input.len());
            rows.zip(&self.bias[at]).map(|(row, bias)| dot(row, input) + bias).collect()
        };
        let mut r = layer(0, &z);
        r.iter_mut().for_each(|x| *x = x.max(0.0));
        let mut unit = layer(1, &r);
        let norm = dot(&unit, &unit).sqrt();
        let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
        unit.iter_mut().for_each(|x| *x *= inverse);
        unit
    }
}

const LANES: usize = 16;

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; LANES];
    let (chunks_a, chunks_b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let (tail_a, tail_b) = (chunks_a.remainder(), chunks_b.remainder());
    for (x, y) in chunks_a.zip(chunks_b) {
        for i in 0..LANES {
            lanes[i] += x[i] * y[i];
        }
    }
    for (lane, (x, y)) in lanes.iter_mut().zip(tail_a.iter().zip(tail_b)) {
        *lane += x * y;
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0]
}
