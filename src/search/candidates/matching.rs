//! The live documents of a segment that a filter lets through.

use tantivy::fastfield::AliveBitSet;
use tantivy::{BitSet, DocId};
use uncsm_format::MediaView;

use super::Probe;

/// The live documents of a segment that a filter lets through.
pub(super) struct Matching<'a> {
    alive: Option<&'a AliveBitSet>,
    /// `None`: all that live.
    docs: Option<BitSet>,
    pub(super) count: usize,
    /// Document after the last.
    end: DocId,
}

impl<'a> Matching<'a> {
    pub(super) fn of(probe: &Probe<'a>) -> crate::Result<Self> {
        let reader = probe.reader;
        let alive = reader.alive_bitset();
        let Some(weight) = probe.weight else {
            return Ok(Self { alive, docs: None, count: reader.num_docs() as usize, end: reader.max_doc() });
        };
        let mut docs = BitSet::with_max_value(reader.max_doc());
        weight.for_each_no_score(reader, &mut |found| {
            for &doc in found {
                if alive.is_none_or(|alive| alive.is_alive(doc)) {
                    docs.insert(doc);
                }
            }
        })?;
        let count = docs.len();
        Ok(Self { alive, docs: Some(docs), count, end: reader.max_doc() })
    }

    /// Rows of the documents that match. Cost: a look at each, where the rows of each document are not one.
    pub(super) fn rows(&self, view: &MediaView<'_>) -> usize {
        if self.is_all() {
            return view.len();
        }
        if view.len() as u32 == self.end && view.docs.iter().copied().eq(0..self.end) {
            return self.count;
        }
        view.docs.iter().filter(|&&doc| self.has(doc)).count()
    }

    pub(super) fn is_all(&self) -> bool {
        self.alive.is_none() && self.docs.is_none()
    }

    /// Whether a document matches; no document that the segment does not have does.
    pub(super) fn has(&self, doc: DocId) -> bool {
        match (&self.docs, self.alive) {
            (Some(docs), _) => doc < docs.max_value() && docs.contains(doc),
            (None, Some(alive)) => doc < self.end && alive.is_alive(doc),
            (None, None) => true,
        }
    }
}
