//! The best k documents, ties by id before anything is cut off.

use std::cmp::Ordering;

use tantivy::{DocAddress, DocId, SegmentOrdinal, SegmentReader};

use crate::error::Result;
use crate::index::{IdColumn, IdField};

/// The field that ties are broken by, unless an engine or a collector is told another one.
pub(super) use crate::schema::ID_FIELD;

/// A document in a ranking.
#[derive(Debug, Clone, PartialEq)]
pub struct RankedDoc {
    /// What it is ranked by, best first.
    pub score: f32,
    /// Where it is.
    pub address: DocAddress,
    /// Its id, a number in digits; `None` in an index without a fast field of ids, where ties are broken by address.
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
    /// Key of the id in the segment, which sorts like the bytes of the id.
    id: u128,
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
    ids: Option<IdColumn>,
    entries: Vec<Entry>,
    worst: Option<Entry>,
}

impl SegmentTop {
    /// `id` is the name of the field of ids.
    pub(crate) fn new(k: usize, segment: SegmentOrdinal, reader: &SegmentReader, id: &str) -> Result<Self> {
        let ids = match IdField::of(reader.schema(), id) {
            Ok(field) => field.column(reader)?,
            Err(_) => None,
        };
        Ok(Self { k, segment, ids, entries: Vec::new(), worst: None })
    }

    pub(crate) fn push(&mut self, doc: DocId, score: f32) {
        if self.k == 0 || self.worst.is_some_and(|worst| score.total_cmp(&worst.score) == Ordering::Less) {
            return;
        }
        let id = self.ids.as_ref().and_then(|ids| ids.key(doc)).unwrap_or(u128::MAX);
        let entry = Entry { score, id, doc };
        if self.worst.is_some_and(|worst| entry.order(&worst) == Ordering::Greater) {
            return;
        }
        self.entries.push(entry);
        if self.entries.len() >= self.k.max(64).saturating_mul(2) {
            self.prune();
        }
    }

    /// A score that k documents reach, once there are k: documents with a lower one no longer matter. Cost: little over many
    /// calls.
    pub(crate) fn last(&mut self) -> Option<f32> {
        if self.worst.is_none() || self.entries.len() > self.k.saturating_add(self.k / 8) {
            self.prune();
        }
        self.worst.map(|worst| worst.score)
    }

    fn prune(&mut self) {
        if self.k > 0 && self.entries.len() >= self.k {
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
            let id = ids.binary_search_by_key(&entry.id, |(key, _)| *key).ok().map(|at| ids[at].1.clone());
            RankedDoc { score: entry.score, address: DocAddress::new(self.segment, entry.doc), id }
        };
        Ok(self.entries.iter().map(ranked).collect())
    }

    /// The ids of the entries by key.
    fn ids(&self) -> Result<Vec<(u128, String)>> {
        let Some(column) = &self.ids else { return Ok(Vec::new()) };
        let mut keys: Vec<u128> =
            self.entries.iter().map(|entry| entry.id).filter(|&key| key != u128::MAX).collect();
        keys.sort_unstable();
        keys.dedup();
        column.ids(&keys)
    }
}
