//! The writer: tantivy's, with the fingerprint in every commit and the directory synced after it.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;
use tantivy::index::SegmentId;
use tantivy::schema::Field;
use tantivy::{IndexWriter, Opstamp, SegmentMeta, TantivyDocument};

use crate::error::{Error, ErrorCode, Result};
use crate::index::dir::layout::SHARD;
use crate::index::files::change;
use crate::index::files::guarded::guarded;
use crate::index::files::names::{self, FIELD_TYPE};
use crate::index::files::sound::{Changing, LEFT, first_fault, names_of};
use crate::index::plugin::cache::SegmentCache;
use crate::index::plugin::id::IdField;
use crate::index::plugin::policy::SoundMergePolicy;
use crate::media::Fingerprint;

/// Adds and deletes documents; what was added is visible after [`Writer::commit`].
pub struct Writer {
    inner: IndexWriter,
    cache: SegmentCache,
    id: Option<Field>,
    dir: Option<PathBuf>,
    payload: serde_json::Value,
    /// Whether the host has panicked in a change: what it holds since is in no known state.
    broken: bool,
    /// Whether a change has begun, so that the index is no part any more.
    begun: AtomicBool,
    _changing: Option<Changing>,
}

/// What a commit says.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CommitReport {
    /// tantivy's stamp of the commit.
    pub opstamp: Opstamp,
    /// Damaged segments that merges have left as they are, with the first reason; empty when all is sound.
    pub damaged: Vec<(String, String)>,
}

impl Writer {
    /// A writer with one indexing thread, so that the order of documents is that of [`Writer::add`], on an index whose
    /// plugin shares `cache`. Files that a killed writer left behind are collected.
    ///
    /// `memory` is tantivy's budget in bytes (at least 15 MB); `id` the field that [`Writer::delete_id`] looks in, of strings or of
    /// `u64`.
    ///
    /// # Errors
    /// [`crate::ErrorCode::Locked`] while another writer is open; those of [`check_registered`](crate::index::plugin::registered::check_registered),
    /// and tantivy's own.
    pub fn new(
        index: &tantivy::Index,
        cache: &SegmentCache,
        id: Option<Field>,
        fingerprints: (Fingerprint, Fingerprint),
        memory: usize,
    ) -> Result<Self> {
        Self::checked(index, cache, id, fingerprints, memory, || Ok(()))
    }

    /// As [`Writer::new`]; `check` is asked when the lock is held and nothing is written.
    pub(crate) fn checked(
        index: &tantivy::Index,
        cache: &SegmentCache,
        id: Option<Field>,
        fingerprints: (Fingerprint, Fingerprint),
        memory: usize,
        check: impl FnOnce() -> Result<()>,
    ) -> Result<Self> {
        crate::index::files::sorted::refuse_sorting(index.settings())?;
        crate::index::plugin::registered::check_registered(index)?;
        let inner: IndexWriter = index.writer_with_num_threads(1, memory).map_err(|e| {
            let error = Error::from(e);
            let locked = error.code() == ErrorCode::Locked;
            if locked { error.hint("wait for the other writer of this index to end") } else { error }
        })?;
        check()?;
        inner.set_merge_policy(Box::new(SoundMergePolicy::new(cache).checking(index)));
        inner.garbage_collect_files().wait()?;
        let (space, model) = fingerprints;
        let payload = serde_json::json!({
            "format_version": uncsm_format::FORMAT_VERSION, "space": space, "model": model,
        });
        Ok(Self {
            inner,
            cache: cache.clone(),
            id,
            dir: None,
            payload,
            broken: false,
            begun: AtomicBool::new(false),
            _changing: None,
        })
    }

    /// Names files in errors from outside of `dir`, whose files are looked at as `changing` says while this is open.
    pub(crate) fn within(self, dir: &Path, changing: Changing) -> Self {
        Self { dir: Some(dir.to_path_buf()), _changing: Some(changing), ..self }
    }

    /// Refuses what comes after a panic.
    fn usable(&self) -> Result<()> {
        if !self.broken {
            return Ok(());
        }
        let error = Error::new(ErrorCode::Damaged, "the writer met damage in a change and takes no more");
        let error = match &self.dir {
            Some(dir) => error.file(dir),
            None => error,
        };
        Err(error.hint("the last commit stands: run `verify`, then open the index anew"))
    }

