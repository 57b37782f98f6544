//! The documents that several forms together say are best: several parts, unwanted ones, both targets, a least probability.
//!
//! The value of a document grows with the raw numbers of its wanted parts and falls with those of the others. From the short codes of all
//! rows, and margins that say how far these may lie off, follows what each document is worth at most; what is below a value that enough
//! documents have is left out. What is left is looked at by both codes, with narrower margins, and then scored.

mod held;
mod table;

use tantivy::DocId;

use self::held::{Asked, Held, Media, RUN, Room};
use super::matching::Matching;
use super::{Cells, Probe, Why};
use crate::index::SegmentVectors;
use crate::search::scorer::DocScorer;

/// What a row costs beside one that is scored in order, for each form: by its short code, by both, and one that is scored out of order.
const SHORT: f64 = 0.12;
const BOTH: f64 = 0.5;
const KEEP: f64 = 2.5;
/// What each form costs whatever the rows are.
const FIXED: f64 = 2000.0;
/// Fewer best documents than this are looked for as if they were so many: curves know no less.
const LEAST: usize = 10;

/// What is looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Goal {
    /// So many of the best documents.
    Best(usize),
    /// All documents of a value or more.
    Above(f32),
}

impl Goal {
    fn depth(self) -> usize {
        match self {
            Self::Best(k) => k.max(LEAST),
            Self::Above(_) => LEAST,
        }
    }

    /// `share` of the rows can be found.
    fn asked(self, of: &Cells, share: f64) -> Asked {
        let depths = match self {
            Self::Best(_) => self.depth()..=(self.depth() as f64 / share).ceil() as usize,
            // All that were measured.
            Self::Above(_) => LEAST..=usize::MAX,
        };
        Asked { model: of.model, recall: of.recall, depths }
    }
}

/// Why the segment is not worth asking without a filter; `None` where it is.
pub(super) fn useless(of: &Cells, scorer: &DocScorer, vectors: &SegmentVectors, goal: Goal) -> Option<Why> {
    held::check(scorer, vectors, &goal.asked(of, 1.0)).err()
}

/// The documents that are worth scoring, ascending.
///
/// # Errors
/// Why all are.
pub(super) fn find(
    of: &Cells,
    probe: &Probe<'_>,
    matching: &Matching<'_>,
    goal: Goal,
) -> Result<Vec<DocId>, Why> {
    let (scorer, vectors) = (probe.scorer, probe.vectors);
    let documents = probe.reader.max_doc().max(1);
    let share = (matching.count as f64 / f64::from(documents)).max(1e-9);
    let media = Media::of(scorer, vectors, &goal.asked(of, share))?;
    // What a scan would cost.
    let whole = media.work(|view| matching.rows(view));
    let forms: usize = media.coded.iter().map(Held::forms).sum();
    let known = media.work(|view| view.len()) * SHORT + forms as f64 * FIXED;
    if known >= whole {
        return Err(Why::Cheaper);
    }
    let search = Search { scorer, vectors, matching, slots: Slots::of(&media, documents), media };
    let upper = search.by_short();
    let depth = goal.depth();
    let first = search.docs(&top(&upper, 2 * depth + 64));
    let mut values = search.values(&first);
    let floor = |values: &mut Vec<(DocId, f32)>| {
        let last = last(values, depth);
        match goal {
            Goal::Best(_) => last,
            Goal::Above(least) => least.min(last),
        }
    };
    let at_least = floor(&mut values);
    let left = (0..upper.len() as u32).filter(|&slot| upper[slot as usize] >= at_least);
    let left: Vec<u32> = left.filter(|&slot| upper[slot as usize] > f32::NEG_INFINITY).collect();
    drop(upper);
    let per_doc = (whole / matching.count.max(1) as f64).max(1.0);
    if left.len() as f64 * per_doc * BOTH >= whole {
        return Err(Why::Cheaper);
    }
    let upper = search.by_both(&left);
    let second: Vec<u32> = top(&upper, depth + 16).into_iter().map(|at| left[at as usize]).collect();
    values.extend(search.values(&search.docs(&second)));
    let at_least = floor(&mut values);
    let kept = left.iter().zip(&upper).filter(|(_, upper)| **upper >= at_least);
    let kept: Vec<u32> = kept.map(|(slot, _)| *slot).collect();
    let mut docs = search.docs(&kept);
    if docs.len() as f64 * per_doc * KEEP >= whole {
        return Err(Why::Cheaper);
    }
    // Few rows are all scored.
    for view in &search.media.few {
        docs.extend(view.docs.iter().copied().filter(|&doc| matching.has(doc)));
    }
    docs.sort_unstable();
    docs.dedup();
    if matches!(goal, Goal::Best(k) if docs.len() < k.min(matching.count)) {
        return Err(Why::FewFound);
    }
    if let Some(tally) = &of.tally {
        let held = || search.media.coded.iter();
        let rows = held().map(|held| held.rows.len()).sum();
        tally.cells(held().map(|held| held.cells).sum(), rows, docs.len());
    }
    Ok(docs)
}

