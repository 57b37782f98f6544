//! Where the media leg of an explained query looked, and why no further or no less.

use std::sync::Mutex;
use std::sync::PoisonError;

use serde_json::{Value, json};

/// Why every document is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::search) enum Why {
    /// Segments are small: no cells are made of so few rows.
    FewRows,
    /// Scoring what matches costs less than what the cells ask for.
    Cheaper,
    /// The rows that were found belong to too few documents.
    FewFound,
    /// A segment has no cells.
    NoCells,
    /// No curve was measured for this `score` and this kind of query.
    NoCurve,
    /// The bundle cannot compare.
    NoForm,
    /// The request asks for it.
    Exact,
    /// The request names a source of its own.
    Source,
}

impl Why {
    fn as_str(self) -> &'static str {
        match self {
            Self::FewRows => "few rows",
            Self::Cheaper => "cheaper than cells",
            Self::FewFound => "too few documents by cells",
            Self::NoCells => "no cells",
            Self::NoCurve => "no curve for this bundle and query",
            Self::NoForm => "nothing to compare by",
            Self::Exact => "asked for",
            Self::Source => "a source of the request",
        }
    }
}

/// Counted over all segments, while a query runs.
#[derive(Debug, Default)]
pub(in crate::search) struct Tally(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    /// Of what was looked at whole; of several reasons the last in the list above.
    why: Option<Why>,
    cells: u64,
    compared: u64,
    kept: u64,
}

impl Tally {
    fn counts(&self, change: impl FnOnce(&mut Counts)) {
        // A panic elsewhere leaves numbers.
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Something was looked at whole.
    pub(in crate::search) fn whole(&self, why: Why) {
        self.counts(|counts| counts.why = counts.why.max(Some(why)));
    }

    /// Cells of a segment were visited: `compared` rows by their codes, of which `kept` are scored.
    pub(super) fn cells(&self, cells: usize, compared: usize, kept: usize) {
        self.counts(|counts| {
            counts.cells += cells as u64;
            counts.compared += compared as u64;
            counts.kept += kept as u64;
        });
    }

    /// `{"by": "cells", "source" or "all", "why", "cells", "rows_by_code", "rows_scored"}`: why something was looked at whole, cells that were
    /// visited, rows whose codes were compared, and those of them that were scored.
    pub(in crate::search) fn to_json(&self) -> Value {
        let mut out = json!({});
        self.counts(|counts| {
            let Counts { why, cells, compared, kept } = counts;
            let by = match why {
                Some(Why::Source) => "source",
                _ if *compared > 0 => "cells",
                _ => "all",
            };
            out = json!({
                "by": by, "why": why.map(Why::as_str),
                "cells": cells, "rows_by_code": compared, "rows_scored": kept,
            });
        });
        out
    }
}
