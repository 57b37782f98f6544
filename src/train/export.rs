//! From a trained network to a bundle.

use super::config::TrainConfig;
use super::network::{Exported, Network};
use crate::data::TrainingData;
use crate::error::Result;
use crate::media::Fingerprint;
use crate::model::{Bundle, ClassNames, Floats, Known, MediaConfig, MetricNetwork, Narrow, Pathway, Target};

/// The metric network as a bundle that cannot project: what scores need, without copies of the pathways.
pub(crate) fn network_alone(
    network: &Network,
    data: &TrainingData,
    classes: usize,
    config: &TrainConfig,
) -> Result<Bundle> {
    bundle(network.export_metric()?, network, data, classes, config)
}

/// The network as a bundle without calibration.
pub(crate) fn export(
    network: &Network,
    data: &TrainingData,
    classes: usize,
    config: &TrainConfig,
) -> Result<Bundle> {
    bundle(network.export()?, network, data, classes, config)
}

fn bundle(
    exported: Exported,
    network: &Network,
    data: &TrainingData,
    classes: usize,
    config: &TrainConfig,
) -> Result<Bundle> {
    let Exported { pathways, halves, hubs, heads } = exported;
    let halves = halves.into_iter().map(Floats::from).collect();
    let targets = if classes > 0 { vec![Target::Class, Target::Pair] } else { vec![Target::Pair] };
    let (media, names) = describe(data, &pathways, classes);
    Ok(Bundle {
        media,
        classes: names,
        default_target: config.default_target.unwrap_or(targets[0]),
        posterior_scale: 1.0,
        encoder_states: data.media.iter().map(|media| media.encoder_state.clone()).collect(),
        pathways,
        posterior_fits: Vec::new(),
        fusion: None,
        samples: vec![Narrow::default(); data.media.len()],
        metric: MetricNetwork { dim: network.dim, half: network.item_half, targets, halves, hubs, heads },
        space: Fingerprint([0; 32]),
        model: Fingerprint([0; 32]),
        known: Known::default(),
    })
}

/// What a bundle with these pathways says of its media types and classes; without pathways no media type takes roots.
pub(crate) fn describe(
    data: &TrainingData,
    pathways: &[Pathway],
    classes: usize,
) -> (Vec<MediaConfig>, Option<ClassNames>) {
    let roots = |pathway: &Pathway| {
        let of_kernel = pathway.kernel.as_ref().is_some_and(|kernel| kernel.roots);
        pathway.deep.as_ref().map_or(of_kernel, |deep| deep.roots)
    };
    let media = data.media.iter().enumerate().map(|(m, media)| MediaConfig {
        name: media.name.clone(),
        encoder: media.encoder.clone(),
        features: media.d_in,
        state: media.encoder_state.len(),
        roots: pathways.get(m).is_some_and(roots),
        fingerprint: media.fingerprint,
    });
    let labels = data.labels.as_ref().filter(|_| classes > 0);
    let names = labels.map(|labels| ClassNames {
        count: classes,
        names: labels.names.clone(),
        key: labels.key.clone(),
    });
    (media.collect(), names)
}