    /// What is changed is no part any more. Asked before the first change: from the first document on the host may merge what is
    /// committed.
    fn begin(&self) -> Result<()> {
        let Some(dir) = self.dir.as_ref().filter(|_| !self.begun.load(Ordering::Relaxed)) else {
            return Ok(());
        };
        let list = dir.join(SHARD);
        match change::remove_file(&list) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(list, error)),
            _ => self.begun.store(true, Ordering::Relaxed),
        }
        Ok(())
    }

    /// Runs `work`, which changes the index; its errors name a file of the index, where one is damaged.
    fn guarded<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.usable()?;
        self.begin()?;
        let dir = self.dir.clone();
        let mut ended = false;
        let result = guarded(dir.as_deref(), || {
            let result = work(self);
            ended = true;
            result
        });
        self.broken = !ended;
        result.map_err(|error| match &dir {
            Some(dir) => names::within(error, dir),
            None => error,
        })
    }

    /// Queues a document.
    ///
    /// # Errors
    /// tantivy's, when its indexing thread has ended.
    pub fn add(&self, document: TantivyDocument) -> Result<Opstamp> {
        self.usable()?;
        self.begin()?;
        Ok(self.inner.add_document(document)?)
    }

    /// Queues the deletion of every document of this id that was added before.
    ///
    /// # Errors
    /// [`crate::ErrorCode::BadArgument`] in an index without an id field; those of [`IdField::of`] and [`IdField::term`].
    pub fn delete_id(&self, id: &str) -> Result<Opstamp> {
        self.usable()?;
        let field = self.id.ok_or_else(|| {
            Error::new(ErrorCode::BadArgument, "the index has no id field")
                .hint("delete through tantivy's own writer")
        })?;
        let schema = self.inner.index().schema();
        let field = IdField::of(&schema, schema.get_field_name(field))?;
        self.begin()?;
        if field.has_terms() {
            return Ok(self.inner.delete_term(field.term(id)?));
        }
        Ok(self.inner.delete_query(field.query(id)?)?)
    }

    /// Queues the deletion of every document that matches `query` and was added before.
    ///
    /// # Errors
    /// tantivy's.
    pub fn delete_query(&self, query: Box<dyn tantivy::query::Query>) -> Result<Opstamp> {
        self.usable()?;
        self.begin()?;
        Ok(self.inner.delete_query(query)?)
    }

    /// Makes everything so far durable and visible, or nothing of it.
    ///
    /// # Errors
    /// tantivy's: the old state stays then. Where only the sync of the directory fails, the new one may not survive a loss
    /// of power.
    pub fn commit(&mut self) -> Result<CommitReport> {
        self.commit_with(&self.payload.to_string())
    }

    /// As [`Writer::commit`], with how far a build has come in the payload: the next plain commit drops it.
    pub(crate) fn commit_at(&mut self, checkpoint: &impl Serialize) -> Result<CommitReport> {
        let mut payload = self.payload.clone();
        payload["build"] = serde_json::to_value(checkpoint)
            .map_err(|e| Error::new(ErrorCode::BadValue, format!("checkpoint: {e}")).source(e))?;
        self.commit_with(&payload.to_string())
    }

    fn commit_with(&mut self, payload: &str) -> Result<CommitReport> {
        let opstamp = self.guarded(|writer| {
            let mut prepared = writer.inner.prepare_commit()?;
            prepared.set_payload(payload);
            let opstamp = prepared.commit()?;
            sync(writer.inner.index())?;
            Ok(opstamp)
        })?;
        let damaged = damaged(&self.cache);
        for (segment, reason) in &damaged {
            tracing::warn!("segment {segment} is damaged and is left out of merges: {reason}");
        }
        Ok(CommitReport { opstamp, damaged })
    }

    /// Merges all segments into one and drops deleted documents.
    ///
    /// # Errors
    /// Those of a merge; a damaged segment makes it fail and stays as it is.
    pub fn merge_all(&mut self) -> Result<()> {
        self.guarded(Self::merge_unguarded)
    }

    /// From now on segments stay as they are unless [`Writer::merge`] is called.
    pub(crate) fn merge_nothing(&self) {
        self.inner.set_merge_policy(Box::new(tantivy::merge_policy::NoMergePolicy));
    }

    /// Merges the committed `segments` into one, without their deleted documents; of one alone, writes it anew.
    ///
    /// # Errors
    /// Those of a merge; a damaged segment makes it fail and stays as it is.
    pub(crate) fn merge(&mut self, segments: &[SegmentId]) -> Result<()> {
        self.guarded(|writer| {
            let mut metas = writer.inner.index().searchable_segment_metas()?;
            metas.retain(|meta| segments.contains(&meta.id()));
            writer.check(&metas)?;
            drop(metas);
            writer.inner.merge(segments).wait()?;
            sync(writer.inner.index())
        })
    }

    fn merge_unguarded(&mut self) -> Result<()> {
        let metas = self.inner.index().searchable_segment_metas()?;
        if metas.len() > 1 || metas.iter().any(|meta| meta.has_deletes()) {
            self.check(&metas)?;
            let segments: Vec<_> = metas.iter().map(|meta| meta.id()).collect();
            self.inner.merge(&segments).wait()?;
            self.inner.garbage_collect_files().wait()?;
        }
        sync(self.inner.index())
    }

    /// Refuses to merge a damaged segment, and marks it.
    fn check(&self, metas: &[SegmentMeta]) -> Result<()> {
        for meta in metas {
            let names = names_of(&meta.id().uuid_string(), meta.delete_opstamp(), [FIELD_TYPE]);
            if let Some(fault) = first_fault(self.inner.index().directory(), self.cache.looked(), names) {
                let error = fault.error(self.dir.as_deref().unwrap_or(Path::new("")));
                if fault.unread.is_some() {
                    return Err(error);
                }
                self.cache.mark_damaged(meta.id(), fault.sentence());
                return Err(error.hint(LEFT));
            }
        }
        Ok(())
    }

    /// Waits for merges that run in the background; says which segments they found damaged, with the first reason.
    ///
    /// # Errors
    /// tantivy's, when a merge thread has panicked.
    pub fn finish(self) -> Result<Vec<(String, String)>> {
        let Self { inner, cache, dir, .. } = self;
        guarded(dir.as_deref(), || {
            let index = inner.index().clone();
            inner.wait_merging_threads()?;
            sync(&index)
        })?;
        Ok(damaged(&cache))
    }

    /// Why the host's indexing thread has ended, where it has; nothing is committed.
    pub(crate) fn cause(&mut self) -> Option<Error> {
        if self.broken {
            return None;
        }
        let error = self.inner.prepare_commit().err().map(Error::from);
        error.filter(|error| error.code() != ErrorCode::Engine)
    }

    /// The host's writer. Of a part of a source it makes an index that is none.
    pub fn tantivy(&self) -> &IndexWriter {
        if let Err(error) = self.begin() {
            tracing::warn!("the index still says that it is a part of a source: {error}");
        }
        &self.inner
    }
}

