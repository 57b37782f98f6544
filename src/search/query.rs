//! A tantivy query that matches documents by their items, usable inside `BooleanQuery`.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tantivy::query::{EnableScoring, Explanation, Query, Scorer, Weight};
use tantivy::{DocId, DocSet, Score, SegmentReader, TERMINATED, TantivyError};

use super::budget::Budget;
use super::candidates::{CandidateDocs, Candidates, Cells, NOT_COUNTED, Passed, Probe, Reached};
use super::scorer::DocScorer;
use super::similarity::sigmoid;
use crate::error::{Error, ErrorCode, Result};
use crate::index::{MediaField, SegmentCache, SegmentVectors, to_tantivy, whole};
use crate::model::Bundle;

/// Documents of the largest block that is scored at once.
const BLOCK: usize = 512;

/// Matches every live document with an item of a wanted media type; its score is match probability x boost.
///
/// It never truncates, unless [`CrossMediaQuery::nearest`] is asked for. A scorer of another space than the index is an error of the search, which [`Error`] made from it gives
/// as [`ErrorCode::SpaceMismatch`]. Where a pair of media types has no calibration, the sigmoid of the raw logit stands in for the
/// probability in the score, and a minimum drops the document.
#[derive(Clone)]
pub struct CrossMediaQuery {
    scorer: Arc<DocScorer>,
    cache: SegmentCache,
    minimum: Option<f32>,
    budget: Budget,
    /// Where it looks, for as many documents.
    nearest: Option<(Cells, usize)>,
    /// What else restricts the documents that a minimum is asked of, where that is known: of few all are scored.
    beside: Option<Arc<dyn Query>>,
    /// What reached the minimum, of segments where not all were scored.
    passed: Arc<Passed>,
}

impl CrossMediaQuery {
    /// A query over the segments of `cache`, which is that of the index's plugin.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for another similarity than the metric network, whose scores are no probabilities.
    pub fn new(scorer: Arc<DocScorer>, cache: &SegmentCache) -> Result<Self> {
        if !scorer.similarity().is_metric() {
            return Err(Error::new(ErrorCode::BadArgument, "a CrossMediaQuery scores by probability")
                .expected("the metric network")
                .got(scorer.similarity().leg()));
        }
        Ok(Self {
            scorer,
            cache: cache.clone(),
            minimum: None,
            budget: Budget::default(),
            nearest: None,
            beside: None,
            passed: Arc::default(),
        })
    }

    /// Matches nothing more once the budget is spent.
    pub(super) fn within(self, budget: Budget) -> Self {
        Self { budget, ..self }
    }

    /// Matches no more than it takes to find the share `recall` of the best `k` documents of an index, by the curves of its segments'
    /// cells: for a collector of the best `k`, such as tantivy's `TopDocs`, in place of a walk over all. With a minimum probability it
    /// matches the share of all documents that reach it, whatever `k` is. `bundle` is the one that the scorer
    /// was made with. Segments without a curve for it match whole, and so does everything at 1. Beside other clauses the best `k` are
    /// those before these clauses cut.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] for a share that is not above 0 and at most 1; [`ErrorCode::SpaceMismatch`] for a bundle of
    /// another space.
    pub fn nearest(mut self, bundle: &Bundle, k: usize, recall: f32) -> Result<Self> {
        // NaN is in no range.
        if !(recall > 0.0 && recall <= 1.0) {
            return Err(Error::new(ErrorCode::BadArgument, "the recall is out of range")
                .expected("above 0 and at most 1")
                .got(recall));
        }
        if bundle.space() != self.scorer.space() {
            return Err(Error::new(ErrorCode::SpaceMismatch, "the scorer was made with another bundle")
                .expected(format!("space {}", self.scorer.space()))
                .got(format!("space {}", bundle.space())));
        }
        self.nearest = (recall < 1.0).then_some((Cells { recall, model: bundle.score(), tally: None }, k));
        self.passed = Arc::default();
        Ok(self)
    }

