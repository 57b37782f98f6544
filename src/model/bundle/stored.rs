//! The configuration of a bundle as its file holds it.

use std::ops::RangeInclusive;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Bundle, ClassNames, MediaConfig};
use crate::error::{Error, ErrorCode};
use crate::media::Fingerprint;
use crate::model::calibration::Calibration;
use crate::model::fusion::FusionLayer;
use crate::model::metric::Target;

/// Versions that are read. 1 is 0 with parts that a reader of 0 does not know.
pub(super) const VERSIONS: RangeInclusive<u32> = 0..=1;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Config {
    pub(super) format: String,
    pub(super) version: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fingerprint: Option<Fingerprints>,
    pub(super) media: Vec<MediaConfig>,
    pub(super) classes: Option<ClassNames>,
    pub(super) default_target: Target,
    pub(super) posterior_scale: f32,
    pub(super) dim: usize,
    pub(super) half: usize,
    /// Of the hub terms; left out where there are no anchors, as their tensors are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) hub_temperature: Option<f32>,
    pub(super) targets: Vec<Target>,
    pub(super) calibration: Vec<CalibrationEntry>,
    /// Per pair `a <= b` of media types: of queries of `a` over items of `b`, and the other way round.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) posterior_calibration: Vec<[Option<Calibration>; 2]>,
    /// Left out where there is none, so that the bytes and the fingerprint of such a bundle stay what they were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) fusion: Option<FusionLayer>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fingerprints {
    pub(super) space: Fingerprint,
    pub(super) model: Fingerprint,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CalibrationEntry {
    pub(super) target: Target,
    pub(super) query: String,
    pub(super) item: String,
    pub(super) fit: Option<Calibration>,
}

/// What says whether the rest may be read.
#[derive(Deserialize)]
pub(super) struct Preamble {
    pub(super) format: Option<String>,
    pub(super) version: Option<u64>,
}

pub(super) fn damaged(file: &Path, message: impl Into<String>) -> Error {
    Error::new(ErrorCode::Damaged, message).file(file)
}

impl Bundle {
    /// The least version that has all of its parts, so that files of bundles without newer ones stay as they were.
    pub(super) fn version(&self) -> u32 {
        let has_hubs = !self.metric.hubs.is_empty();
        let has_kernel = self.pathways.iter().any(|pathway| pathway.kernel.is_some());
        let deep = || self.pathways.iter().filter_map(|pathway| pathway.deep.as_ref());
        let has_skips = deep().any(|deep| !deep.skip.is_empty());
        let of_heads = self.metric.heads.iter().flat_map(|head| head.calibration);
        let has_rates = of_heads
            .chain(self.posterior_fits.iter().copied().flatten())
            .flatten()
            .any(|fit| fit.rate.is_some());
        let has_samples = self.samples.iter().any(|samples| !samples.is_empty());
        u32::from(has_hubs || has_kernel || has_skips || has_rates || has_samples)
    }

    /// What the file of the configuration holds.
    pub(super) fn config(&self, fingerprint: Option<Fingerprints>) -> Config {
        let mut calibration = Vec::new();
        for head in &self.metric.heads {
            for (query, item, fit) in
                [(head.a, head.b, head.calibration[0]), (head.b, head.a, head.calibration[1])]
            {
                if query == item
                    && calibration.last().is_some_and(|last: &CalibrationEntry| {
                        last.target == head.target
                            && last.query == last.item
                            && last.query == self.media[query].name
                    })
                {
                    continue;
                }
                calibration.push(CalibrationEntry {
                    target: head.target,
                    query: self.media[query].name.clone(),
                    item: self.media[item].name.clone(),
                    fit,
                });
            }
        }
        Config {
            format: "uncsm-bundle".to_owned(),
            version: self.version(),
            fingerprint,
            media: self.media.clone(),
            classes: self.classes.clone(),
            default_target: self.default_target,
            posterior_scale: self.posterior_scale,
            dim: self.metric.dim,
            half: self.metric.half,
            hub_temperature: (!self.metric.hubs.is_empty()).then_some(self.metric.hubs.temperature),
            targets: self.metric.targets.clone(),
            calibration,
            posterior_calibration: self.posterior_fits.clone(),
            fusion: self.fusion,
        }
    }

    /// The bytes of the configuration that the `model` fingerprint covers.
    pub(crate) fn config_without_fingerprints(&self) -> Vec<u8> {
        // Strings, numbers and lists alone: serialising them does not fail.
        serde_json::to_vec(&self.config(None)).unwrap_or_default()
    }
}
