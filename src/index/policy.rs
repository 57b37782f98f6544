//! The merge policy: tantivy's, which minds deletes, without the segments that are known to be damaged.

use std::collections::HashSet;
use std::fmt;

use tantivy::SegmentMeta;
use tantivy::index::SegmentId;
use tantivy::merge_policy::{LogMergePolicy, MergeCandidate, MergePolicy};

use super::cache::SegmentCache;

/// Share of deleted documents from which a segment is rewritten on its own.
const DELETED_SHARE: f32 = 0.3;

/// Leaves damaged segments out, since tantivy would propose the same failing merge at every commit.
pub struct SoundMergePolicy {
    inner: LogMergePolicy,
    cache: SegmentCache,
}

impl SoundMergePolicy {
    /// A policy that asks `cache` which segments are damaged.
    pub fn new(cache: &SegmentCache) -> Self {
        let mut inner = LogMergePolicy::default();
        inner.set_del_docs_ratio_before_merge(DELETED_SHARE);
        Self { inner, cache: cache.clone() }
    }
}

impl fmt::Debug for SoundMergePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoundMergePolicy").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl MergePolicy for SoundMergePolicy {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let damaged: HashSet<SegmentId> = self.cache.damaged().into_iter().map(|(id, _)| id).collect();
        let sound: Vec<SegmentMeta> =
            segments.iter().filter(|meta| !damaged.contains(&meta.id())).cloned().collect();
        self.inner.compute_merge_candidates(&sound)
    }
}