    /// Looks for a minimum as `cells` say, among the documents that `beside` lets through.
    pub(super) fn looking(self, cells: Cells, beside: Option<Box<dyn Query>>) -> Self {
        let passed = Arc::default();
        Self { nearest: Some((cells, 0)), beside: beside.map(Arc::from), passed, ..self }
    }

    /// What reached the minimum, for whoever asks whether all were scored.
    pub(super) fn passed(&self) -> Arc<Passed> {
        self.passed.clone()
    }

    /// Matches only documents of probability `minimum` or more.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] outside 0 to 1.
    pub fn min_probability(mut self, minimum: f32) -> Result<Self> {
        if !(0.0..=1.0).contains(&minimum) {
            return Err(Error::new(ErrorCode::BadArgument, "a minimum probability is out of range")
                .expected("0 to 1")
                .got(minimum));
        }
        (self.minimum, self.passed) = (Some(minimum), Arc::default());
        Ok(self)
    }
}

impl fmt::Debug for CrossMediaQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CrossMediaQuery")
            .field("wanted", &self.scorer.wanted())
            .field("minimum", &self.minimum)
            .finish_non_exhaustive()
    }
}

impl Query for CrossMediaQuery {
    fn weight(&self, scoring: EnableScoring<'_>) -> tantivy::Result<Box<dyn Weight>> {
        // Of an index without documents, too.
        MediaField::of(scoring.schema())
            .and_then(|media| media.check_space(self.scorer.space()))
            .map_err(to_tantivy)?;
        let scoring = match scoring {
            EnableScoring::Enabled { searcher, .. } => EnableScoring::disabled_from_searcher(searcher),
            disabled => disabled,
        };
        let beside = self.beside.as_ref().map(|query| query.weight(scoring)).transpose()?;
        Ok(Box::new(CrossMediaWeight(self.clone(), beside)))
    }
}

/// The query, and what restricts it beside.
struct CrossMediaWeight(CrossMediaQuery, Option<Box<dyn Weight>>);

impl Weight for CrossMediaWeight {
    fn scorer(&self, reader: &SegmentReader, boost: Score) -> tantivy::Result<Box<dyn Scorer>> {
        let vectors = self.0.vectors(reader).map_err(to_tantivy)?;
        let wanted = self.0.scorer.wanted();
        // Nothing is read after candidates.
        let end = || wanted.iter().map(|&media| vectors.view(media).len()).collect::<Vec<usize>>();
        let (query, segment) = (self.0.clone(), reader.segment_id());
        let known = self.0.passed.get(segment);
        let (cursors, docs, is_cut) = match known.is_some() {
            true => (end(), vec![], true),
            false => match self.0.candidates(reader, &vectors, self.1.as_deref()).map_err(whole)? {
                CandidateDocs::All => (vec![0; wanted.len()], vec![], false),
                CandidateDocs::Only(docs) => (end(), docs, true),
            },
        };
        let mut scorer =
            CrossMediaScorer { query, vectors, boost, cursors, docs, scores: vec![], at: 0, size: 1, is_cut };
        match (known, is_cut) {
            (Some(reached), _) => scorer.take(&reached),
            (None, true) if self.0.minimum.is_some() => {
                scorer.boost = 1.0;
                scorer.keep_matches();
                let reached = Reached { docs: scorer.docs.clone(), scores: scorer.scores.clone() };
                scorer.boost = boost;
                scorer.take(&self.0.passed.put(segment, reached));
            }
            (None, true) if self.0.must_score() => scorer.keep_matches(),
            (None, true) => {}
            (None, false) => scorer.fill(),
        }
        Ok(Box::new(scorer))
    }

