//! Finding a live document by its id, and the stored rows of its items.

use std::path::PathBuf;
use std::sync::Arc;

use tantivy::collector::DocSetCollector;
use tantivy::postings::Postings;
use tantivy::query::ConstScoreQuery;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocAddress, Searcher, TERMINATED};

use super::store::Index;
use crate::error::{Error, ErrorCode, Result};
use crate::index::files::guarded::guarded;
use crate::index::plugin::id::IdField;
use crate::index::plugin::segment::SegmentVectors;

/// Address of the live document whose field `id`, of strings or of `u64`, is exactly `value`; `None` where there is none.
/// Cost: a look-up of a term in each segment; a walk over the column where the field is not indexed as a whole.
///
/// # Errors
/// Those of [`IdField::of`] and [`IdField::term`]; [`ErrorCode::Damaged`] where terms or postings do not read.
pub fn find_document(searcher: &Searcher, id: Field, value: &str) -> Result<Option<DocAddress>> {
    guarded([], || find_unguarded(searcher, id, value))
}

fn find_unguarded(searcher: &Searcher, id: Field, value: &str) -> Result<Option<DocAddress>> {
    let id = IdField::of(searcher.schema(), searcher.schema().get_field_name(id))?;
    find_in(searcher, &id, value)
}

fn find_in(searcher: &Searcher, id: &IdField, value: &str) -> Result<Option<DocAddress>> {
    if !id.has_terms() {
        let query = ConstScoreQuery::new(id.query(value)?, 0.0);
        let found = searcher.search(&query, &DocSetCollector)?;
        return Ok(found.into_iter().min());
    }
    let (term, field) = (id.term(value)?, id.field());
    let damaged = |e: std::io::Error| Error::new(ErrorCode::Damaged, format!("id terms: {e}")).source(e);
    for (ord, reader) in searcher.segment_readers().iter().enumerate() {
        let postings =
            reader.inverted_index(field)?.read_postings(&term, IndexRecordOption::Basic).map_err(damaged)?;
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

/// The numbers of an item as an index has them, as f32.
pub(crate) struct StoredRow {
    pub(crate) vector: Vec<f32>,
    pub(crate) half: Vec<f32>,
    pub(crate) hubs: Vec<f32>,
}

/// What an index holds before a change, to spare encoding what has not changed.
pub(crate) struct Snapshot {
    searcher: Searcher,
    /// By segment; held, since commits on the way let merges take the files away.
    vectors: Vec<Arc<SegmentVectors>>,
    id: IdField,
    dir: PathBuf,
}

impl Snapshot {
    /// What the last commit of `index` holds.
    pub(crate) fn new(index: &Index, id: Field) -> Result<Self> {
        let searcher = index.reader()?.searcher();
        let id = IdField::of(searcher.schema(), searcher.schema().get_field_name(id))?;
        let vectors = searcher.segment_readers().iter().map(|reader| index.cache().get(reader));
        let vectors = vectors.collect::<Result<_>>()?;
        Ok(Self { vectors, searcher, id, dir: index.dir().to_path_buf() })
    }

    fn find(&self, id: &str) -> Result<Option<DocAddress>> {
        guarded([self.dir.as_path()], || find_in(&self.searcher, &self.id, id))
    }

    /// Whether document `id` has an item of this content.
    pub(crate) fn has(&self, id: &str, media: usize, hash: &[u8; 16]) -> Result<bool> {
        let Some(address) = self.find(id)? else { return Ok(false) };
        let view = self.vectors[address.segment_ord as usize].view(media);
        Ok(view.items_of(address.doc_id).any(|row| view.hashes[row] == *hash))
    }

    /// The item of document `id` with this content.
    pub(crate) fn row(&self, id: &str, media: usize, hash: &[u8; 16]) -> Result<Option<StoredRow>> {
        let Some(address) = self.find(id)? else { return Ok(None) };
        let view = self.vectors[address.segment_ord as usize].view(media);
        let Some(row) = view.items_of(address.doc_id).find(|&row| view.hashes[row] == *hash) else {
            return Ok(None);
        };
        let (mut vector, mut half) = (vec![0.0; view.dim], vec![0.0; view.half]);
        view.vector_into(row, &mut vector);
        view.half_into(row, &mut half);
        Ok(Some(StoredRow { vector, half, hubs: view.hubs_of(row).to_vec() }))
    }
}
