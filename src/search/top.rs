//! The best k documents, ties by id before anything is cut off.
//!
//! Ids are read as late as can be. Inside a segment a key stands for one, and is read where scores are equal; an id itself where
//! documents of several segments are equal, and for what is shown ([`name`]).

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{self, AtomicU32};

use tantivy::{DocAddress, DocId, SegmentOrdinal};

use crate::error::Result;
use crate::index::IdColumn;

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

/// The column of ids of a segment, where it has one.
pub(crate) type Ids = Option<Arc<IdColumn>>;

/// A score that k documents of all segments together have reached: documents below it no longer matter in any of them. It
/// only grows.
#[derive(Debug)]
pub(crate) struct Floor(AtomicU32);

impl Default for Floor {
    /// Below every score.
    fn default() -> Self {
        Self(AtomicU32::new(0))
    }
}

impl Floor {
    pub(crate) fn get(&self) -> Option<f32> {
        match self.0.load(atomic::Ordering::Relaxed) {
            0 => None,
            bits => Some(of_ascending(bits)),
        }
    }

    fn raise(&self, score: f32) {
        self.0.fetch_max(ascending(score), atomic::Ordering::Relaxed);
    }
}

/// Bits that sort as the total order of numbers does: 0 is no number that a score can be.
fn ascending(score: f32) -> u32 {
    let bits = score.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

fn of_ascending(bits: u32) -> f32 {
    f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    score: f32,
    doc: DocId,
    /// Key of the id in the segment, which sorts like the bytes of the id; once it `is_keyed`.
    key: u128,
    is_keyed: bool,
}

/// The best k of one segment, in memory for 2k entries.
pub(crate) struct SegmentTop {
    k: usize,
    segment: SegmentOrdinal,
    ids: Ids,
    floor: Option<Arc<Floor>>,
    entries: Vec<Entry>,
    /// With its key.
    worst: Option<Entry>,
}

/// What a segment found: its best k, in no order.
pub(crate) struct SegmentBest {
    segment: SegmentOrdinal,
    ids: Ids,
    entries: Vec<Entry>,
}

impl SegmentTop {
    /// `ids` breaks ties. Segments that share a `floor` find the best k of all of them together, and must have one k.
    pub(crate) fn new(k: usize, segment: SegmentOrdinal, ids: Ids, floor: Option<Arc<Floor>>) -> Self {
        Self { k, segment, ids, floor, entries: Vec::new(), worst: None }
    }

    #[inline]
    pub(crate) fn push(&mut self, doc: DocId, score: f32) {
        let mut entry = Entry { score, doc, key: 0, is_keyed: false };
        if let Some(worst) = self.worst {
            match score.total_cmp(&worst.score) {
                Ordering::Less => return,
                Ordering::Equal => {
                    entry = keyed(&self.ids, entry);
                    if (entry.key, doc) > (worst.key, worst.doc) {
                        return;
                    }
                }
                Ordering::Greater => {}
            }
        }
        let floor = self.floor.as_ref().and_then(|floor| floor.get());
        if self.k == 0 || floor.is_some_and(|floor| score.total_cmp(&floor) == Ordering::Less) {
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
        let own = self.worst.map(|worst| worst.score);
        let shared = self.floor.as_ref().and_then(|floor| floor.get());
        match (own, shared) {
            (Some(own), Some(shared)) if own.total_cmp(&shared) == Ordering::Less => Some(shared),
            (None, shared) => shared,
            (own, _) => own,
        }
    }

    fn prune(&mut self) {
        let k = self.k;
        if k == 0 || self.entries.len() < k {
            return;
        }
        let by_score = |a: &Entry, b: &Entry| b.score.total_cmp(&a.score);
        let last = self.entries.select_nth_unstable_by(k - 1, by_score).1.score;
        // Those that are equal to the last one go by their keys.
        let (mut better, mut equal) = (0, self.entries.len());
        let mut at = 0;
        while at < equal {
            match self.entries[at].score.total_cmp(&last) {
                Ordering::Greater => {
                    self.entries.swap(better, at);
                    better += 1;
                    at += 1;
                }
                Ordering::Equal => at += 1,
                Ordering::Less => {
                    equal -= 1;
                    self.entries.swap(at, equal);
                }
            }
        }
        self.entries.truncate(equal);
        let ids = &self.ids;
        let ties = &mut self.entries[better..];
        ties.iter_mut().for_each(|entry| *entry = keyed(ids, *entry));
        let by_key = |a: &Entry, b: &Entry| (a.key, a.doc).cmp(&(b.key, b.doc));
        let (_, worst, _) = ties.select_nth_unstable_by(k - 1 - better, by_key);
        self.worst = Some(*worst);
        self.entries.truncate(k);
        if let Some(floor) = &self.floor {
            floor.raise(last);
        }
    }

    pub(crate) fn finish(mut self) -> SegmentBest {
        if self.entries.len() > self.k || self.floor.is_some() {
            self.prune();
        }
        SegmentBest { segment: self.segment, ids: self.ids, entries: self.entries }
    }
}

impl SegmentBest {
    /// Of a segment that other ones stand before.
    pub(crate) fn moved(self, base: u32) -> Self {
        Self { segment: self.segment + base, ..self }
    }

    fn address(&self, entry: &Entry) -> DocAddress {
        DocAddress::new(self.segment, entry.doc)
    }
}

fn keyed(ids: &Ids, entry: Entry) -> Entry {
    if entry.is_keyed {
        return entry;
    }
    let key = ids.as_ref().and_then(|ids| ids.key(entry.doc)).unwrap_or(u128::MAX);
    Entry { key, is_keyed: true, ..entry }
}

/// Puts documents of equal scores in order of their ids, then addresses.
pub(crate) type SortEquals<'s> = dyn Fn(&mut [RankedDoc]) -> Result<()> + 's;

/// Joins what segments found into the best `k`, best first. Documents may come without their ids, for [`name`]; `sort` is asked where
/// documents of several segments are equal.
pub(crate) fn merge(segments: Vec<SegmentBest>, k: usize, sort: &SortEquals<'_>) -> Result<Vec<RankedDoc>> {
    // By score descending, and where it stands: numbers sort several times as fast as what they stand for.
    let mut order: Vec<(u32, u32, u32)> = Vec::with_capacity(segments.iter().map(|s| s.entries.len()).sum());
    for (segment, found) in (0..).zip(&segments) {
        order.extend((0..).zip(&found.entries).map(|(at, entry)| (!ascending(entry.score), segment, at)));
    }
    if order.len() > k && k > 0 {
        let last = order.select_nth_unstable(k - 1).1.0;
        order.retain(|&(score, ..)| score <= last);
    }
    order.sort_unstable();
    let mut out: Vec<RankedDoc> = Vec::with_capacity(order.len().min(k));
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        if out.len() >= k {
            break;
        }
        let before = out.len();
        let (&(_, first, _), &(_, last, _)) = (&equal[0], &equal[equal.len() - 1]);
        if first == last && equal.len() > 1 {
            let found = &segments[first as usize];
            let mut entries: Vec<Entry> =
                equal.iter().map(|&(.., at)| keyed(&found.ids, found.entries[at as usize])).collect();
            entries.sort_unstable_by_key(|entry| (entry.key, entry.doc));
            out.extend(entries.iter().map(|entry| ranked(found, entry)));
            continue;
        }
        out.extend(equal.iter().map(|&(_, segment, at)| {
            let found = &segments[segment as usize];
            ranked(found, &found.entries[at as usize])
        }));
        if equal.len() > 1 {
            sort(&mut out[before..])?;
        }
    }
    out.truncate(k);
    Ok(out)
}

fn ranked(found: &SegmentBest, entry: &Entry) -> RankedDoc {
    RankedDoc { score: entry.score, address: found.address(entry), id: None }
}

/// Fills in the ids of `docs` that have none, in one walk over the dictionary of each segment. `ids` gives its column.
pub(crate) fn name<'d>(
    docs: impl IntoIterator<Item = &'d mut RankedDoc>,
    ids: impl Fn(SegmentOrdinal) -> Result<Ids>,
) -> Result<()> {
    let mut by_segment: BTreeMap<SegmentOrdinal, Vec<&mut RankedDoc>> = BTreeMap::new();
    for doc in docs.into_iter().filter(|doc| doc.id.is_none()) {
        by_segment.entry(doc.address.segment_ord).or_default().push(doc);
    }
    for (segment, docs) in by_segment {
        let Some(column) = ids(segment)? else { continue };
        let mut keyed: Vec<(u128, &mut RankedDoc)> =
            docs.into_iter().filter_map(|doc| Some((column.key(doc.address.doc_id)?, doc))).collect();
        keyed.sort_unstable_by_key(|(key, _)| *key);
        let mut keys: Vec<u128> = keyed.iter().map(|(key, _)| *key).collect();
        keys.dedup();
        let named = column.ids(&keys)?;
        for (key, doc) in keyed {
            doc.id = named.binary_search_by_key(&key, |(key, _)| *key).ok().map(|at| named[at].1.clone());
        }
    }
    Ok(())
}

