//! Hits in the order of their fields, and one for each value: over all that matches, or over the window of a media leg.

mod collector;
mod column;
mod segment;
mod value;

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use serde_json::Value as Json;
use tantivy::query::Query;
use tantivy::{DocAddress, DocId, SegmentOrdinal};

use self::collector::{Found, SortCollector};
use self::column::End;
use self::segment::{Asked, By, Entry, Opened, Resolved};
use self::value::{Format, Value};
use super::Ranking;
use super::restrict::query_of;
use crate::error::Result;
use crate::search::fusion::{FusedDoc, Share};
use crate::search::plan::Plan;
use crate::search::plan::order::Order;
use crate::search::top::RankedDoc;

/// What an order says of a hit.
#[derive(Debug, Clone, Default)]
pub(in crate::search) struct Placed {
    /// Its values, by level; null for a missing one.
    pub(in crate::search) sort: Vec<Json>,
    /// Other documents of its value; `None` where nothing is collapsed.
    pub(in crate::search) others: Option<u64>,
}

/// What a document is sorted by, and how its values are written.
type Values = (Resolved, Arc<[Option<Format>]>);

/// A document with what it is compared by.
struct Row {
    fused: FusedDoc,
    values: Vec<Option<Value>>,
    formats: Arc<[Option<Format>]>,
    group: Option<Value>,
    others: u64,
}

impl Row {
    fn new(fused: FusedDoc, (values, group): Resolved, formats: Arc<[Option<Format>]>, others: u64) -> Self {
        Self { fused, values, formats, group, others }
    }

    /// Missing values come last in both directions, ties go by id.
    fn compare(&self, other: &Self, levels: &[(By, End)]) -> Ordering {
        let pairs = self.values.iter().zip(&other.values).zip(levels);
        let by_value = pairs.map(|((one, other), (_, end))| match (one, other) {
            (Some(one), Some(other)) if *end == End::Greatest => other.cmp(one),
            (Some(one), Some(other)) => one.cmp(other),
            (one, other) => one.is_none().cmp(&other.is_none()),
        });
        let by_value = by_value.fold(Ordering::Equal, Ordering::then);
        by_value.then_with(|| self.name().cmp(&other.name()))
    }

    /// A document without an id comes last.
    fn name(&self) -> (bool, Option<&str>, DocAddress) {
        let doc = &self.fused.doc;
        (doc.id.is_none(), doc.id.as_deref(), doc.address)
    }

    fn placed(&self, is_collapsed: bool) -> Placed {
        let shown = self.values.iter().zip(&*self.formats);
        let shown = shown.filter_map(|(value, format)| {
            let format = (*format)?;
            Some(value.as_ref().map_or(Json::Null, |value| value.to_json(format)))
        });
        Placed { sort: shown.collect(), others: is_collapsed.then_some(self.others) }
    }
}

fn asked(order: &Order, scored: bool, k: usize) -> Asked {
    let end = |descending| if descending { End::Greatest } else { End::Least };
    let mut levels: Vec<(By, End)> =
        order.levels.iter().map(|level| (By::Field(level.by.clone()), end(level.descending))).collect();
    if levels.is_empty() && scored {
        levels.push((By::Score, End::Greatest));
    }
    Asked { levels, collapse: order.collapse.clone(), k }
}

