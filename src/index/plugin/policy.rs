//! The merge policy: tantivy's, which minds deletes, or an app's own, without damaged segments.

use std::collections::HashSet;
use std::fmt;

use tantivy::SegmentMeta;
use tantivy::directory::ManagedDirectory;
use tantivy::index::SegmentId;
use tantivy::merge_policy::{LogMergePolicy, MergeCandidate, MergePolicy};

use super::cache::SegmentCache;
use crate::guard;
use crate::index::files::sound::{first_fault, names_of};

/// Share of deleted documents from which a segment is rewritten on its own.
const DELETED_SHARE: f32 = 0.3;

/// Leaves damaged segments out: a merge would fail at every commit, or give what is damaged a fresh checksum. Which of the
/// others are merged is for the policy inside.
pub struct SoundMergePolicy {
    inner: Box<dyn MergePolicy>,
    cache: SegmentCache,
    /// Where the files of candidates lie, and their kinds beyond the host's own.
    files: Option<(ManagedDirectory, Vec<String>)>,
}

impl SoundMergePolicy {
    /// tantivy's own policy, which also rewrites a segment of which 3 in 10 documents are deleted; asks `cache` which segments
    /// are damaged.
    pub fn new(cache: &SegmentCache) -> Self {
        let mut inner = LogMergePolicy::default();
        inner.set_del_docs_ratio_before_merge(DELETED_SHARE);
        Self::around(Box::new(inner), cache)
    }

    /// The app's own policy, which is shown no segment that `cache` knows to be damaged.
    ///
    /// It is asked again where a segment that it wants turns out to be damaged, so that it must answer for the segments it is
    /// shown, and for them alone; a segment that it was not shown is taken out of its answer.
    pub fn around(inner: Box<dyn MergePolicy>, cache: &SegmentCache) -> Self {
        Self { inner, cache: cache.clone(), files: None }
    }

    /// Reads all files of the segments of `index` that are about to be merged, and marks damaged segments in the cache, so
    /// that the commit says so. Without it the merge itself finds them, and fails.
    #[must_use]
    pub fn checking(self, index: &tantivy::Index) -> Self {
        let kinds = index.load_metas().map(|metas| metas.persisted_custom_extensions).unwrap_or_default();
        Self { files: Some((index.directory().clone(), kinds)), ..self }
    }

    /// Whether a merge may copy the segment; marks a damaged one.
    fn is_sound(&self, meta: &SegmentMeta) -> bool {
        let Some((directory, kinds)) = &self.files else { return true };
        let names =
            names_of(&meta.id().uuid_string(), meta.delete_opstamp(), kinds.iter().map(String::as_str));
        // This runs on a thread of the host where a panic would end the process.
        let reason = match guard::catch(|| first_fault(directory, self.cache.looked(), names)) {
            Ok(None) => return true,
            Ok(Some(fault)) if fault.unread.is_some() => {
                tracing::warn!("segment {} is left out of this merge: {}", meta.id(), fault.sentence());
                return false;
            }
            Ok(Some(fault)) => fault.sentence(),
            Err(said) => said,
        };
        self.cache.mark_damaged(meta.id(), reason);
        false
    }
}

impl fmt::Debug for SoundMergePolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SoundMergePolicy").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl MergePolicy for SoundMergePolicy {
    fn compute_merge_candidates(&self, segments: &[SegmentMeta]) -> Vec<MergeCandidate> {
        let (mut checked, mut left_out) = (HashSet::new(), HashSet::new());
        loop {
            let damaged: HashSet<SegmentId> = self.cache.damaged().into_iter().map(|(id, _)| id).collect();
            let stays = |id: &SegmentId| damaged.contains(id) || left_out.contains(id);
            let sound: Vec<SegmentMeta> =
                segments.iter().filter(|meta| !stays(&meta.id())).cloned().collect();
            let mut candidates = self.inner.compute_merge_candidates(&sound);
            // Another's policy may remember what it has seen before.
            let shown: HashSet<SegmentId> = sound.iter().map(|meta| meta.id()).collect();
            candidates.retain_mut(|merge| {
                let asked = merge.0.len();
                merge.0.retain(|id| shown.contains(id));
                // What is left alone of several is not rewritten for itself.
                !merge.0.is_empty() && (merge.0.len() == asked || merge.0.len() > 1)
            });
            let wanted: HashSet<SegmentId> =
                candidates.iter().flat_map(|merge| merge.0.iter().copied()).collect();
            let mut all_sound = true;
            for meta in sound.iter().filter(|meta| wanted.contains(&meta.id())) {
                if checked.insert(meta.id()) && !self.is_sound(meta) {
                    left_out.insert(meta.id());
                    all_sound = false;
                }
            }
            if all_sound {
                return candidates;
            }
        }
    }
}
