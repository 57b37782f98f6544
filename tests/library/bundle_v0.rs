//! A bundle of version 0 loads, keeps its bytes and fingerprints, and scores with equal bits.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use half::f16;
use uncsm_index::model::{Bundle, OnExisting, Target};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/bundle-v0").join(name)
}

/// Numbers that every machine computes alike.
fn numbers(n: usize, step: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * step + 29) % 127) as f32 / 64.0 - 1.0).collect()
}

/// Stored numbers and scores, a line each, by their bits.
fn said(bundle: &Bundle) -> String {
    let mut out = format!("space {}\nmodel {}\n", bundle.space(), bundle.model());
    let (d, h) = (bundle.dim(), bundle.metric().half());
    let f16s = |x: &[f16]| x.iter().map(|x| format!("{:04x}", x.to_bits())).collect::<Vec<_>>().join(" ");
    let media = bundle.media().len();
    let mut shared = Vec::new();
    for (m, config) in bundle.media().iter().enumerate() {
        let projected = bundle.project(m, &numbers(5 * config.features, 37)).unwrap();
        let stored = bundle.store(m, &projected);
        for (v, half) in stored.vectors.chunks(d).zip(stored.halves.chunks(h)) {
            writeln!(out, "projected {m}: {} | {}", f16s(v), f16s(half)).unwrap();
        }
        // Scores are of vectors without an exponential in them.
        let given = numbers(4 * d, 53 + m);
        let stored = bundle.store(m, &given);
        let wide = |x: &[f16]| x.iter().map(|x| x.to_f32()).collect::<Vec<_>>();
        shared.push((given, wide(&stored.vectors), wide(&stored.halves)));
    }
    for target in [Target::Class, Target::Pair] {
        for (a, b) in (0..media).flat_map(|a| (0..media).map(move |b| (a, b))) {
            for (i, u) in shared[a].0.chunks(d).enumerate() {
                let query = bundle.metric().query_half(target, a, b, u).unwrap();
                let scores: Vec<String> = shared[b]
                    .1
                    .chunks(d)
                    .zip(shared[b].2.chunks(h))
                    .map(|(v, half)| format!("{:08x}", query.logit(v, half, &[]).to_bits()))
                    .collect();
                writeln!(out, "{} {a} {b} {i}: {}", target.as_str(), scores.join(" ")).unwrap();
            }
        }
    }
    out
}

#[test]
fn a_bundle_of_version_0_loads_and_scores_with_equal_bits() {
    let bundle = Bundle::load(&fixture("bundle")).unwrap();
    assert_eq!(said(&bundle), fs::read_to_string(fixture("said.txt")).unwrap());
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("again");
    bundle.save_as(&out, OnExisting::Refuse).unwrap();
    for name in ["config.json", "model.safetensors"] {
        assert_eq!(
            fs::read(out.join(name)).unwrap(),
            fs::read(fixture("bundle").join(name)).unwrap(),
            "{name}"
        );
    }
}
