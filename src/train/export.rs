//! From a trained network to a bundle.

use super::config::TrainConfig;
use super::network::{Exported, Network};
use crate::data::TrainingData;
use crate::error::Result;
use crate::media::Fingerprint;
use crate::model::{Bundle, ClassNames, MediaConfig, MetricNetwork, Target};

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
    let targets = if classes > 0 { vec![Target::Class, Target::Pair] } else { vec![Target::Pair] };
    Ok(Bundle {
        media: data
            .media
            .iter()
            .enumerate()
            .map(|(m, media)| MediaConfig {
                name: media.name.clone(),
                encoder: media.encoder.clone(),
                features: media.d_in,
                state: media.encoder_state.len(),
                roots: pathways.get(m).is_some_and(|pathway| pathway.roots),
                fingerprint: media.fingerprint,
            })
            .collect(),
        classes: data.labels.as_ref().map(|labels| ClassNames {
            count: classes,
            names: labels.names.clone(),
            key: labels.key.clone(),
        }),
        default_target: config.default_target.unwrap_or(targets[0]),
        posterior_scale: 1.0,
        encoder_states: data.media.iter().map(|media| media.encoder_state.clone()).collect(),
        pathways,
        posterior_fits: Vec::new(),
        fusion: None,
        metric: MetricNetwork { dim: network.dim, half: network.item_half, targets, halves, hubs, heads },
        space: Fingerprint([0; 32]),
        model: Fingerprint([0; 32]),
    })
}
