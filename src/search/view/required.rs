//! Filters that bind whatever an engine answers.

use std::sync::Arc;

use tantivy::query::{BooleanQuery, EnableScoring, Query};
use tantivy::{DocAddress, SegmentReader, TERMINATED};

use super::View;
use super::shard::Shards;
use crate::error::{Error, ErrorCode, Result};
use crate::search::grammar::Grammar;

/// Filters in the grammar; all must match.
#[derive(Clone, Default)]
pub(crate) struct Required(Arc<[String]>);

impl Required {
    /// With `filter` too.
    pub(crate) fn and(&self, filter: &str) -> Self {
        Self(self.0.iter().cloned().chain([filter.to_owned()]).collect())
    }

    /// Whether there is any.
    pub(crate) fn is_some(&self) -> bool {
        !self.0.is_empty()
    }

    /// As they were written.
    pub(crate) fn texts(&self) -> &[String] {
        &self.0
    }

    /// As one query, which needs no scores; `None` without any.
    ///
    /// # Errors
    /// Those of parsing.
    pub(crate) fn query(&self, shards: &Shards) -> Result<Option<Box<dyn Query>>> {
        if !self.is_some() {
            return Ok(None);
        }
        let grammar = Grammar::new(&shards.first().tantivy).over(shards.searchers());
        let filters = self.0.iter().map(|text| grammar.filter(text)).collect::<Result<Vec<_>>>()?;
        Ok(Some(Box::new(BooleanQuery::intersection(filters))))
    }

    /// A segment's documents that it lets through, deleted ones among them; `None` where it lets all through.
    ///
    /// # Errors
    /// Those of parsing, and the host's.
    pub(super) fn segments(&self, shards: &Shards) -> Result<Option<Vec<Vec<bool>>>> {
        let Some(query) = self.query(shards)? else { return Ok(None) };
        let weights = shards.silent_weights(&*query)?;
        let mut out = Vec::new();
        for (shard, weight) in shards.iter().zip(&weights) {
            for reader in shard.searcher.segment_readers() {
                let mut allowed = vec![false; reader.max_doc() as usize];
                let mut scorer = weight.scorer(reader, 1.0)?;
                let mut doc = scorer.doc();
                while doc != TERMINATED {
                    if let Some(allowed) = allowed.get_mut(doc as usize) {
                        *allowed = true;
                    }
                    doc = scorer.advance();
                }
                out.push(allowed);
            }
        }
        Ok(Some(out))
    }
}

impl View {
    /// The same under one more filter.
    ///
    /// # Errors
    /// Those of parsing.
    pub(crate) fn requiring(self, filter: &str) -> Result<Self> {
        let required = self.required.and(filter);
        required.query(&self.shards)?;
        // Counts are of what is let through.
        Ok(Self { required, items: Arc::default(), ..self })
    }

    /// Whether the required filters let the document at `address` through.
    ///
    /// # Errors
    /// Those of parsing, and the host's.
    pub(super) fn lets_through(&self, address: DocAddress) -> Result<bool> {
        let Some(query) = self.required.query(&self.shards)? else { return Ok(true) };
        let (_, shard, inside) = self.shards.at(address);
        let reader: &SegmentReader = shard.searcher.segment_reader(inside.segment_ord);
        let weight = query.weight(EnableScoring::disabled_from_searcher(&shard.searcher))?;
        let mut scorer = weight.scorer(reader, 1.0)?;
        // A scorer goes forward alone.
        Ok(scorer.doc() <= inside.doc_id
            && (scorer.doc() == inside.doc_id || scorer.seek(inside.doc_id) == inside.doc_id))
    }

    /// Refuses aggregations that list values without documents: those of hidden documents are among them.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`].
    pub(crate) fn check_listed(&self, aggregations: &serde_json::Value) -> Result<()> {
        if self.required.is_some() && lists_all(aggregations) {
            let what = "under a required filter no aggregation lists values without documents";
            return Err(Error::new(ErrorCode::BadArgument, what)
                .expected("`min_doc_count` of 1 or more")
                .got("`min_doc_count` of 0"));
        }
        Ok(())
    }
}

/// Whether some `terms`, however deep, asks for values of no document.
fn lists_all(asked: &serde_json::Value) -> bool {
    match asked {
        serde_json::Value::Object(object) => object.iter().any(|(key, value)| {
            // An aggregation may have any name, so what only looks like one is refused too.
            (key == "terms" && value["min_doc_count"].as_u64() == Some(0)) || lists_all(value)
        }),
        serde_json::Value::Array(list) => list.iter().any(lists_all),
        _ => false,
    }
}
