//! Boolean queries whose scores are summed in the order of their clauses.
//!
//! tantivy adds the scores of three or more clauses in an order that depends on how often each occurs in a segment, so that
//! the last bit of a sum, and with it the order of equal documents, depends on how documents lie in segments. Here the sum has one
//! order. Matching is tantivy's, but for a few clauses of which one is enough: what scores them finds them too, in one walk.

use tantivy::query::{BooleanQuery, EnableScoring, Explanation, Occur, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError, Term};

/// Most clauses that are walked side by side: each document asks all of them.
const FEW: usize = 16;

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
        let any = self.clauses.len() <= FEW && self.clauses.iter().all(|(occur, _)| *occur == Occur::Should);
        let matching = match any {
            true => None,
            false => Some(matching.weight(EnableScoring::disabled_from_searcher(searcher))?),
        };
        Ok(Box::new(OrderedWeight {
            matching,
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
    /// Without scores; `None` where what any clause matches is what is looked for, and clauses are few.
    matching: Option<Box<dyn Weight>>,
    /// Those that add to a score, in order.
    clauses: Vec<Box<dyn Weight>>,
}

impl Weight for OrderedWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let live = |weight: &dyn Weight| -> tantivy::Result<Option<Box<dyn Scorer>>> {
            let scorer = weight.scorer(reader, boost)?;
            Ok((scorer.doc() != TERMINATED).then_some(scorer))
        };
        let Some(matching) = &self.matching else {
            let clauses = self.clauses.iter().filter_map(|weight| live(&**weight).transpose());
            return Ok(Box::new(AnyScorer::new(clauses.collect::<tantivy::Result<_>>()?)));
        };
        Ok(Box::new(OrderedScorer {
            matching: matching.scorer(reader, 1.0)?,
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

/// The documents of any clause, with the sum of those that match in order.
struct AnyScorer {
    clauses: Vec<Box<dyn Scorer>>,
    /// Where each clause is.
    at: Vec<DocId>,
    doc: DocId,
}

impl AnyScorer {
    fn new(clauses: Vec<Box<dyn Scorer>>) -> Self {
        let at: Vec<DocId> = clauses.iter().map(|clause| clause.doc()).collect();
        let doc = at.iter().copied().min().unwrap_or(TERMINATED);
        Self { clauses, at, doc }
    }

    fn settle(&mut self) -> DocId {
        self.doc = self.at.iter().copied().min().unwrap_or(TERMINATED);
        self.doc
    }
}

impl DocSet for AnyScorer {
    fn advance(&mut self) -> DocId {
        if self.doc != TERMINATED {
            for (clause, at) in self.clauses.iter_mut().zip(&mut self.at) {
                if *at == self.doc {
                    *at = clause.advance();
                }
            }
        }
        self.settle()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        for (clause, at) in self.clauses.iter_mut().zip(&mut self.at) {
            if *at < target {
                *at = clause.seek(target);
            }
        }
        self.settle()
    }

    fn doc(&self) -> DocId {
        self.doc
    }

    fn size_hint(&self) -> u32 {
        self.clauses.iter().map(|clause| clause.size_hint()).max().unwrap_or(0)
    }

    fn cost(&self) -> u64 {
        self.clauses.iter().map(|clause| clause.cost()).sum()
    }
}

impl Scorer for AnyScorer {
    fn score(&mut self) -> Score {
        let mut sum = 0.0;
        for (clause, at) in self.clauses.iter_mut().zip(&self.at) {
            if *at == self.doc {
                sum += clause.score();
            }
        }
        sum
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tantivy::collector::{Count, DocSetCollector};
    use tantivy::query::TermQuery;
    use tantivy::schema::{IndexRecordOption, Schema, TEXT};
    use tantivy::{Index, TantivyDocument};

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn a_few_clauses_match_as_many_do_and_sum_in_their_order(
            docs in proptest::collection::vec("[a-f ]{0,14}", 1..120),
            words in proptest::collection::vec("[a-h]", 2..FEW + 4),
            targets in proptest::collection::vec(0u32..120, 1..12),
        ) {
            let mut builder = Schema::builder();
            let text = builder.add_text_field("text", TEXT);
            let index = Index::create_in_ram(builder.build());
            let mut writer = index.writer_with_num_threads(1, 15_000_000).unwrap();
            for doc in &docs {
                let mut document = TantivyDocument::new();
                document.add_text(text, doc);
                writer.add_document(document).unwrap();
            }
            writer.commit().unwrap();
            let searcher = index.reader().unwrap().searcher();
            let clause = |word: &String| -> (Occur, Box<dyn Query>) {
                let term = Term::from_field_text(text, word);
                (Occur::Should, Box::new(TermQuery::new(term, IndexRecordOption::WithFreqs)))
            };
            let clauses: Vec<_> = words.iter().map(clause).collect();
            let plain = BooleanQuery::new(clauses.iter().map(|(occur, q)| (*occur, q.box_clone())).collect());
            let ordered = OrderedQuery::new(clauses.iter().map(|(occur, q)| (*occur, q.box_clone())).collect());
            prop_assert_eq!(
                searcher.search(&ordered, &DocSetCollector).unwrap(), searcher.search(&plain, &DocSetCollector).unwrap()
            );
            prop_assert_eq!(searcher.search(&ordered, &Count).unwrap(), searcher.search(&plain, &Count).unwrap());
            let (reader, scoring) = (searcher.segment_reader(0), EnableScoring::enabled_from_searcher(&searcher));
            let open = |query: &dyn Query| query.weight(scoring).unwrap().scorer(reader, 2.0).unwrap();
            let mut expected = vec![None; docs.len()];
            for (_, query) in &clauses {
                let mut scorer = open(&**query);
                while scorer.doc() != TERMINATED {
                    *expected[scorer.doc() as usize].get_or_insert(0.0) += scorer.score();
                    scorer.advance();
                }
            }
            let mut scorer = open(&ordered);
            let mut got = vec![None; docs.len()];
            while scorer.doc() != TERMINATED {
                got[scorer.doc() as usize] = Some(scorer.score());
                scorer.advance();
            }
            prop_assert_eq!(&got, &expected);
            let (mut scorer, mut at) = (open(&ordered), 0);
            for step in targets {
                at += step % 9;
                if scorer.doc() < at {
                    let next = (at..).zip(expected.iter().skip(at as usize)).find(|(_, score)| score.is_some());
                    prop_assert_eq!(scorer.seek(at), next.map_or(TERMINATED, |(doc, _)| doc));
                }
                if let Some(score) = expected.get(scorer.doc() as usize) {
                    prop_assert_eq!(Some(scorer.score()), *score);
                }
            }
        }
    }
}