/// The first `k` of what `query` matches in all shards, in the plan's order: of a query that no media part ranks. Without a field to
/// sort by, in the order of the keywords' scores.
///
/// Cost: a look at the columns for each match. Collapsed, memory for each value that matches; of several segments their strings are
/// read.
pub(super) fn matches(
    plan: &Plan,
    order: &Order,
    query: Option<Box<dyn Query>>,
    k: usize,
) -> Result<Ranking> {
    let has_keywords = plan.keywords.is_some();
    let asked = Arc::new(asked(order, has_keywords, k));
    let (ids, budget) = (plan.view.ids.clone(), plan.budget.clone());
    let collector = SortCollector { asked: asked.clone(), ids, budget };
    let mut all: Vec<Found> = Vec::new();
    for (base, found) in plan.view.shards.search(query_of(&query), |_| collector.clone())? {
        all.extend(found.into_iter().map(|found| Found { segment: found.segment + base, ..found }));
    }
    let matched = all.iter().map(|found| found.matched).sum();
    let partial = all.iter().any(|found| found.partial);
    all.retain(|found| !found.entries.is_empty());
    let mut rows = Vec::new();
    let is_one = all.len() == 1;
    for found in &mut all {
        if is_one {
            // Keys of one segment say the whole order, so that strings are read of what is kept alone.
            found.entries.sort_unstable_by(|a, b| a.place().cmp(&b.place()));
            found.entries.truncate(k);
        }
        let formats = found.opened.formats();
        for (entry, resolved) in found.entries.iter().zip(found.opened.resolve(&found.entries)?) {
            let address = DocAddress::new(found.segment, entry.doc);
            let doc = RankedDoc { score: entry.score, address, id: None };
            let fused = FusedDoc { doc, shares: vec![Share::default(); usize::from(has_keywords)] };
            rows.push(Row::new(fused, resolved, formats.clone(), entry.others));
        }
    }
    if !is_one {
        plan.view.name(rows.iter_mut().map(|row| &mut row.fused.doc))?;
        rows.sort_by(|a, b| a.compare(b, &asked.levels));
        rows = collapsed(rows, order);
        rows.truncate(k);
    }
    let mut ranking = Ranking {
        docs: Vec::new(),
        placed: Vec::new(),
        has_all_keywords: false,
        legs: plan.keywords.iter().map(|_| "keyword").collect(),
        candidates: matched,
        matched,
        scored: 0,
        exact: true,
        partial,
    };
    place(rows, order, &mut ranking);
    Ok(ranking)
}

/// Puts what a query with a media leg ranked in the plan's order, and keeps the first of each value.
pub(super) fn window(plan: &Plan, order: &Order, ranking: &mut Ranking) -> Result<()> {
    let asked = asked(order, false, 0);
    let mut by_segment: BTreeMap<SegmentOrdinal, Vec<(DocId, usize)>> = BTreeMap::new();
    for (at, fused) in ranking.docs.iter().enumerate() {
        let address = fused.doc.address;
        by_segment.entry(address.segment_ord).or_default().push((address.doc_id, at));
    }
    let mut found: Vec<Option<Values>> = ranking.docs.iter().map(|_| None).collect();
    for (segment, mut places) in by_segment {
        places.sort_unstable();
        let docs: Vec<DocId> = places.iter().map(|(doc, _)| *doc).collect();
        let (reader, _) = plan.view.shards.segment(DocAddress::new(segment, 0));
        // Ids are compared below.
        let (opened, ended) = Opened::new(&asked, reader, None, &docs, &plan.budget)?;
        ranking.partial |= ended;
        let entries: Vec<Entry> = docs.iter().map(|doc| opened.entry(*doc, 0.0)).collect();
        let formats = opened.formats();
        for ((_, at), resolved) in places.iter().zip(opened.resolve(&entries)?) {
            found[*at] = Some((resolved, formats.clone()));
        }
    }
    let docs = std::mem::take(&mut ranking.docs).into_iter().zip(found);
    let row = |(fused, found): (FusedDoc, Option<Values>)| {
        let (resolved, formats) = found?;
        Some(Row::new(fused, resolved, formats, 0))
    };
    let mut rows: Vec<Row> = docs.filter_map(row).collect();
    if !asked.levels.is_empty() {
        plan.view.name(rows.iter_mut().map(|row| &mut row.fused.doc))?;
        rows.sort_by(|a, b| a.compare(b, &asked.levels));
    }
    place(collapsed(rows, order), order, ranking);
    Ok(())
}

/// The first of each value, with the number of those behind it.
fn collapsed(rows: Vec<Row>, order: &Order) -> Vec<Row> {
    if order.collapse.is_none() {
        return rows;
    }
    let mut first: HashMap<Value, usize> = HashMap::new();
    let mut out: Vec<Row> = Vec::new();
    for row in rows {
        match row.group.as_ref().and_then(|value| first.get(value)) {
            Some(&at) => out[at].others += row.others + 1,
            None => {
                if let Some(value) = &row.group {
                    first.insert(value.clone(), out.len());
                }
                out.push(row);
            }
        }
    }
    out
}

fn place(rows: Vec<Row>, order: &Order, ranking: &mut Ranking) {
    ranking.placed = rows.iter().map(|row| row.placed(order.collapse.is_some())).collect();
    ranking.docs = rows.into_iter().map(|row| row.fused).collect();
}
