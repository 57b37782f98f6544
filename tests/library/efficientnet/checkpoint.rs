//! A checkpoint of full size with random weights.

use std::collections::BTreeMap;
use std::path::Path;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use safetensors::tensor::{Dtype, TensorView};

/// (kernel size, stride, expansion, channels that come out) of each block.
pub(crate) const BLOCKS: [(usize, usize, usize, usize); 16] = [
    (3, 1, 1, 16),
    (3, 2, 6, 24),
    (3, 1, 6, 24),
    (5, 2, 6, 40),
    (5, 1, 6, 40),
    (3, 2, 6, 80),
    (3, 1, 6, 80),
    (3, 1, 6, 80),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
    (5, 1, 6, 112),
    (5, 2, 6, 192),
    (5, 1, 6, 192),
    (5, 1, 6, 192),
    (5, 1, 6, 192),
    (3, 1, 6, 320),
];

/// Tensors by name: shape and elements.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// Weights that keep activations within a few units, so that ReLU6 cuts at both ends.
pub(crate) fn random(seed: u64) -> Tensors {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut tensors = Tensors::new();
    let mut layer = |conv: String, norm: String, shape: Vec<usize>| {
        let inputs: usize = shape[1..].iter().product();
        let mut draw = |from: f32, to: f32, n: usize| (0..n).map(|_| random.random_range(from..to)).collect();
        let (out, span) = (shape[0], (6.0 / inputs as f32).sqrt());
        let weights = draw(-span, span, out * inputs);
        tensors.insert(format!("{conv}.weight"), (shape, weights));
        for (part, from, to) in [
            ("weight", 0.5, 1.5),
            ("bias", -0.5, 1.0),
            ("running_mean", -0.5, 0.5),
            ("running_var", 0.2, 2.0),
        ] {
            tensors.insert(format!("{norm}.{part}"), (vec![out], draw(from, to, out)));
        }
    };
    layer("_conv_stem".into(), "_bn0".into(), vec![32, 3, 3, 3]);
    let mut channels = 32;
    for (i, (size, _, expand, out)) in BLOCKS.into_iter().enumerate() {
        let name = |part: &str| format!("_blocks.{i}.{part}");
        let wide = channels * expand;
        if expand > 1 {
            layer(name("_expand_conv"), name("_bn0"), vec![wide, channels, 1, 1]);
        }
        layer(name("_depthwise_conv"), name("_bn1"), vec![wide, 1, size, size]);
        layer(name("_project_conv"), name("_bn2"), vec![out, wide, 1, 1]);
        channels = out;
    }
    layer("_conv_head".into(), "_bn1".into(), vec![1280, channels, 1, 1]);
    tensors
}

pub(crate) fn write(tensors: &Tensors, file: &Path) {
    let bytes: Vec<Vec<u8>> =
        tensors.values().map(|(_, values)| values.iter().flat_map(|x| x.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, (shape, _)), bytes)| {
        (name, TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    std::fs::write(file, safetensors::serialize(views, None).unwrap()).unwrap();
}