/// The score of the last of the first `depth` of documents, which come once each or more often; the least number where there are fewer.
fn last(values: &mut Vec<(DocId, f32)>, depth: usize) -> f32 {
    values.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    values.dedup();
    values.get(depth - 1).map_or(f32::NEG_INFINITY, |(_, value)| *value)
}

/// The positions of the `wanted` greatest of `values` that are more than the least number, in no order.
fn top(values: &[f32], wanted: usize) -> Vec<u32> {
    /// One of so many says how great they are.
    const PART: usize = 16;
    let above = |floor: f32| -> Vec<u32> {
        let all = 0..values.len() as u32;
        let is_above = |value: f32| value >= floor && value > f32::NEG_INFINITY;
        all.filter(|&at| is_above(values[at as usize])).collect()
    };
    let mut floor = f32::NEG_INFINITY;
    if values.len() >= 4 * PART * wanted {
        let mut part: Vec<f32> = values.iter().step_by(PART).copied().collect();
        let at = (wanted * 3 / 2 / PART + PART).min(part.len() - 1);
        floor = *part.select_nth_unstable_by(at, |a, b| b.total_cmp(a)).1;
    }
    let mut found = above(floor);
    if found.len() < wanted && floor > f32::NEG_INFINITY {
        found = above(f32::NEG_INFINITY);
    }
    if found.len() > wanted {
        let by = |a: &u32, b: &u32| values[*b as usize].total_cmp(&values[*a as usize]).then(a.cmp(b));
        found.select_nth_unstable_by(wanted - 1, by);
        found.truncate(wanted);
    }
    found
}

/// What values are told of.
#[derive(Clone, Copy)]
enum Slots {
    /// Positions of the codes of the one media type, where each document has one row.
    Positions(usize),
    /// Documents.
    Documents(usize),
}

impl Slots {
    fn of(media: &Media<'_>, documents: u32) -> Self {
        match (&*media.coded, &*media.few) {
            // Without an early end, which the compiler turns to vectors.
            ([held], []) if held.view.docs.windows(2).fold(true, |so, two| so & (two[0] < two[1])) => {
                Self::Positions(held.rows.len())
            }
            _ => Self::Documents(documents as usize),
        }
    }

    fn len(self) -> usize {
        match self {
            Self::Positions(count) | Self::Documents(count) => count,
        }
    }
}

struct Search<'a> {
    scorer: &'a DocScorer,
    vectors: &'a SegmentVectors,
    matching: &'a Matching<'a>,
    media: Media<'a>,
    slots: Slots,
}