/// Joins what segments found, with ids from their own columns.
pub(crate) fn merge_named(segments: Vec<SegmentBest>, k: usize) -> Result<Vec<RankedDoc>> {
    let columns: BTreeMap<SegmentOrdinal, Ids> =
        segments.iter().map(|found| (found.segment, found.ids.clone())).collect();
    let ids = |segment: SegmentOrdinal| Ok(columns.get(&segment).cloned().flatten());
    let mut docs = merge(segments, k, &|equals| {
        name(equals.iter_mut(), ids)?;
        equals.sort_by(RankedDoc::order);
        Ok(())
    })?;
    name(&mut docs, ids)?;
    Ok(docs)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tantivy::schema::{FAST, STRING, Schema};
    use tantivy::{Index, TantivyDocument};

    use super::*;
    use crate::index::IdField;

    /// Segments of one document for each id, with their columns.
    fn columns(segments: &[Vec<Option<String>>]) -> Vec<Ids> {
        let mut builder = Schema::builder();
        let field = builder.add_text_field("id", STRING | FAST);
        let schema = builder.build();
        let one = |ids: &Vec<Option<String>>| {
            let index = Index::create_in_ram(schema.clone());
            let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
            for id in ids {
                let mut document = TantivyDocument::new();
                id.iter().for_each(|id| document.add_text(field, id));
                writer.add_document(document).unwrap();
            }
            writer.commit().unwrap();
            let searcher = index.reader().unwrap().searcher();
            IdField::of(&schema, "id").unwrap().column(searcher.segment_reader(0)).unwrap().map(Arc::new)
        };
        segments.iter().map(one).collect()
    }

    fn id() -> impl Strategy<Value = Option<String>> {
        prop_oneof![4 => "[ab]{1,3}".prop_map(Some), 1 => Just(None)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn the_best_of_segments_are_those_of_a_sort_of_all(
            segments in proptest::collection::vec(proptest::collection::vec((id(), -2i8..3), 1..260), 1..4),
            k in 0usize..150,
            shares in any::<bool>(),
        ) {
            let ids: Vec<Vec<Option<String>>> =
                segments.iter().map(|docs| docs.iter().map(|(id, _)| id.clone()).collect()).collect();
            let columns = columns(&ids);
            let floor = shares.then(Arc::<Floor>::default);
            let (mut found, mut all) = (Vec::new(), Vec::new());
            for (segment, (docs, column)) in (0..).zip(segments.iter().zip(&columns)) {
                let mut top = SegmentTop::new(k, segment, column.clone(), floor.clone());
                for (doc, (id, score)) in (0..).zip(docs) {
                    let score = f32::from(*score);
                    all.push(RankedDoc { score, address: DocAddress::new(segment, doc), id: id.clone() });
                    if top.last().is_none_or(|last| score >= last) {
                        top.push(doc, score);
                    }
                }
                found.push(top.finish());
            }
            all.sort_by(RankedDoc::order);
            all.truncate(k);
            prop_assert_eq!(merge_named(found, k).unwrap(), all);
        }
    }

    #[test]
    fn a_floor_keeps_the_order_of_numbers() {
        let scores = [f32::MIN, -1.5, -0.0, 0.0, 1e-30, 2.0, f32::MAX];
        assert!(scores.windows(2).all(|two| ascending(two[0]) < ascending(two[1])));
        assert!(scores.iter().all(|score| of_ascending(ascending(*score)).to_bits() == score.to_bits()));
        let floor = Floor::default();
        assert_eq!(floor.get(), None);
        for score in [-3.0, -5.0, 1.0, 0.5] {
            floor.raise(score);
        }
        assert_eq!(floor.get(), Some(1.0));
    }
}
