//! The first documents of one segment in an order, or the first one for each value.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::sync::Arc;

use tantivy::{DocId, SegmentReader};

use super::column::{End, Values};
use super::value::{self, Format, Value};
use crate::error::Result;
use crate::search::budget::Budget;
use crate::search::plan::order::Place;
use crate::search::top::Ids;

/// Sorts after every value, in both directions.
const MISSING: u128 = u128::MAX;

/// What documents are compared by; ties go by id.
pub(super) struct Asked {
    pub(super) levels: Vec<(By, End)>,
    pub(super) collapse: Option<Place>,
    /// How many are looked for.
    pub(super) k: usize,
}

pub(super) enum By {
    Score,
    Field(Place),
}

impl Asked {
    /// Whether stored documents are read.
    pub(super) fn reads_store(&self) -> bool {
        let fields = self.levels.iter().filter_map(|(by, _)| match by {
            By::Score => None,
            By::Field(place) => Some(place),
        });
        fields.chain(&self.collapse).any(|place| matches!(place, Place::Stored { .. }))
    }
}

/// The values of one segment that [`Asked`] asks for.
pub(super) struct Opened {
    /// By level; `None` for the score.
    levels: Vec<(Option<Values>, End)>,
    collapse: Option<Values>,
    ids: Ids,
}

/// A document with what it is compared by, first the first.
pub(super) struct Entry {
    keys: Box<[u128]>,
    id: u128,
    pub(super) doc: DocId,
    pub(super) score: f32,
    group: Option<u128>,
    /// Documents of the same value behind it.
    pub(super) others: u64,
}

impl Entry {
    pub(super) fn place(&self) -> (&[u128], u128, DocId) {
        (&self.keys, self.id, self.doc)
    }
}

/// The values of an entry by level, and the one that it is collapsed by.
pub(super) type Resolved = (Vec<Option<Value>>, Option<Value>);

impl Opened {
    /// `docs`, ascending, are those that will be asked for, where the store is read. The second says whether the budget ended it.
    pub(super) fn new(
        asked: &Asked,
        reader: &SegmentReader,
        ids: Ids,
        docs: &[DocId],
        budget: &Budget,
    ) -> Result<(Self, bool)> {
        let mut partial = false;
        let mut open = |place: &Place| -> Result<Values> {
            let (values, ended) = Values::open(place, reader, docs, budget)?;
            partial |= ended;
            Ok(values)
        };
        let mut levels = Vec::with_capacity(asked.levels.len());
        for (by, end) in &asked.levels {
            let values = match by {
                By::Score => None,
                By::Field(place) => Some(open(place)?),
            };
            levels.push((values, *end));
        }
        let collapse = asked.collapse.as_ref().map(&mut open).transpose()?;
        Ok((Self { levels, collapse, ids }, partial))
    }

    #[inline]
    fn key(&self, level: usize, doc: DocId, score: f32) -> u128 {
        // Without a level all are equal.
        let Some((values, end)) = self.levels.get(level) else { return 0 };
        let key = match values {
            Some(values) => values.key(doc, *end),
            None => Some(value::of_float(score.into())),
        };
        match (key, end) {
            (None, _) => MISSING,
            (Some(key), End::Least) => key,
            (Some(key), End::Greatest) => turned(key),
        }
    }

    fn group(&self, doc: DocId) -> Option<u128> {
        self.collapse.as_ref()?.key(doc, End::Least)
    }

    pub(super) fn entry(&self, doc: DocId, score: f32) -> Entry {
        let keys = (0..self.levels.len()).map(|level| self.key(level, doc, score)).collect();
        let id = self.ids.as_ref().and_then(|ids| ids.key(doc)).unwrap_or(u128::MAX);
        Entry { keys, id, doc, score, group: self.group(doc), others: 0 }
    }

