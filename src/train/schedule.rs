//! The stages: how long each runs, and how fast it learns.

use super::config::TrainConfig;

/// The three stages in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Contrastive,
    DoubleTriplet,
    Metric,
}

impl Stage {
    pub(crate) const ALL: [Self; 3] = [Self::Contrastive, Self::DoubleTriplet, Self::Metric];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Contrastive => "contrastive",
            Self::DoubleTriplet => "double_triplet",
            Self::Metric => "metric",
        }
    }

    /// Most epochs over `n` rows; 0 where the settings leave the stage out.
    pub(crate) fn epochs(self, config: &TrainConfig, n: usize) -> usize {
        let epochs = match self {
            Self::Contrastive => config.contrastive.epochs,
            Self::DoubleTriplet => config.double_triplet.epochs,
            Self::Metric => config.metric.epochs,
        };
        let steps = n.div_ceil(config.batch_for(n)).max(1);
        if epochs == 0 { 0 } else { epochs.max(config.steps.least.div_ceil(steps)) }
    }

    /// Peak learning rate of the pathways.
    pub(crate) fn learning_rate(self, config: &TrainConfig) -> f64 {
        match self {
            Self::Contrastive => config.contrastive.learning_rate,
            Self::DoubleTriplet => config.double_triplet.learning_rate,
            Self::Metric => config.metric.learning_rate_pathways,
        }
    }
}

/// A half cosine from 1 to a fiftieth, at `progress` in [0, 1].
pub(crate) fn schedule(progress: f64) -> f64 {
    0.02 + 0.98 * 0.5 * (1.0 + (std::f64::consts::PI * progress).cos())
}
