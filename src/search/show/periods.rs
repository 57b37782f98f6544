//! Counts of dates by day, month or year.

use std::collections::BTreeMap;

use tantivy::collector::{Collector, SegmentCollector};
use tantivy::columnar::Column;
use tantivy::{DateTime, DocId, Score, SegmentOrdinal, SegmentReader};

use crate::schema::date::Unit;

/// Documents by the period of their dates, as numbers of the unit: one that has several dates in a period counts once.
pub(super) type Counts = BTreeMap<i64, u64>;

/// Counts the dates of a column.
pub(super) struct PeriodCollector<'a> {
    pub(super) column: &'a str,
    pub(super) unit: Unit,
}

impl Collector for PeriodCollector<'_> {
    type Fruit = Counts;
    type Child = PeriodCounter;

    fn for_segment(&self, _: SegmentOrdinal, reader: &SegmentReader) -> tantivy::Result<PeriodCounter> {
        let column = reader.fast_fields().column_opt::<DateTime>(self.column)?;
        Ok(PeriodCounter { column, unit: self.unit, counts: Counts::new(), periods: Vec::new() })
    }

    fn requires_scoring(&self) -> bool {
        false
    }

    fn merge_fruits(&self, fruits: Vec<Counts>) -> tantivy::Result<Counts> {
        let mut all = Counts::new();
        fruits.into_iter().for_each(|counts| add(&mut all, counts));
        Ok(all)
    }
}

pub(super) fn add(all: &mut Counts, counts: Counts) {
    for (period, count) in counts {
        *all.entry(period).or_default() += count;
    }
}

pub(super) struct PeriodCounter {
    column: Option<Column<DateTime>>,
    unit: Unit,
    counts: Counts,
    /// Of one document.
    periods: Vec<i64>,
}

impl SegmentCollector for PeriodCounter {
    type Fruit = Counts;

    fn collect(&mut self, doc: DocId, _: Score) {
        let Some(column) = &self.column else { return };
        self.periods.clear();
        self.periods.extend(column.values_for_doc(doc).map(|date| self.unit.of(date)));
        self.periods.sort_unstable();
        self.periods.dedup();
        for period in &self.periods {
            *self.counts.entry(*period).or_default() += 1;
        }
    }

    fn harvest(self) -> Counts {
        self.counts
    }
}
