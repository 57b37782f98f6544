//! Bundles of kernel members alone.

use crate::data::TrainingData;
use crate::media::Fingerprint;
use crate::model::{
    Bundle, Floats, Head, Hubs, Kernel, Known, MetricNetwork, Narrow, Pathway, Shares, Target,
};
use crate::train::config::TrainConfig;
use crate::train::export::describe;

/// Scale and bias of a head that nothing has trained.
const START: (f32, f32) = (8.0, -4.0);

/// A bundle of kernel members without landmarks, for measures of what their `classes` posteriors would give.
pub(crate) fn of_posteriors(data: &TrainingData, config: &TrainConfig, classes: usize) -> Bundle {
    without_heads(data, config, classes, without_landmarks(data, classes, 1))
}

/// The same of `unit` elements for pairs, with heads for these.
pub(crate) fn of_units(data: &TrainingData, config: &TrainConfig, unit: usize) -> Bundle {
    alone(data, config, &[], without_landmarks(data, 0, unit))
}

fn without_landmarks(data: &TrainingData, classes: usize, unit: usize) -> Vec<Kernel> {
    let members = data.media.iter().map(|media| {
        let mut kernel = Kernel::new(false, Vec::new(), media.d_in, 1.0);
        (kernel.class_bias, kernel.unit_bias) = (vec![0.0; classes], vec![0.0; unit]);
        kernel
    });
    members.collect()
}

/// A bundle of kernel members alone, whose heads are scaled dot products: of posteriors with these class weights, and of unit
/// parts.
pub(crate) fn alone(
    data: &TrainingData,
    config: &TrainConfig,
    weights: &[f32],
    members: Vec<Kernel>,
) -> Bundle {
    let classes = weights.len();
    let mut bundle = without_heads(data, config, classes, members);
    let (d, media) = (bundle.metric.dim, bundle.pathways.len());
    let targets = bundle.metric.targets.clone();
    let (scale, bias) = START;
    let mut heads = Vec::new();
    for &target in &targets {
        for (a, b) in (0..media).flat_map(|a| (a..media).map(move |b| (a, b))) {
            let mut bilinear = vec![0.0; d * d];
            match target {
                Target::Class => (0..classes).for_each(|i| bilinear[i * d + i] = scale * weights[i]),
                Target::Pair => (classes..d).for_each(|i| bilinear[i * d + i] = scale),
            }
            let empty = Vec::new;
            heads.push(Head {
                target,
                a,
                b,
                bilinear: bilinear.into(),
                weights: empty(),
                shift: empty(),
                bias,
                hub: 0.0,
                calibration: [None; 2],
            });
        }
    }
    bundle.metric.heads = heads;
    bundle
}

/// The same without heads.
fn without_heads(data: &TrainingData, config: &TrainConfig, classes: usize, members: Vec<Kernel>) -> Bundle {
    let unit = members.first().map_or(0, |kernel| kernel.unit_bias.len());
    let (d, media) = (classes + unit, members.len());
    let targets = if classes > 0 { vec![Target::Class, Target::Pair] } else { vec![Target::Pair] };
    let pathways: Vec<Pathway> = members
        .into_iter()
        .map(|kernel| Pathway { deep: None, kernel: Some(kernel), shares: Shares::KERNEL })
        .collect();
    let (configs, names) = describe(data, &pathways, classes);
    Bundle {
        media: configs,
        classes: names,
        default_target: config.default_target.unwrap_or(targets[0]),
        posterior_scale: 1.0,
        encoder_states: data.media.iter().map(|media| media.encoder_state.clone()).collect(),
        pathways,
        posterior_fits: Vec::new(),
        fusion: None,
        samples: vec![Narrow::default(); media],
        metric: MetricNetwork {
            dim: d,
            half: 0,
            targets,
            halves: vec![Floats::default(); media],
            hubs: Hubs::default(),
            heads: Vec::new(),
        },
        space: Fingerprint([0; 32]),
        model: Fingerprint([0; 32]),
        known: Known::default(),
    }
}
