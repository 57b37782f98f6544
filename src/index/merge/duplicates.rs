//! Ids that several of the merged indexes have: refused with both places, or the last one stays.

use std::collections::BTreeMap;
use std::sync::Arc;

use tantivy::index::SegmentId;
use tantivy::query::{BitSetDocSet, ConstScorer, EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::schema::IndexRecordOption;
use tantivy::termdict::TermMerger;
use tantivy::{BitSet, DocId, DocSet, Score, Searcher, SegmentReader, TERMINATED, TantivyError};

use super::input::Input;
use super::merger::OnDuplicate;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::index::plugin::id::IdField;

/// Documents that give way, by segment.
#[derive(Debug, Default, Clone)]
pub(crate) struct GiveWay {
    documents: BTreeMap<SegmentId, Vec<DocId>>,
}

impl GiveWay {
    /// How many.
    pub(crate) fn len(&self) -> u64 {
        self.documents.values().map(|documents| documents.len() as u64).sum()
    }

    /// The query that matches them and nothing else.
    pub(crate) fn query(self) -> Box<dyn Query> {
        Box::new(These(Arc::new(self.documents)))
    }
}

/// The documents of `searcher`, which sees the segments of all `inputs`, that give way to others of their id. Cost: one walk over the id
/// terms; memory for the documents that give way alone.
///
/// # Errors
/// [`ErrorCode::DuplicateId`] with both places, unless the last one wins; [`ErrorCode::Damaged`] where terms or postings do
/// not read.
pub(crate) fn find(
    searcher: &Searcher,
    id: &IdField,
    inputs: &[Input],
    on_duplicate: OnDuplicate,
) -> Result<GiveWay> {
    let owners = owners(inputs);
    let readers = searcher.segment_readers();
    let damaged = |e: std::io::Error| Error::new(ErrorCode::Damaged, format!("id terms: {e}")).source(e);
    let inverted = readers
        .iter()
        .map(|reader| reader.inverted_index(id.field()))
        .collect::<tantivy::Result<Vec<_>>>()?;
    let streams = inverted.iter().map(|index| index.terms().stream()).collect::<std::io::Result<Vec<_>>>();
    let mut merger = TermMerger::new(streams.map_err(damaged)?);
    let mut found = GiveWay::default();
    while merger.advance() {
        let infos: Vec<_> = merger.current_segment_ords_and_term_infos().collect();
        // Frequencies count deleted documents, so they only say where to look closer.
        if infos.iter().map(|(_, info)| u64::from(info.doc_freq)).sum::<u64>() < 2 {
            continue;
        }
        let mut live: Vec<(usize, usize, DocId)> = Vec::new();
        for (ord, info) in &infos {
            let reader = &readers[*ord];
            let owner = owners.get(&reader.segment_id()).copied().unwrap_or_default();
            let mut postings = inverted[*ord]
                .read_postings_from_terminfo(info, IndexRecordOption::Basic)
                .map_err(damaged)?;
            while postings.doc() != TERMINATED {
                if !reader.is_deleted(postings.doc()) {
                    live.push((owner, *ord, postings.doc()));
                }
                postings.advance();
            }
        }
        live.sort_unstable();
        let Some(((last, ..), others)) = live.split_last().filter(|(_, others)| !others.is_empty()) else {
            continue;
        };
        if on_duplicate == OnDuplicate::Refuse {
            let places = [others[others.len() - 1].0, *last].map(|owner| &inputs[owner].dir);
            return Err(Error::new(
                ErrorCode::DuplicateId,
                format!("the id {:?} stands twice", id.of_key(merger.key())),
            )
            .file(places[1])
            .expected("one document per id")
            .got(format!("one in {} and one in {}", places[0].display(), places[1].display()))
            .hint(
                Hint::new("make the ids unique, or let the index that is named later win with")
                    .given(Setting::OnDuplicate, "last"),
            ));
        }
        for (_, ord, doc) in others {
            found.documents.entry(readers[*ord].segment_id()).or_default().push(*doc);
        }
    }
    found.documents.values_mut().for_each(|documents| documents.sort_unstable());
    Ok(found)
}

/// Which of `inputs` each segment came from.
fn owners(inputs: &[Input]) -> BTreeMap<SegmentId, usize> {
    let of = |(at, input): (usize, &Input)| {
        input.held.metas().iter().map(move |meta| (meta.id(), at)).collect::<Vec<_>>()
    };
    inputs.iter().enumerate().flat_map(of).collect()
}

/// Matches documents by segment and number: what the host deletes by.
#[derive(Debug, Clone)]
struct These(Arc<BTreeMap<SegmentId, Vec<DocId>>>);

impl Query for These {
    fn weight(&self, _: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        Ok(Box::new(self.clone()))
    }
}

impl Weight for These {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let mut documents = BitSet::with_max_value(reader.max_doc());
        for &document in self.0.get(&reader.segment_id()).into_iter().flatten() {
            documents.insert(document);
        }
        Ok(Box::new(ConstScorer::new(BitSetDocSet::from(documents), boost)))
    }

    fn explain(&self, _: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        Err(TantivyError::InvalidArgument(format!("document {doc} is matched by its number alone")))
    }
}
