//! What lies in a mapped bundle and was not read yet: each part is compared with its checksum before it is first used.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::Bundle;
use super::stored::damaged;
use crate::error::Result;
use crate::media::Fingerprint;
use crate::model::floats::Map;
use crate::model::metric::Target;

/// What follows from a bundle, or is known of its files, and is no part of it: equal bundles may differ here.
#[derive(Clone, Default)]
pub(crate) struct Known {
    /// `None` where everything was read when it was loaded.
    parts: Option<Arc<Parts>>,
    /// [`Bundle::score`], once it was asked for.
    pub(super) score: OnceLock<Fingerprint>,
}

impl PartialEq for Known {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Known(mapped: {})", self.parts.is_some())
    }
}

impl Known {
    /// Of a mapped bundle.
    pub(super) fn mapped(parts: Parts) -> Self {
        Self { parts: Some(Arc::new(parts)), score: OnceLock::new() }
    }
}

/// The tensors of a mapped file, in groups that are used together.
pub(super) struct Parts {
    map: Map,
    file: PathBuf,
    groups: BTreeMap<String, Group>,
}

#[derive(Default)]
struct Group {
    /// Name, place and CRC-32 of each.
    tensors: Vec<(String, Range<usize>, u32)>,
    is_sound: AtomicBool,
}

impl Parts {
    pub(super) fn new(map: Map, file: &Path, tensors: Vec<(String, Range<usize>, u32)>) -> Self {
        let mut groups = BTreeMap::<String, Group>::new();
        for tensor in tensors {
            groups.entry(group_of(&tensor.0).to_owned()).or_default().tensors.push(tensor);
        }
        Self { map, file: file.to_path_buf(), groups }
    }

    /// Reads a group, the first time that it is asked for; one that is not there has no tensors.
    fn check(&self, name: &str) -> Result<()> {
        self.groups.get(name).map_or(Ok(()), |group| self.read(group))
    }

    fn read(&self, group: &Group) -> Result<()> {
        if group.is_sound.load(Ordering::Relaxed) {
            return Ok(());
        }
        for (name, range, crc) in &group.tensors {
            check(&self.file, name, self.map.get(range.clone()).unwrap_or_default(), *crc)?;
        }
        group.is_sound.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Compares the bytes of a tensor with its checksum.
pub(super) fn check(file: &Path, name: &str, bytes: &[u8], crc: u32) -> Result<()> {
    if crc32fast::hash(bytes) == crc {
        return Ok(());
    }
    Err(damaged(file, format!("the checksum of tensor `{name}` does not match"))
        .hint("bring the folder back from a copy, or build the index again"))
}

/// `pathway.0` of `pathway.0.kernel.width`: a media type, or a head, is used whole.
fn group_of(tensor: &str) -> &str {
    let parts = match tensor.split('.').next() {
        Some("pathway" | "encoder") => 2,
        Some("metric") if !tensor.starts_with("metric.half.") && !tensor.starts_with("metric.hub.") => 4,
        _ => return tensor,
    };
    let end = tensor.match_indices('.').nth(parts - 1).map_or(tensor.len(), |(at, _)| at);
    &tensor[..end]
}

impl Bundle {
    /// Reads what was mapped and not used yet: all of it is what was saved. Cost: a read of the file, once.
    ///
    /// # Errors
    /// [`Damaged`](crate::ErrorCode::Damaged), naming the tensor.
    pub(crate) fn check(&self) -> Result<()> {
        let Some(parts) = &self.known.parts else { return Ok(()) };
        parts.groups.values().try_for_each(|group| parts.read(group))
    }

    /// The same of what [`Bundle::project`] reads for a media type.
    pub(crate) fn check_pathway(&self, media: usize) -> Result<()> {
        let Some(parts) = &self.known.parts else { return Ok(()) };
        parts.check(&format!("pathway.{media}"))
    }

    /// The same of what a query of one media type over items of another reads.
    pub(crate) fn check_head(&self, target: Target, query: usize, item: usize) -> Result<()> {
        let Some(parts) = &self.known.parts else { return Ok(()) };
        let (a, b) = (query.min(item), query.max(item));
        parts.check(&format!("metric.{}.{a}.{b}", target.as_str()))?;
        parts.check(&format!("metric.half.{query}"))?;
        match self.metric.hub_weight(target, query, item) != 0.0 {
            true => parts.check(&format!("metric.hub.{item}")),
            false => Ok(()),
        }
    }

    /// The same of what [`Bundle::store`] reads.
    pub(crate) fn check_store(&self) -> Result<()> {
        let Some(parts) = &self.known.parts else { return Ok(()) };
        let is_read = |name: &str| name.starts_with("metric.half.") || name.starts_with("metric.hub.");
        parts.groups.iter().filter(|(name, _)| is_read(name)).try_for_each(|(_, group)| parts.read(group))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_and_a_head_are_groups() {
        for (tensor, group) in [
            ("pathway.12.kernel.shares.unit", "pathway.12"),
            ("encoder.0.state", "encoder.0"),
            ("metric.class.0.1.bilinear", "metric.class.0.1"),
            ("metric.half.3", "metric.half.3"),
            ("metric.hub.0", "metric.hub.0"),
            ("sample.1", "sample.1"),
            ("pathway", "pathway"),
        ] {
            assert_eq!(group_of(tensor), group);
        }
    }
}