    pub(super) fn resolve(&self, entries: &[Entry]) -> Result<Vec<Resolved>> {
        let mut out: Vec<Resolved> = entries.iter().map(|_| Resolved::default()).collect();
        for (level, (values, end)) in self.levels.iter().enumerate() {
            let key = |entry: &Entry| match entry.keys[level] {
                MISSING => None,
                key if *end == End::Greatest => Some(turned(key)),
                key => Some(key),
            };
            let keys: Vec<Option<u128>> = entries.iter().map(key).collect();
            let resolved = match values {
                Some(values) => values.resolve(&keys)?,
                None => keys.iter().map(|key| key.and_then(|key| value::read(key).ok())).collect(),
            };
            out.iter_mut().zip(resolved).for_each(|((values, _), value)| values.push(value));
        }
        if let Some(collapse) = &self.collapse {
            let keys: Vec<Option<u128>> = entries.iter().map(|entry| entry.group).collect();
            out.iter_mut().zip(collapse.resolve(&keys)?).for_each(|((_, group), value)| *group = value);
        }
        Ok(out)
    }

    /// How values of the fields are shown, by level; a score is not.
    pub(super) fn formats(&self) -> Arc<[Option<Format>]> {
        self.levels.iter().map(|(values, _)| values.as_ref().map(|values| values.format)).collect()
    }
}

/// The order turned round, below [`MISSING`]: no key is near the end.
fn turned(key: u128) -> u128 {
    MISSING - 1 - key
}

/// The first k documents of a segment, in memory for 2k, or the first for each value and k of those without one.
pub(super) struct Top {
    k: usize,
    entries: Vec<Entry>,
    /// The last of the first k, once there are so many.
    worst: Option<(Box<[u128]>, u128, DocId)>,
    groups: Vec<Entry>,
    by_value: HashMap<u128, usize>,
}

impl Top {
    pub(super) fn new(k: usize) -> Self {
        Self { k, entries: Vec::new(), worst: None, groups: Vec::new(), by_value: HashMap::new() }
    }

    #[inline]
    pub(super) fn push(&mut self, opened: &Opened, doc: DocId, score: f32) {
        if let Some(group) = opened.group(doc) {
            return self.push_grouped(opened, group, (doc, score));
        }
        if let Some((keys, ..)) = &self.worst
            && keys.first().is_some_and(|last| opened.key(0, doc, score) > *last)
        {
            return;
        }
        let entry = opened.entry(doc, score);
        if self.worst.as_ref().is_some_and(|(keys, id, last)| entry.place() >= (&**keys, *id, *last)) {
            return;
        }
        self.entries.push(entry);
        if self.entries.len() >= self.k.saturating_mul(2) {
            self.prune();
        }
    }

    fn push_grouped(&mut self, opened: &Opened, group: u128, (doc, score): (DocId, f32)) {
        match self.by_value.entry(group) {
            Slot::Vacant(slot) => {
                slot.insert(self.groups.len());
                self.groups.push(opened.entry(doc, score));
            }
            Slot::Occupied(slot) => {
                let best = &mut self.groups[*slot.get()];
                best.others += 1;
                if best.keys.first().is_some_and(|key| opened.key(0, doc, score) > *key) {
                    return;
                }
                let entry = Entry { others: best.others, ..opened.entry(doc, score) };
                if entry.place() < best.place() {
                    *best = entry;
                }
            }
        }
    }

    fn prune(&mut self) {
        if self.k == 0 || self.entries.len() < self.k {
            return;
        }
        let (_, last, _) = self.entries.select_nth_unstable_by(self.k - 1, |a, b| a.place().cmp(&b.place()));
        self.worst = Some((last.keys.clone(), last.id, last.doc));
        self.entries.truncate(self.k);
    }

    /// In no order.
    pub(super) fn finish(mut self) -> Vec<Entry> {
        if self.entries.len() > self.k {
            self.prune();
        }
        self.entries.append(&mut self.groups);
        self.entries
    }
}