    fn explain(&self, reader: &SegmentReader, doc: DocId) -> tantivy::Result<Explanation> {
        let vectors = self.0.vectors(reader).map_err(to_tantivy)?;
        let score = self.0.scorer.doc_of(&vectors, doc).filter(|score| self.0.accepts(score.probability));
        let Some(score) = score else {
            return Err(TantivyError::InvalidArgument(format!("Document #({doc}) does not match")));
        };
        let mut explanation = Explanation::new("match probability", sigmoid(score.value));
        explanation.add_const("calibrated logit, weighted mean over query parts", score.value);
        for item in &score.best {
            let view = vectors.view(item.media);
            let name = format!(
                "part {}: raw logit of item {} of media type {}",
                item.part,
                view.ordinals[item.row],
                vectors.uvec().media()[item.media].name
            );
            explanation.add_detail(Explanation::new_with_string(name, item.raw));
        }
        Ok(explanation)
    }
}

impl CrossMediaQuery {
    /// The vectors of a segment, of the scorer's space.
    fn vectors(&self, reader: &SegmentReader) -> Result<Arc<SegmentVectors>> {
        let vectors = self.cache.get(reader)?;
        self.scorer.check(&vectors)?;
        Ok(vectors)
    }

    /// The documents that are looked at; of some, those that live, ascending.
    fn candidates(
        &self,
        reader: &SegmentReader,
        vectors: &SegmentVectors,
        weight: Option<&dyn Weight>,
    ) -> Result<CandidateDocs> {
        let is_there = |media| !vectors.view(media).is_empty();
        if self.minimum.is_some() && !self.scorer.has_calibrations(is_there) {
            return Ok(CandidateDocs::Only(Vec::new()));
        }
        let Some((cells, k)) = self.nearest.as_ref().filter(|_| !self.budget.is_spent()) else {
            return Ok(CandidateDocs::All);
        };
        let (scorer, matched) = (&*self.scorer, &AtomicU64::new(NOT_COUNTED));
        let filter = self.beside.as_deref();
        let probe = Probe { scorer, vectors, reader, filter, weight, k: *k, matched };
        let found = match self.minimum {
            None => cells.of(&probe)?,
            // Only then is the value the log-odds of what is asked for.
            Some(minimum) if scorer.is_calibrated() => cells.above(&probe, least_odds(minimum))?,
            Some(_) => CandidateDocs::All,
        };
        Ok(match found {
            // A damaged file may name others, for which the bitsets of the host are too short.
            CandidateDocs::Only(mut docs) => {
                docs.truncate(docs.partition_point(|&doc| doc < reader.max_doc()));
                CandidateDocs::Only(docs)
            }
            all => all,
        })
    }

    fn accepts(&self, probability: Option<f32>) -> bool {
        self.minimum.is_none_or(|minimum| probability.is_some_and(|p| p >= minimum))
    }

    /// Whether a document can be told to match only by scoring it.
    fn must_score(&self) -> bool {
        self.minimum.is_some() || !self.scorer.scores_every_item()
    }
}

/// Log-odds at or below all that round to the probability `minimum` or more.
fn least_odds(minimum: f32) -> f32 {
    // From here on rounding to 1 begins.
    const FAR: f32 = 15.0;
    let odds = (minimum / (1.0 - minimum)).ln();
    (odds - 1e-3 * odds.abs().max(1.0)).min(FAR)
}

/// Walks the documents with wanted items in blocks that grow while it advances, and start at one after a seek, so that
/// a rare keyword beside it does not make it score its neighbours.
struct CrossMediaScorer {
    query: CrossMediaQuery,
    vectors: Arc<SegmentVectors>,
    boost: Score,
    /// Next row per wanted media type.
    cursors: Vec<usize>,
    docs: Vec<DocId>,
    /// Scores of `docs`; empty until one is asked for.
    scores: Vec<Score>,
    at: usize,
    size: usize,
    /// Whether `docs` are all that there is from the start.
    is_cut: bool,
}

