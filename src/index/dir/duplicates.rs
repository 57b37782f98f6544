//! Ids that more than one live document has, found from the id terms: memory does not grow with the documents.

use std::collections::BTreeMap;

use tantivy::postings::Postings;
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::termdict::TermMerger;
use tantivy::{Searcher, TERMINATED};

use crate::error::{Error, ErrorCode, Result};
use crate::index::plugin::id::IdField;

/// At most `limit` ids of field `id` that several live documents have, in order. Cost: one walk over
/// the id terms; where ids are in a column alone, memory grows with the documents.
///
/// # Errors
/// Those of [`IdField::of`]; [`ErrorCode::Damaged`] where terms or postings do not read.
pub fn duplicate_ids(searcher: &Searcher, id: Field, limit: usize) -> Result<Vec<String>> {
    let id = IdField::of(searcher.schema(), searcher.schema().get_field_name(id))?;
    duplicates_of(searcher, &id, limit)
}

/// As [`duplicate_ids`].
///
/// # Errors
/// Those of [`duplicate_ids`].
pub(crate) fn duplicates_of(searcher: &Searcher, id: &IdField, limit: usize) -> Result<Vec<String>> {
    if id.has_terms() {
        return in_terms(searcher, id.field(), limit, |key| id.of_key(key));
    }
    let mut seen: BTreeMap<String, bool> = BTreeMap::new();
    for reader in searcher.segment_readers() {
        let Some(column) = id.column(reader)? else { continue };
        let mut keys: Vec<u128> = reader.doc_ids_alive().filter_map(|doc| column.key(doc)).collect();
        keys.sort_unstable();
        let mut distinct = keys.clone();
        distinct.dedup();
        for (key, id) in column.ids(&distinct)? {
            let here =
                keys.partition_point(|other| *other <= key) - keys.partition_point(|other| *other < key);
            seen.entry(id).and_modify(|twice| *twice = true).or_insert(here > 1);
        }
    }
    Ok(seen.into_iter().filter(|(_, twice)| *twice).map(|(id, _)| id).take(limit).collect())
}

fn in_terms(
    searcher: &Searcher,
    id: Field,
    limit: usize,
    name: impl Fn(&[u8]) -> String,
) -> Result<Vec<String>> {
    let readers = searcher.segment_readers();
    let damaged = |e: std::io::Error| Error::new(ErrorCode::Damaged, format!("id terms: {e}")).source(e);
    let inverted =
        readers.iter().map(|reader| reader.inverted_index(id)).collect::<tantivy::Result<Vec<_>>>()?;
    let streams = inverted.iter().map(|index| index.terms().stream()).collect::<std::io::Result<Vec<_>>>();
    let mut merger = TermMerger::new(streams.map_err(damaged)?);
    let mut found = Vec::new();
    while found.len() < limit && merger.advance() {
        let infos: Vec<_> = merger.current_segment_ords_and_term_infos().collect();
        // Frequencies count deleted documents, so they only say where to look closer.
        if infos.iter().map(|(_, info)| u64::from(info.doc_freq)).sum::<u64>() < 2 {
            continue;
        }
        let mut live = 0;
        for (ord, info) in &infos {
            let mut postings = inverted[*ord]
                .read_postings_from_terminfo(info, IndexRecordOption::Basic)
                .map_err(damaged)?;
            live += count_live(&mut postings, &readers[*ord]);
        }
        if live > 1 {
            found.push(name(merger.key()));
        }
    }
    Ok(found)
}

fn count_live(postings: &mut impl Postings, reader: &tantivy::SegmentReader) -> usize {
    let mut live = 0;
    while postings.doc() != TERMINATED {
        live += usize::from(!reader.is_deleted(postings.doc()));
        postings.advance();
    }
    live
}
