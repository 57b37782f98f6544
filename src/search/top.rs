//! The best k documents, ties by id before anything is cut off.

use std::cmp::Ordering;

use tantivy::columnar::StrColumn;
use tantivy::{DocAddress, DocId, SegmentOrdinal, SegmentReader};

use crate::error::{Error, ErrorCode, Result};

/// The field that ties are broken by.
pub const ID_FIELD: &str = "id";

/// A document in a ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedDoc {
    /// What it is ranked by, best first.
    pub score: f32,
    /// Where it is.
    pub address: DocAddress,
    /// Its id; `None` in an index without a fast `id` field, where ties are broken by address.
    pub id: Option<String>,
}

impl RankedDoc {
    /// The order of a ranking: score descending, then id ascending (documents without one last), then address.
    pub fn order(&self, other: &Self) -> Ordering {
        other
            .score
            .total_cmp(&self.score)
            .then_with(|| (self.id.is_none(), &self.id).cmp(&(other.id.is_none(), &other.id)))
            .then_with(|| self.address.cmp(&other.address))
    }
}

/// Joins the rankings of segments into the best `k`.
pub(crate) fn merge(segments: impl IntoIterator<Item = Vec<RankedDoc>>, k: usize) -> Vec<RankedDoc> {
    let mut all: Vec<RankedDoc> = segments.into_iter().flatten().collect();
    all.sort_by(RankedDoc::order);
    all.truncate(k);
    all
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    score: f32,
    /// Ordinal of the id in the segment, which sorts like the id itself.
    id: u64,
    doc: DocId,
}

impl Entry {
    fn order(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.id.cmp(&other.id)).then(self.doc.cmp(&other.doc))
    }
}

/// The best k of one segment, in memory for 2k entries.
pub(crate) struct SegmentTop {
    k: usize,
    segment: SegmentOrdinal,
    ids: Option<StrColumn>,
    entries: Vec<Entry>,
    worst: Option<Entry>,
}

impl SegmentTop {
    pub(crate) fn new(k: usize, segment: SegmentOrdinal, reader: &SegmentReader) -> Result<Self> {
        let has_ids = reader.schema().get_field(ID_FIELD).is_ok_and(|field| {
            let entry = reader.schema().get_field_entry(field);
            entry.is_fast() && entry.field_type().is_str()
        });
        let ids = if has_ids { reader.fast_fields().str(ID_FIELD)? } else { None };
        Ok(Self { k, segment, ids, entries: Vec::new(), worst: None })
    }

    pub(crate) fn push(&mut self, doc: DocId, score: f32) {
        if self.k == 0 || self.worst.is_some_and(|worst| score.total_cmp(&worst.score) == Ordering::Less) {
            return;
        }
        let id = self.ids.as_ref().and_then(|ids| ids.ords().first(doc)).unwrap_or(u64::MAX);
        let entry = Entry { score, id, doc };
        if self.worst.is_some_and(|worst| entry.order(&worst) == Ordering::Greater) {
            return;
        }
        self.entries.push(entry);
        if self.entries.len() >= self.k.max(64).saturating_mul(2) {
            self.prune();
        }
    }

    fn prune(&mut self) {
        if self.entries.len() > self.k {
            let (_, worst, _) = self.entries.select_nth_unstable_by(self.k - 1, Entry::order);
            self.worst = Some(*worst);
            self.entries.truncate(self.k);
        }
    }

    pub(crate) fn finish(mut self) -> Result<Vec<RankedDoc>> {
        self.prune();
        self.entries.sort_by(Entry::order);
        let ids = self.ids()?;
        let ranked = |entry: &Entry| {
            let id = ids.binary_search_by_key(&entry.id, |(ord, _)| *ord).ok().map(|at| ids[at].1.clone());
            RankedDoc { score: entry.score, address: DocAddress::new(self.segment, entry.doc), id }
        };
        Ok(self.entries.iter().map(ranked).collect())
    }

    /// The ids of the entries by ordinal, in one walk: one look-up each would decode a block of the dictionary each.
    fn ids(&self) -> Result<Vec<(u64, String)>> {
        let Some(column) = &self.ids else { return Ok(Vec::new()) };
        let mut ords: Vec<u64> =
            self.entries.iter().map(|entry| entry.id).filter(|&ord| ord != u64::MAX).collect();
        ords.sort_unstable();
        ords.dedup();
        let mut ids = Vec::with_capacity(ords.len());
        let mut next = ords.iter();
        column
            .dictionary()
            .sorted_ords_to_term_cb(&ords, |term| {
                if let Some(&ord) = next.next() {
                    ids.push((ord, String::from_utf8_lossy(term).into_owned()));
                }
            })
            .map_err(|e| Error::new(ErrorCode::Damaged, format!("id column: {e}")).source(e))?;
        Ok(ids)
    }
}
