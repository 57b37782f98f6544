//! Merging: rows are copied in the order of the readers, those of deleted documents left out.

use std::path::Path;
use std::sync::Arc;

use tantivy::directory::TerminatingWrite;
use tantivy::index::SegmentComponent;
use tantivy::indexer::doc_id_mapping::MappingType;
use tantivy::{DocId, PluginMergeContext, SegmentReader};
use uncsm_format::{Column, Writer};

use super::cache::SegmentCache;
use super::derive::MergedRows;
use super::field::{MediaField, infos};
use super::segment::SegmentVectors;
use crate::error::{Error, ErrorCode, Result};
use crate::index::cells;
use crate::index::files::names::FIELD_TYPE;
use crate::index::files::sorted::sorting_error;
use crate::index::files::sound::{LEFT, first_fault, names_of};

const DELETED: DocId = DocId::MAX;

struct Source {
    vectors: Arc<SegmentVectors>,
    /// New document id of each old one, [`DELETED`] for those that are gone.
    documents: Vec<DocId>,
}

/// Writes the `.uvec` of the merged segment: the columns, row by row. Derived sections are not copied, since they speak of the rows
/// of one source: cells are made anew from the merged rows, where there are enough.
///
/// What is copied gets a fresh checksum, so every file of every source is read before, the host's own too, unless this process
/// has read it: on damage the merge fails, the sources stay as they are, and the segment is marked in `cache`.
pub(crate) fn merge(cache: &SegmentCache, ctx: &PluginMergeContext<'_>) -> Result<()> {
    if ctx.doc_id_mapping.mapping_type() == MappingType::Shuffled {
        return Err(sorting_error("the merge reorders documents"));
    }
    let field = MediaField::of(ctx.schema)?;
    let mut documents = 0;
    let mut sources = Vec::with_capacity(ctx.readers.len());
    for reader in ctx.readers {
        sources.push(open_sound(cache, reader, &mut documents)?);
    }
    let file = ctx
        .target_segment
        .open_write(SegmentComponent::Custom(FIELD_TYPE.into()))
        .map_err(|e| Error::from(tantivy::TantivyError::from(e)))?;
    let infos = infos(field.spec());
    let mut writer = Writer::new(file, &field.spec().space.0, &infos)?;
    for (media, info) in infos.iter().enumerate() {
        for column in Column::stored(info) {
            writer.begin(media, column)?;
            for source in &sources {
                copy_column(source, media, column, &mut writer)?;
            }
            writer.end()?;
        }
    }
    let bundle = cache.bundle(field.spec());
    for (media, info) in infos.iter().enumerate() {
        let views = sources.iter().map(|source| source.vectors.view(media)).collect();
        let stays = |source: usize, doc: u32| {
            sources[source].documents.get(doc as usize).is_some_and(|&new| new != DELETED)
        };
        let rows = MergedRows::new(views, stays);
        let place = (media, info.dim as usize);
        cache.cells(|| cells::write(place, &rows, bundle.as_deref(), &mut writer))?;
    }
    let rejected = sources.iter().map(|s| s.vectors.uvec().rejected());
    let count = rejected.clone().map(|(count, _)| count).sum();
    let reason = rejected.filter_map(|(_, reason)| reason).next();
    writer
        .finish(documents, count, reason)?
        .terminate()
        .map_err(|e| Error::new(ErrorCode::Io, e.to_string()).source(e))?;
    cache.keep(ctx.target_segment, field.spec(), documents);
    Ok(())
}

fn open_sound(cache: &SegmentCache, reader: &SegmentReader, documents: &mut DocId) -> Result<Source> {
    let damaged = |error: Error| {
        // What does not open now may do so at the next merge.
        if !matches!(error.code(), ErrorCode::Io | ErrorCode::Changed) {
            cache.mark_damaged(reader.segment_id(), error.to_string());
        }
        error
    };
    let id = reader.segment_id().uuid_string();
    let names = names_of(&id, reader.delete_opstamp(), [FIELD_TYPE]);
    if let Some(fault) = first_fault(reader.index().directory(), cache.looked(), names) {
        if fault.unread.is_some() {
            return Err(fault.error(Path::new("")));
        }
        cache.mark_damaged(reader.segment_id(), fault.sentence());
        return Err(fault.error(Path::new("")).hint(LEFT));
    }
    let vectors = cache.get(reader).map_err(damaged)?;
    let mut new_ids = vec![DELETED; reader.max_doc() as usize];
    for doc in reader.doc_ids_alive() {
        new_ids[doc as usize] = *documents;
        *documents += 1;
    }
    Ok(Source { vectors, documents: new_ids })
}

fn copy_column<W: std::io::Write>(
    source: &Source,
    media: usize,
    column: Column,
    writer: &mut Writer<W>,
) -> Result<()> {
    let view = source.vectors.view(media);
    if column == Column::Docs {
        for &doc in view.docs {
            let new = source.documents[doc as usize];
            if new != DELETED {
                writer.write(&new.to_le_bytes())?;
            }
        }
        return Ok(());
    }
    if view.is_empty() {
        return Ok(());
    }
    let bytes = source.vectors.uvec().column_bytes(media, column);
    let row = bytes.len() / view.len();
    let mut start = 0;
    // Runs of surviving rows, so that a segment without deletes is one write.
    for at in 0..=view.len() {
        let alive = view.docs.get(at).is_some_and(|&doc| source.documents[doc as usize] != DELETED);
        if !alive {
            if start < at {
                writer.write(&bytes[start * row..at * row])?;
            }
            start = at + 1;
        }
    }
    Ok(())
}
