//! Blocks of documents against stored rows: rows are compared many at a time, then given back to their documents.

use std::ops::Range;

use tantivy::DocId;
use uncsm_format::MediaView;

use super::{BestItem, DocScorer, NONE, Polarity};
use crate::index::SegmentVectors;
use crate::search::similarity::RowScorer;

/// Documents that are looked at together: their rows stay in a near cache while several scorers read them.
pub(in crate::search) const BLOCK: usize = 256;

/// The items of one media type of a block of documents.
#[derive(Default)]
pub(in crate::search) struct Items {
    /// Rows of the first document, then of the second, and so on.
    rows: Vec<u32>,
    /// Position in `rows` after the last of each document; empty where each document has one.
    ends: Vec<u32>,
}

impl Items {
    /// Of `docs`, ascending; takes the place of what was there.
    pub(in crate::search) fn find(&mut self, view: &MediaView<'_>, docs: &[DocId]) {
        self.rows.clear();
        self.ends.clear();
        if let Some(rows) = stream(view, docs) {
            return self.rows.extend(rows);
        }
        let mut each_one = true;
        for &doc in docs {
            let rows = view.items_of(doc);
            each_one &= rows.len() == 1;
            self.rows.extend(rows.map(|row| row as u32));
            self.ends.push(self.rows.len() as u32);
        }
        if each_one {
            self.ends.clear();
        }
    }

    /// Positions in `rows`, by document.
    fn by_doc(&self) -> impl Iterator<Item = Range<usize>> {
        let count = if self.ends.is_empty() { self.rows.len() } else { self.ends.len() };
        (0..count).map(|doc| match self.ends.get(doc) {
            Some(&end) => doc.checked_sub(1).map_or(0, |before| self.ends[before] as usize)..end as usize,
            None => doc..doc + 1,
        })
    }
}

/// The rows of `docs` where these follow each other and each has the one item of its own number: what
/// [`MediaView::items_of`] says, for a comparison of two slices.
fn stream(view: &MediaView<'_>, docs: &[DocId]) -> Option<Range<u32>> {
    let (&first, &last) = (docs.first()?, docs.last()?);
    if (last as usize).checked_sub(first as usize)? + 1 != docs.len() {
        return None;
    }
    let rows = view.docs.get(first as usize..=last as usize)?;
    // Without an early end, which the compiler turns to vectors.
    let follow = docs.iter().zip(first..).fold(true, |so_far, (doc, number)| so_far & (*doc == number));
    let one_before = first.checked_sub(1).is_some_and(|row| view.docs[row as usize] == first);
    let one_after = view.docs.get(last as usize + 1) == Some(&last);
    (follow && rows == docs && !one_before && !one_after).then_some(first..last + 1)
}

/// A scorer of one wanted part and one media type: what a document is worth, its best item is worth.
#[derive(Clone, Copy)]
pub(in crate::search) struct Single<'s> {
    pub(in crate::search) media: usize,
    row: &'s dyn RowScorer,
}

impl Single<'_> {
    /// [`RowScorer::floor`].
    pub(in crate::search) fn floor(&self, value: f32) -> Option<f32> {
        self.row.floor(value)
    }

    /// Those of `docs` that may be worth more than what a raw number of `floor` is, and what they are worth; and how many of
    /// `docs` have an item. `items` are those of `docs`.
    pub(in crate::search) fn above(
        &self,
        view: &MediaView<'_>,
        docs: &[DocId],
        items: &Items,
        floor: Option<f32>,
    ) -> (Vec<(DocId, f32)>, u64) {
        let mut raws = vec![0.0; items.rows.len()];
        self.row.raws_above(view, &items.rows, floor, &mut raws);
        let stays = |raw: &f32| floor.is_none_or(|floor| *raw > floor);
        if items.ends.is_empty() {
            let found = docs.iter().zip(&raws).filter(|(_, raw)| stays(raw));
            return (found.map(|(&doc, &raw)| (doc, self.row.value(raw))).collect(), docs.len() as u64);
        }
        let (mut found, mut scored) = (Vec::new(), 0);
        for (&doc, at) in docs.iter().zip(items.by_doc()) {
            scored += u64::from(!at.is_empty());
            if raws[at.clone()].iter().any(stays) {
                let mut best = Best::default();
                for i in at {
                    best.meet(self.row, 0, view, items.rows[i], raws[i]);
                }
                // An item below the floor may be the first at even odds: then the document is too.
                if stays(&best.item.raw) {
                    found.push((doc, best.item.value));
                }
            }
        }
        (found, scored)
    }
}

