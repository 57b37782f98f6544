//! A word that was typed in one field: itself, and the words that stand for it, of which the best counts.

use std::sync::Arc;

use tantivy::query::{
    Bm25StatisticsProvider, BooleanQuery, BooleanWeight, BoostQuery, DisjunctionMaxCombiner, EnableScoring,
    Explanation, Occur, PhraseQuery, Query, Scorer, TermQuery, Weight,
};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{DocId, Result, Score, SegmentReader, TantivyError, Term};

use crate::schema::{Phrase, SynonymMap};

/// What a synonym leaves of a score, so that the word itself comes first in one place.
const SYNONYM: f32 = 0.8;

/// A word or phrase in place of one that was typed.
#[derive(Debug, Clone)]
pub(super) struct Other {
    /// With their places.
    terms: Vec<(usize, Term)>,
    factor: f32,
}

impl Other {
    pub(super) fn word(term: Term, factor: f32) -> Self {
        Self { terms: vec![(0, term)], factor }
    }

    /// A phrase scores by each of its words, so each counts as a share.
    pub(super) fn synonym(field: Field, phrase: &Phrase) -> Self {
        let term = |(place, text): &(usize, String)| (*place, Term::from_field_text(field, text));
        Self { terms: phrase.iter().map(term).collect(), factor: SYNONYM / phrase.len() as f32 }
    }

    /// Documents that have it at most: those of its rarest word.
    pub(super) fn documents(&self, count: impl Fn(&Term) -> Result<u64>) -> Result<u64> {
        let counts: Result<Vec<u64>> = self.terms.iter().map(|(_, term)| count(term)).collect();
        Ok(counts?.into_iter().min().unwrap_or(0))
    }

    fn query(&self) -> BoostQuery {
        let query: Box<dyn Query> = match self.terms.as_slice() {
            [(_, only)] => Box::new(TermQuery::new(only.clone(), IndexRecordOption::WithFreqs)),
            _ => Box::new(PhraseQuery::new_with_offset(self.terms.clone())),
        };
        BoostQuery::new(query, self.factor)
    }
}

/// What stands for a word by the rules of all indexes, each once.
pub(super) fn synonyms_of<'a>(maps: &'a [Arc<SynonymMap>], word: &str) -> Vec<&'a Phrase> {
    let mut out: Vec<&Phrase> = Vec::new();
    for phrase in maps.iter().flat_map(|map| map.of(word)) {
        if !out.contains(&phrase) {
            out.push(phrase);
        }
    }
    out
}

/// A synonym as an explanation shows it.
pub(super) fn shown(phrase: &Phrase) -> String {
    phrase.iter().map(|(_, word)| word.as_str()).collect::<Vec<_>>().join(" ")
}

/// Matches documents with one of the words. A document gets the best score among them.
#[derive(Debug, Clone)]
pub(super) struct AlternativesQuery {
    /// What was typed, scored by its own BM25.
    exact: Term,
    others: Vec<Other>,
    /// Documents with any of the words, as far as counts of single words tell: what the others are as rare as.
    documents: u64,
}

impl AlternativesQuery {
    pub(super) fn new(exact: Term, others: Vec<Other>, documents: u64) -> Self {
        Self { exact, others, documents }
    }

    fn exact(&self) -> TermQuery {
        TermQuery::new(self.exact.clone(), IndexRecordOption::WithFreqs)
    }

    fn others(&self) -> impl Iterator<Item = BoostQuery> {
        self.others.iter().map(Other::query)
    }
}

impl Query for AlternativesQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> Result<Box<dyn Weight>> {
        let EnableScoring::Enabled { searcher, statistics_provider } = scoring else {
            let mut any: Vec<Box<dyn Query>> = vec![Box::new(self.exact())];
            any.extend(self.others().map(|query| Box::new(query) as Box<dyn Query>));
            return BooleanQuery::union(any).weight(scoring);
        };
        let alike = Alike { inner: statistics_provider, documents: self.documents };
        let alike = EnableScoring::enabled_from_statistics_provider(&alike, searcher);
        let others = self.others().map(|query| query.weight(alike));
        let each = std::iter::once(self.exact().weight(scoring)).chain(others);
        let each: Vec<Arc<dyn Weight>> = each.map(|weight| weight.map(Arc::from)).collect::<Result<_>>()?;
        let shared = |weight: &Arc<dyn Weight>| Box::new(Shared(Arc::clone(weight))) as Box<dyn Weight>;
        let any = each.iter().map(|weight| (Occur::Should, shared(weight))).collect();
        let best = || DisjunctionMaxCombiner::with_tie_breaker(0.0);
        let best = BooleanWeight::with_minimum_number_should_match(any, 1, true, Box::new(best));
        let (word, field) = (self.exact.value(), searcher.schema().get_field_name(self.exact.field()));
        let name =
            format!("best of {:?} and what stands for it in `{field}`", word.as_str().unwrap_or_default());
        Ok(Box::new(BestWeight { name, best, each }))
    }

    fn query_terms<'a>(&'a self, visitor: &mut dyn FnMut(&'a Term, bool)) {
        visitor(&self.exact, false);
        self.others.iter().flat_map(|other| &other.terms).for_each(|(_, term)| visitor(term, false));
    }
}

/// The best of some words. The host's own explanation of it calls it a sum.
struct BestWeight {
    /// As an explanation shows it.
    name: String,
    best: BooleanWeight<DisjunctionMaxCombiner>,
    each: Vec<Arc<dyn Weight>>,
}

/// A weight that an explanation asks alone too.
struct Shared(Arc<dyn Weight>);

impl Weight for Shared {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> Result<Box<dyn Scorer>> {
        self.0.scorer(reader, boost)
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> Result<Explanation> {
        self.0.explain(reader, doc)
    }
}

impl Weight for BestWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> Result<Box<dyn Scorer>> {
        self.best.scorer(reader, boost)
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> Result<Explanation> {
        let mut scorer = self.best.scorer(reader, 1.0)?;
        if scorer.doc() > doc || scorer.seek(doc) != doc {
            return Err(TantivyError::InvalidArgument(format!("Document #({doc}) does not match")));
        }
        let mut explanation = Explanation::new_with_string(self.name.clone(), scorer.score());
        for weight in &self.each {
            let mut scorer = weight.scorer(reader, 1.0)?;
            if scorer.doc() <= doc && scorer.seek(doc) == doc {
                explanation.add_detail(weight.explain(reader, doc)?);
            }
        }
        Ok(explanation)
    }
}

/// Statistics that give every word as many documents.
struct Alike<'a> {
    inner: &'a dyn Bm25StatisticsProvider,
    documents: u64,
}

impl Bm25StatisticsProvider for Alike<'_> {
    fn total_num_tokens(&self, field: Field) -> Result<u64> {
        self.inner.total_num_tokens(field)
    }

    fn total_num_docs(&self) -> Result<u64> {
        self.inner.total_num_docs()
    }

    fn doc_freq(&self, _: &Term) -> Result<u64> {
        // More documents than there are would be a negative rarity.
        Ok(self.documents.min(self.inner.total_num_docs()?))
    }
}
