//! Boolean queries whose scores are summed in the order of their clauses.
//!
//! tantivy adds the scores of three or more clauses in an order that depends on how often each occurs in a segment, so that
//! the last bit of a sum, and with it the order of equal documents, depends on how documents lie in segments. Here matching
//! is tantivy's, and the sum has one order.

use tantivy::query::{BooleanQuery, EnableScoring, Explanation, Occur, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader, TantivyError, Term};

/// `BooleanQuery` with one order of summation. Matches what that does.
#[derive(Debug)]
pub(super) struct OrderedQuery {
    clauses: Vec<(Occur, Box<dyn Query>)>,
}

impl OrderedQuery {
    pub(super) fn new(clauses: Vec<(Occur, Box<dyn Query>)>) -> Self {
        Self { clauses }
    }

    /// Whether it names nothing to look for.
    pub(super) fn only_excludes(&self) -> bool {
        !self.clauses.is_empty() && self.clauses.iter().all(|(occur, _)| *occur == Occur::MustNot)
    }

    /// With one more clause, at the end.
    pub(super) fn with(mut self, occur: Occur, query: Box<dyn Query>) -> Self {
        self.clauses.push((occur, query));
        self
    }
}

impl Clone for OrderedQuery {
    fn clone(&self) -> Self {
        Self { clauses: self.clauses.iter().map(|(occur, query)| (*occur, query.box_clone())).collect() }
    }
}

impl Query for OrderedQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        let matching = BooleanQuery::new(self.clone().clauses);
        let EnableScoring::Enabled { searcher, .. } = scoring else { return matching.weight(scoring) };
        let adds = |(occur, _): &&(Occur, Box<dyn Query>)| *occur != Occur::MustNot;
        Ok(Box::new(OrderedWeight {
            matching: matching.weight(EnableScoring::disabled_from_searcher(searcher))?,
            clauses: self
                .clauses
                .iter()
                .filter(adds)
                .map(|(_, query)| query.weight(scoring))
                .collect::<tantivy::Result<_>>()?,
        }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        for (occur, query) in &self.clauses {
            if *occur != Occur::MustNot {
                query.query_terms(visitor);
            }
        }
    }
}

struct OrderedWeight {
    /// Without scores.
    matching: Box<dyn Weight>,
    /// Those that add to a score, in order.
    clauses: Vec<Box<dyn Weight>>,
}

impl Weight for OrderedWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        Ok(Box::new(OrderedScorer {
            matching: self.matching.scorer(reader, 1.0)?,
            clauses: self
                .clauses
                .iter()
                .map(|weight| weight.scorer(reader, boost))
                .collect::<tantivy::Result<_>>()?,
        }))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let mut scorer = self.scorer(reader, 1.0)?;
        if scorer.doc() > doc || scorer.seek(doc) != doc {
            return Err(TantivyError::InvalidArgument(format!("Document #({doc}) does not match")));
        }
        let mut explanation = Explanation::new("sum of the clauses that match, in order", scorer.score());
        for weight in &self.clauses {
            let mut clause = weight.scorer(reader, 1.0)?;
            if clause.doc() <= doc && clause.seek(doc) == doc {
                explanation.add_detail(weight.explain(reader, doc)?);
            }
        }
        Ok(explanation)
    }
}

struct OrderedScorer {
    matching: Box<dyn Scorer>,
    clauses: Vec<Box<dyn Scorer>>,
}

impl DocSet for OrderedScorer {
    fn advance(&mut self) -> DocId {
        self.matching.advance()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        self.matching.seek(target)
    }

    fn doc(&self) -> DocId {
        self.matching.doc()
    }

    fn size_hint(&self) -> u32 {
        self.matching.size_hint()
    }

    fn cost(&self) -> u64 {
        self.matching.cost()
    }
}

impl Scorer for OrderedScorer {
    fn score(&mut self) -> Score {
        let doc = self.matching.doc();
        let mut sum = 0.0;
        for clause in &mut self.clauses {
            if clause.doc() < doc {
                clause.seek(doc);
            }
            if clause.doc() == doc {
                sum += clause.score();
            }
        }
        sum
    }
}