/// The rename of meta.json is durable only once its directory is.
fn sync(index: &tantivy::Index) -> Result<()> {
    tantivy::Directory::sync_directory(index.directory())
        .map_err(|e| Error::new(ErrorCode::Io, format!("directory sync after commit: {e}")).source(e))
}

fn damaged(cache: &SegmentCache) -> Vec<(String, String)> {
    cache.damaged().into_iter().map(|(id, why)| (id.uuid_string(), why)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index::dir::store::Index;
    use crate::model::Bundle;
    use crate::schema::FieldSchema;

    #[test]
    fn a_writer_takes_no_more_after_a_panic() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("index");
        let bundle = Bundle::random(&[("image", 6), ("text", 5)], 12, 7, 0, 3);
        let index = Index::create(&dir, &FieldSchema::default(), &bundle).unwrap();
        let mut writer = index.writer(20_000_000).unwrap();
        writer.commit().unwrap();
        let refused: Result<()> = writer.guarded(|_| Err(Error::new(ErrorCode::BadValue, "no panic")));
        assert_eq!(refused.unwrap_err().code(), ErrorCode::BadValue);
        writer.add(TantivyDocument::default()).unwrap();
        let error = writer.guarded(|_| -> Result<()> { panic!("in a change") }).unwrap_err();
        assert!(error.to_string().contains("in a change"), "{error}");
        let errors = [
            writer.add(TantivyDocument::default()).unwrap_err(),
            writer.delete_query(Box::new(tantivy::query::AllQuery)).unwrap_err(),
            writer.commit().unwrap_err(),
            writer.merge_all().unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.code(), ErrorCode::Damaged);
            assert!(error.to_string().contains("takes no more"), "{error}");
        }
        drop(writer);
        assert_eq!(index.reader().unwrap().searcher().num_docs(), 0);
        index.writer(20_000_000).unwrap().commit().unwrap();
    }
}