/// The best item that a part has met.
#[derive(Clone, Copy)]
struct Best {
    item: BestItem,
    /// What made it the best.
    order: f32,
}

impl Default for Best {
    fn default() -> Self {
        Self { item: nothing(), order: f32::MIN }
    }
}

/// No item.
pub(super) fn nothing() -> BestItem {
    BestItem { part: NONE, media: 0, row: 0, raw: 0.0, value: f32::MIN }
}

impl Best {
    /// The first of equals stays.
    fn meet(
        &mut self,
        scorer: &dyn RowScorer,
        part: usize,
        view: &MediaView<'_>,
        row: u32,
        raw: f32,
    ) -> bool {
        let value = scorer.value(raw);
        let row = row as usize;
        let order = scorer.order(view, row, raw, value);
        let better = self.item.part == NONE || order > self.order;
        if better {
            *self = Self { item: BestItem { part, media: 0, row, raw, value }, order };
        }
        better
    }
}

/// The best item of each part of each of `scorers`, `[docs, parts of all scorers]` row-major: over media types, then items in
/// order, of which the first of equals stays. Every stored row is read once, whatever the number of scorers.
pub(super) fn best(scorers: &[&DocScorer], segment: &SegmentVectors, docs: &[DocId]) -> Vec<BestItem> {
    let parts: usize = scorers.iter().map(|scorer| scorer.parts.len()).sum();
    let mut best = vec![Best::default(); docs.len() * parts];
    let (mut items, mut raws) = (Items::default(), Vec::new());
    let wanted = |media: &usize| scorers.iter().any(|scorer| scorer.wanted.contains(media));
    for media in (0..segment.uvec().media().len()).filter(wanted) {
        let view = segment.view(media);
        items.find(&view, docs);
        raws.resize(items.rows.len(), 0.0);
        let all = scorers.iter().flat_map(|scorer| scorer.parts.iter().enumerate());
        for (column, (part, compiled)) in all.enumerate() {
            let Some(scorer) = &compiled.rows[media] else { continue };
            scorer.raws(&view, &items.rows, &mut raws);
            for (best, at) in best.chunks_exact_mut(parts).zip(items.by_doc()) {
                for i in at {
                    if best[column].meet(&**scorer, part, &view, items.rows[i], raws[i]) {
                        best[column].item.media = media;
                    }
                }
            }
        }
    }
    best.into_iter().map(|best| best.item).collect()
}

impl DocScorer {
    /// Whether a document of `segment` is worth what its best item of one media type is: the segment holds no other one that is
    /// wanted. `None` where there is more to it.
    pub(in crate::search) fn single(&self, segment: &SegmentVectors) -> Option<Single<'_>> {
        let [part] = &*self.parts else { return None };
        let mut held = self.wanted.iter().copied().filter(|&media| !segment.view(media).is_empty());
        let (Some(media), None) = (held.next(), held.next()) else { return None };
        let row = part.rows.get(media)?.as_deref()?;
        (part.polarity == Polarity::Like).then_some(Single { media, row })
    }

    /// What each of `docs` is ranked by under each of `scorers`, `[docs, scorers]` row-major. Every stored row is read
    /// once, whatever the number of scorers.
    pub(in crate::search) fn values_of(
        scorers: &[&DocScorer],
        segment: &SegmentVectors,
        docs: &[DocId],
    ) -> Vec<Option<f32>> {
        let parts: usize = scorers.iter().map(|scorer| scorer.parts.len()).sum();
        let mut out = Vec::with_capacity(docs.len() * scorers.len());
        for docs in docs.chunks(BLOCK) {
            for mut of_doc in best(scorers, segment, docs).chunks_exact(parts.max(1)) {
                for scorer in scorers {
                    let (own, others) = of_doc.split_at(scorer.parts.len());
                    out.push(scorer.value(own));
                    of_doc = others;
                }
            }
        }
        out
    }
}
