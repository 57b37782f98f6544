//! Finding a live document by its id, and the stored rows of its items.

use tantivy::postings::Postings;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, Searcher, TERMINATED, Term};

use super::segment::SegmentCache;
use crate::error::{Error, ErrorCode, Result};

/// Address of the live document whose field `id` is exactly `value`; `None` where there is none.
///
/// # Errors
/// [`ErrorCode::Damaged`] where terms or postings do not read.
pub fn find_document(searcher: &Searcher, id: Field, value: &str) -> Result<Option<DocAddress>> {
    let term = Term::from_field_text(id, value);
    let damaged = |e: std::io::Error| Error::new(ErrorCode::Damaged, format!("id terms: {e}")).source(e);
    for (ord, reader) in searcher.segment_readers().iter().enumerate() {
        let postings =
            reader.inverted_index(id)?.read_postings(&term, IndexRecordOption::Basic).map_err(damaged)?;
        let Some(mut postings) = postings else { continue };
        if let Some(doc) = first_live(&mut postings, reader) {
            return Ok(Some(DocAddress::new(ord as u32, doc)));
        }
    }
    Ok(None)
}

fn first_live(postings: &mut impl Postings, reader: &tantivy::SegmentReader) -> Option<tantivy::DocId> {
    while postings.doc() != TERMINATED {
        if !reader.is_deleted(postings.doc()) {
            return Some(postings.doc());
        }
        postings.advance();
    }
    None
}

/// What an index holds before a change, to spare encoding what has not changed.
pub(super) struct Snapshot<'a> {
    pub(super) searcher: Searcher,
    pub(super) cache: &'a SegmentCache,
    pub(super) id: Field,
}

impl Snapshot<'_> {
    /// Whether document `id` has an item of this content.
    pub(super) fn has(&self, id: &str, media: usize, hash: &[u8; 16]) -> Result<bool> {
        let Some(address) = find_document(&self.searcher, self.id, id)? else { return Ok(false) };
        let vectors = self.cache.get(self.searcher.segment_reader(address.segment_ord))?;
        let view = vectors.view(media);
        Ok(view.items_of(address.doc_id).any(|row| view.hashes[row] == *hash))
    }

    /// Shared vector and half of an item of document `id` with this content, as f32.
    pub(super) fn row(
        &self,
        id: &str,
        media: usize,
        hash: &[u8; 16],
    ) -> Result<Option<(Vec<f32>, Vec<f32>)>> {
        let Some(address) = find_document(&self.searcher, self.id, id)? else { return Ok(None) };
        let vectors = self.cache.get(self.searcher.segment_reader(address.segment_ord))?;
        let view = vectors.view(media);
        let Some(row) = view.items_of(address.doc_id).find(|&row| view.hashes[row] == *hash) else {
            return Ok(None);
        };
        let (mut vector, mut half) = (vec![0.0; view.dim], vec![0.0; view.half]);
        view.vector_into(row, &mut vector);
        view.half_into(row, &mut half);
        Ok(Some((vector, half)))
    }
}
