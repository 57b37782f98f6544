//! The tensors of a bundle in their order, and the fingerprints over them.

use super::tensors::Named;
use super::{Bundle, Known};
use crate::media::Fingerprint;

impl Bundle {
    /// Sets the two fingerprints from the parts.
    pub(crate) fn sealed(mut self) -> Self {
        (self.space, self.model) = self.fingerprints();
        self.known = Known::default();
        self
    }

    /// `(space, model)` of the parts as they are.
    pub(crate) fn fingerprints(&self) -> (Fingerprint, Fingerprint) {
        let tensors = self.tensors();
        let mut space_config = serde_json::json!({
            "media": self.media,
            "classes": self.classes.as_ref().map_or(0, |classes| classes.count),
            "posterior_scale": self.posterior_scale,
            "dtype": "f16",
        });
        // Left out where there is none, so that fingerprints of such bundles stay what they were.
        if !self.metric.hubs.is_empty() {
            space_config["hub_temperature"] = self.metric.hubs.temperature.into();
        }
        let mut parts: Vec<Vec<u8>> = vec![space_config.to_string().into_bytes()];
        let digest = |parts: &mut Vec<Vec<u8>>, in_space: bool| {
            for tensor in tensors.iter().filter(|tensor| tensor.space == in_space) {
                parts.push(tensor.name.clone().into_bytes());
                parts.push(format!("{:?}", tensor.shape).into_bytes());
                parts.push(tensor.bytes());
            }
        };
        digest(&mut parts, true);
        let space = Fingerprint::of(parts.iter().map(Vec::as_slice));
        let mut rest: Vec<Vec<u8>> = vec![space.0.to_vec(), self.config_without_fingerprints()];
        digest(&mut rest, false);
        (space, Fingerprint::of(rest.iter().map(Vec::as_slice)))
    }

    /// [`Bundle::score`] of the parts as they are.
    pub(super) fn score_of_parts(&self) -> Fingerprint {
        let mut parts = vec![b"score".to_vec(), self.space.0.to_vec()];
        for tensor in self.head_tensors() {
            parts.push(tensor.name.clone().into_bytes());
            parts.push(format!("{:?}", tensor.shape).into_bytes());
            parts.push(tensor.bytes());
        }
        Fingerprint::of(parts.iter().map(Vec::as_slice))
    }

    /// All tensors in the order of the flow.
    pub(crate) fn tensors(&self) -> Vec<Named<'_>> {
        let (d, h) = (self.metric.dim, self.metric.half);
        let unit = self.metric.hubs.unit;
        let mut out = Vec::new();
        for (m, (config, p)) in self.media.iter().zip(&self.pathways).enumerate() {
            if config.state > 0 {
                let name = format!("encoder.{m}.state");
                out.push(Named::new(name, &[config.state], &self.encoder_states[m], true));
            }
            out.extend(p.tensors(m, config.features));
            out.push(Named::new(format!("metric.half.{m}"), &[h, d], &self.metric.halves[m], true));
            if let Some(anchors) = self.metric.hubs.anchors.get(m).filter(|anchors| !anchors.is_empty()) {
                out.push(Named::new(format!("metric.hub.{m}"), &[anchors.len() / unit, unit], anchors, true));
            }
        }
        out.extend(self.head_tensors());
        out.extend(self.sample_tensors());
        out
    }

    /// Those of the heads.
    fn head_tensors(&self) -> Vec<Named<'_>> {
        let (d, h) = (self.metric.dim, self.metric.half);
        let mut out = Vec::new();
        for head in &self.metric.heads {
            let mut push = |part: &str, shape: &[usize], data| {
                let name = format!("metric.{}.{}.{}.{part}", head.target.as_str(), head.a, head.b);
                out.push(Named::new(name, shape, data, false));
            };
            push("bilinear", &[d, d], &head.bilinear);
            push("weights", &[h], &head.weights);
            push("shift", &[h], &head.shift);
            push("bias", &[1], std::slice::from_ref(&head.bias));
            if head.a != head.b && !self.metric.hubs.is_empty() {
                push("hub", &[1], std::slice::from_ref(&head.hub));
            }
        }
        out
    }
}