impl CrossMediaScorer {
    /// Reads up to `size` documents with a wanted item into `docs`. A document beyond the segment, which only a damaged
    /// file has, ends the walk: the host would look it up in bitsets that are too short.
    fn read_candidates(&mut self) {
        let wanted = self.query.scorer.wanted();
        let columns: Vec<&[DocId]> = wanted.iter().map(|&media| self.vectors.view(media).docs).collect();
        let end = self.vectors.uvec().documents();
        while self.docs.len() < self.size {
            let heads = columns.iter().zip(&self.cursors).filter_map(|(docs, &at)| docs.get(at).copied());
            let Some(next) = heads.min().filter(|&doc| doc < end) else { return };
            for (docs, at) in columns.iter().zip(&mut self.cursors) {
                while docs.get(*at).is_some_and(|&doc| doc <= next) {
                    *at += 1;
                }
            }
            self.docs.push(next);
        }
    }

    /// Goes on with what is known.
    fn take(&mut self, reached: &Reached) {
        self.docs.clone_from(&reached.docs);
        self.scores = reached.scores.iter().map(|score| score * self.boost).collect();
    }

    fn skip_to(&mut self, target: DocId) {
        for (&media, at) in self.query.scorer.wanted().iter().zip(&mut self.cursors) {
            let docs = self.vectors.view(media).docs;
            *at += docs[*at..].partition_point(|&doc| doc < target);
        }
    }

    /// Reads the next block that has a match; leaves `docs` empty at the end.
    fn fill(&mut self) {
        loop {
            self.at = 0;
            self.docs.clear();
            self.scores.clear();
            if !self.query.budget.is_spent() {
                self.read_candidates();
            }
            if self.docs.is_empty() {
                return;
            }
            self.size = (2 * self.size).min(BLOCK);
            if !self.query.must_score() {
                return;
            }
            self.keep_matches();
            if !self.docs.is_empty() {
                return;
            }
        }
    }

    fn keep_matches(&mut self) {
        let docs = std::mem::take(&mut self.docs);
        let values = DocScorer::values_of(&[&*self.query.scorer], &self.vectors, &docs);
        for (doc, value) in docs.into_iter().zip(values) {
            let Some(value) = value else { continue };
            let accepted = match self.query.minimum {
                None => true,
                // Every pair of media types is calibrated, so the sigmoid is the probability.
                Some(minimum) if self.query.scorer.is_calibrated() => sigmoid(value) >= minimum,
                Some(_) => {
                    let score = self.query.scorer.doc_of(&self.vectors, doc);
                    score.is_some_and(|score| self.query.accepts(score.probability))
                }
            };
            if accepted {
                self.docs.push(doc);
                self.scores.push(sigmoid(value) * self.boost);
            }
        }
    }
}

impl DocSet for CrossMediaScorer {
    fn advance(&mut self) -> DocId {
        self.at += 1;
        if self.at >= self.docs.len() && !self.docs.is_empty() {
            self.fill();
        }
        self.doc()
    }

    fn seek(&mut self, target: DocId) -> DocId {
        if self.docs.last().is_some_and(|&last| last < target) {
            self.skip_to(target);
            self.size = 1;
            self.fill();
        }
        self.at += self.docs.get(self.at..).map_or(0, |docs| docs.partition_point(|&doc| doc < target));
        self.doc()
    }

    fn doc(&self) -> DocId {
        self.docs.get(self.at).copied().unwrap_or(TERMINATED)
    }

    fn size_hint(&self) -> u32 {
        // Of candidates, all are there from the start.
        if self.is_cut {
            return self.docs.len().saturating_sub(self.at) as u32;
        }
        let rows = self.query.scorer.wanted().iter().map(|&media| self.vectors.view(media).len());
        rows.max().unwrap_or(0) as u32
    }
}

impl Scorer for CrossMediaScorer {
    fn score(&mut self) -> Score {
        if self.scores.is_empty() {
            let (done, ahead) = self.docs.split_at(self.at);
            self.scores = vec![0.0; done.len()];
            let values = DocScorer::values_of(&[&*self.query.scorer], &self.vectors, ahead);
            self.scores
                .extend(values.into_iter().map(|value| sigmoid(value.unwrap_or(f32::MIN)) * self.boost));
        }
        self.scores.get(self.at).copied().unwrap_or(0.0)
    }
}