impl Search<'_> {
    /// What the document or position of each slot is worth at most, by short codes; the least number where it does not match or has no
    /// item for a part that needs one. Memory: 8 bytes per slot.
    fn by_short(&self) -> Vec<f32> {
        let mut all = vec![0.0f32; self.slots.len()];
        let mut of_part = match self.slots {
            Slots::Positions(_) => Vec::new(),
            Slots::Documents(count) => vec![0.0f32; count],
        };
        let (mut room, mut run) = (Room::default(), vec![0.0; RUN]);
        for (part, addend) in self.scorer.addends().enumerate() {
            let missing = if addend.is_required { f32::NEG_INFINITY } else { 0.0 };
            // Of a document the item counts whose penalty is the greatest, and whose value is.
            of_part.fill(f32::NAN);
            for held in &self.media.coded {
                let n = held.rows.len();
                for start in (0..n).step_by(RUN) {
                    let run = &mut run[..RUN.min(n - start)];
                    let is_there = held.upper(part, start, &mut room, run).is_some();
                    if !is_there {
                        run.fill(f32::NAN);
                    }
                    if matches!(self.slots, Slots::Positions(_)) {
                        let known = |upper: f32| if upper.is_nan() { missing } else { upper };
                        all[start..].iter_mut().zip(run).for_each(|(all, upper)| *all += known(*upper));
                        continue;
                    }
                    for (upper, at) in run.iter().zip(start..) {
                        if let Some(of_doc) =
                            self.doc_at(held, at).and_then(|doc| of_part.get_mut(doc as usize))
                        {
                            *of_doc = met(*of_doc, *upper, addend.is_wanted);
                        }
                    }
                }
            }
            for (all, upper) in all.iter_mut().zip(&of_part) {
                *all += if upper.is_nan() { missing } else { *upper };
            }
        }
        if let (Slots::Positions(_), [held]) = (self.slots, &*self.media.coded) {
            if !self.matching.is_all() {
                let has = |at: usize| self.doc_at(held, at).is_some_and(|doc| self.matching.has(doc));
                all.iter_mut()
                    .enumerate()
                    .filter(|(at, _)| !has(*at))
                    .for_each(|(_, all)| *all = f32::NEG_INFINITY);
            }
        } else {
            let docs = all.iter_mut().zip(0..).filter(|(_, doc)| !self.matching.has(*doc));
            docs.for_each(|(all, _)| *all = f32::NEG_INFINITY);
        }
        // What is no number is of a damaged row.
        all.iter_mut().filter(|all| all.is_nan()).for_each(|all| *all = f32::NEG_INFINITY);
        all
    }

    /// The same by both codes, of the slots `left`, ascending.
    fn by_both(&self, left: &[u32]) -> Vec<f32> {
        let mut all = vec![0.0f32; left.len()];
        // Positions whose codes are compared, and what of `left` they belong to.
        let of = |held: &Held<'_>| -> Vec<(u32, u32)> {
            if matches!(self.slots, Slots::Positions(_)) {
                return left.iter().copied().zip(0..).collect();
            }
            let belongs = |at: usize| left.binary_search(&self.doc_at(held, at)?).ok();
            let found = (0..held.rows.len()).filter_map(|at| Some((at as u32, belongs(at)? as u32)));
            found.collect()
        };
        let places: Vec<Vec<(u32, u32)>> = self.media.coded.iter().map(of).collect();
        let mut of_part = vec![0.0f32; left.len()];
        for (part, addend) in self.scorer.addends().enumerate() {
            of_part.fill(f32::NAN);
            for (held, places) in self.media.coded.iter().zip(&places) {
                let Some(Some(compared)) = held.parts.get(part) else { continue };
                let which: Vec<u32> = places.iter().map(|(at, _)| *at).collect();
                let mut numbers: Vec<Vec<f32>> =
                    compared.forms.iter().map(|form| form.both(held, &which)).collect();
                for (at, (form, numbers)) in compared.forms.iter().zip(&mut numbers).enumerate() {
                    let margin = if addend.is_wanted { form.margins.both } else { -form.margins.both };
                    numbers
                        .iter_mut()
                        .for_each(|number| *number = compared.scorer.of_form(at, *number + margin));
                }
                let mut of_forms = vec![0.0; numbers.len()];
                for (i, (_, slot)) in places.iter().enumerate() {
                    of_forms.iter_mut().zip(&numbers).for_each(|(of, numbers)| *of = numbers[i]);
                    let value = compared.scorer.joined(&of_forms);
                    let adds = match addend.is_wanted {
                        true => addend.weight * value,
                        false => -addend.weight * compared.scorer.penalty(value),
                    };
                    let of_slot = &mut of_part[*slot as usize];
                    *of_slot = met(*of_slot, adds, addend.is_wanted);
                }
            }
            let missing = if addend.is_required { f32::NEG_INFINITY } else { 0.0 };
            for (all, upper) in all.iter_mut().zip(&of_part) {
                *all += if upper.is_nan() { missing } else { *upper };
            }
        }
        all
    }

    fn doc_at(&self, held: &Held<'_>, at: usize) -> Option<DocId> {
        held.view.docs.get(*held.rows.get(at)? as usize).copied()
    }

    /// The documents of slots, ascending, each once.
    fn docs(&self, slots: &[u32]) -> Vec<DocId> {
        let mut docs: Vec<DocId> = match (self.slots, &*self.media.coded) {
            (Slots::Positions(_), [held]) => {
                slots.iter().filter_map(|&at| self.doc_at(held, at as usize)).collect()
            }
            _ => slots.to_vec(),
        };
        docs.sort_unstable();
        docs.dedup();
        docs
    }

    /// What documents are ranked by.
    fn values(&self, docs: &[DocId]) -> Vec<(DocId, f32)> {
        let values = DocScorer::values_of(&[self.scorer], self.vectors, docs);
        docs.iter().copied().zip(values).filter_map(|(doc, value)| Some((doc, value?))).collect()
    }
}

/// What a document's part adds, of all its items so far and one more: the best item counts, whose value and whose penalty are the greatest.
fn met(so_far: f32, adds: f32, is_wanted: bool) -> f32 {
    // What is no number is not there.
    if is_wanted { so_far.max(adds) } else { so_far.min(adds) }
}
