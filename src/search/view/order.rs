//! The order of ids across segments: where many documents of several segments are equal, reading their ids would take longer than
//! ranking them.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use tantivy::SegmentOrdinal;

use crate::error::{Error, ErrorCode, Result};
use crate::index::IdColumn;
use crate::search::top::{Ids, RankedDoc, name};

/// Ids that are read together.
const CHUNK: u64 = 4096;
/// Of the ids of an index, the part that is read one by one before all are put in order: about as long as that takes.
const PATIENCE: u64 = 32;

/// Puts documents of equal scores in order of their ids. At first it reads them; once that has taken as long as reading all ids
/// would, it knows the place of each: 4 bytes for each id of an index of several segments.
#[derive(Default)]
pub(in crate::search) struct Order {
    read: AtomicU64,
    /// By segment.
    columns: OnceLock<Vec<Ids>>,
    /// By segment and key. `None` where the ids do not read, which whoever shows them will say.
    places: OnceLock<Option<Vec<Vec<u32>>>>,
}

impl Order {
    /// Sorts `docs`, of equal scores and any segments, by id and address. `ids` gives the columns of all `segments`.
    ///
    /// # Errors
    /// Those of reading ids.
    pub(super) fn sort(
        &self,
        docs: &mut [RankedDoc],
        segments: SegmentOrdinal,
        ids: impl Fn(SegmentOrdinal) -> Result<Ids>,
    ) -> Result<()> {
        let columns = match self.columns.get() {
            Some(columns) => columns,
            None => {
                let columns = (0..segments).map(&ids).collect::<Result<_>>()?;
                self.columns.get_or_init(|| columns)
            }
        };
        let key = |doc: &RankedDoc| {
            let column = columns.get(doc.address.segment_ord as usize)?.as_ref()?;
            column.key(doc.address.doc_id)
        };
        if columns.iter().flatten().all(|column| column.keys_sort_everywhere()) {
            docs.sort_by_cached_key(|doc| (key(doc).unwrap_or(u128::MAX), doc.address));
            return Ok(());
        }
        let all: u64 = columns.iter().flatten().map(|column| column.terms()).sum();
        let read = self.read.fetch_add(docs.len() as u64, Ordering::Relaxed);
        let is_due = (read + docs.len() as u64) * PATIENCE > all;
        let places = match is_due {
            true => self.places.get_or_init(|| places(columns).ok()).as_ref(),
            false => self.places.get().and_then(Option::as_ref),
        };
        if let Some(places) = places {
            let place = |doc: &RankedDoc| -> Option<u32> {
                let key = usize::try_from(key(doc)?).ok()?;
                places.get(doc.address.segment_ord as usize)?.get(key).copied()
            };
            docs.sort_by_cached_key(|doc| (place(doc).unwrap_or(u32::MAX), doc.address));
            return Ok(());
        }
        name(docs.iter_mut(), ids)?;
        docs.sort_by(RankedDoc::order);
        Ok(())
    }
}

/// The places of the ids of all segments in one order; equal ids share one.
fn places(columns: &[Ids]) -> Result<Vec<Vec<u32>>> {
    let mut out: Vec<Vec<u32>> = vec![Vec::new(); columns.len()];
    let mut cursors: Vec<Option<Cursor<'_>>> =
        columns.iter().map(|ids| ids.as_deref().map(Cursor::new)).collect();
    let mut heads = BinaryHeap::new();
    let mut pull = |heads: &mut BinaryHeap<Reverse<(String, usize)>>, segment: usize| -> Result<()> {
        let next = cursors[segment].as_mut().map(Cursor::next).transpose()?.flatten();
        heads.extend(next.map(|id| Reverse((id, segment))));
        Ok(())
    };
    for segment in 0..columns.len() {
        pull(&mut heads, segment)?;
    }
    let (mut place, mut last): (u32, Option<String>) = (0, None);
    while let Some(Reverse((id, segment))) = heads.pop() {
        if last.as_ref().is_some_and(|last| *last != id) {
            place += 1;
        }
        out[segment].push(place);
        last = Some(id);
        pull(&mut heads, segment)?;
    }
    Ok(out)
}

/// The ids of a segment in their order.
struct Cursor<'c> {
    column: &'c IdColumn,
    next: u64,
    ready: std::vec::IntoIter<(u128, String)>,
}

impl<'c> Cursor<'c> {
    fn new(column: &'c IdColumn) -> Self {
        Self { column, next: 0, ready: Vec::new().into_iter() }
    }

    fn next(&mut self) -> Result<Option<String>> {
        if let Some((_, id)) = self.ready.next() {
            return Ok(Some(id));
        }
        let end = self.column.terms().min(self.next + CHUNK);
        let keys: Vec<u128> = (self.next..end).map(u128::from).collect();
        self.next = end;
        let ids = self.column.ids(&keys)?;
        if ids.len() != keys.len() {
            return Err(Error::new(ErrorCode::Damaged, "the column of ids has fewer than it says"));
        }
        self.ready = ids.into_iter();
        Ok(self.ready.next().map(|(_, id)| id))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;
    use tantivy::schema::{FAST, Field, INDEXED, STRING, Schema};
    use tantivy::{DocAddress, Index, TantivyDocument};

    use super::*;
    use crate::index::IdField;

    /// Segments of one document for each number, some without an id.
    fn columns(segments: &[Vec<Option<u64>>], is_text: bool) -> Vec<Ids> {
        let mut builder = Schema::builder();
        let field = match is_text {
            true => builder.add_text_field("id", STRING | FAST),
            false => builder.add_u64_field("id", INDEXED | FAST),
        };
        let schema = builder.build();
        let add = |document: &mut TantivyDocument, field: Field, id: u64| match is_text {
            true => document.add_text(field, id.to_string()),
            false => document.add_u64(field, id),
        };
        let one = |ids: &Vec<Option<u64>>| {
            let index = Index::create_in_ram(schema.clone());
            let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
            for id in ids {
                let mut document = TantivyDocument::new();
                id.iter().for_each(|id| add(&mut document, field, *id));
                writer.add_document(document).unwrap();
            }
            writer.commit().unwrap();
            let searcher = index.reader().unwrap().searcher();
            IdField::of(&schema, "id").unwrap().column(searcher.segment_reader(0)).unwrap().map(Arc::new)
        };
        segments.iter().map(one).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn equals_come_in_order_of_ids_before_and_after_all_are_known(
            segments in proptest::collection::vec(
                proptest::collection::vec(prop_oneof![6 => (0u64..4000).prop_map(Some), 1 => Just(None)], 1..200), 1..4,
            ),
            is_text in any::<bool>(),
        ) {
            let columns = columns(&segments, is_text);
            let order = Order::default();
            let count = segments.len() as u32;
            let mut all: Vec<RankedDoc> = Vec::new();
            for (segment, ids) in (0..).zip(&segments) {
                let docs = (0..ids.len() as u32).map(|doc| DocAddress::new(segment, doc));
                all.extend(docs.map(|address| RankedDoc { score: 1.0, address, id: None }));
            }
            let mut expected = all.clone();
            let id = |doc: &RankedDoc| segments[doc.address.segment_ord as usize][doc.address.doc_id as usize];
            expected.iter_mut().for_each(|doc| doc.id = id(doc).map(|id| id.to_string()));
            expected.sort_by(RankedDoc::order);
            let addresses = |docs: &[RankedDoc]| docs.iter().map(|doc| doc.address).collect::<Vec<_>>();
            // Few at a time, so that the first are read and the others are known.
            for chunk in all.chunks(3) {
                let mut chunk = chunk.to_vec();
                order.sort(&mut chunk, count, |segment| Ok(columns[segment as usize].clone())).unwrap();
                let kept: Vec<RankedDoc> =
                    expected.iter().filter(|doc| chunk.iter().any(|c| c.address == doc.address)).cloned().collect();
                prop_assert_eq!(addresses(&chunk), addresses(&kept));
            }
            order.sort(&mut all, count, |segment| Ok(columns[segment as usize].clone())).unwrap();
            prop_assert_eq!(addresses(&all), addresses(&expected));
            prop_assert_eq!(order.places.get().is_some(), is_text && columns.iter().any(Option::is_some));
        }
    }
}
