//! What a query means for one document: every query part against every item of the wanted media types.

mod block;

pub(super) use block::{BLOCK, Items, Single};

use std::borrow::Cow;

use tantivy::DocId;

use super::similarity::{Row, RowScorer, Similarity, sigmoid};
use crate::encode::check_informed;
use crate::error::{Error, ErrorCode, Result};
use crate::hint::{Hint, Setting};
use crate::index::SegmentVectors;
use crate::media::Fingerprint;
use crate::model::{Bundle, Calibration, Rate};

/// The largest weight of a query part or a leg.
pub(super) const MAX_WEIGHT: f32 = 1e6;

/// Whether documents should be like a query part or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Polarity {
    /// An example of what is wanted.
    #[default]
    Like,
    /// An example of what is not wanted: documents lose by being like it, and gain nothing by being unlike.
    Unlike,
}

/// One query item in the shared space.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryPart {
    /// Media type of the query item, by position in the bundle.
    pub media: usize,
    /// Shared vector `[d]`, from [`Bundle::project`] or from a stored row.
    pub vector: Vec<f32>,
    /// Weight among the parts, above 0.
    pub weight: f32,
    /// Whether it is an example of what is wanted.
    pub polarity: Polarity,
    /// The space of the bundle that made `vector`, where it is known: a scorer of another space refuses the part.
    pub space: Option<Fingerprint>,
}

impl QueryPart {
    /// A wanted part of weight 1. A vector alone does not tell its space: **every bundle of equal dimension takes it**, also
    /// one in whose space it means nothing. [`QueryPart::of`] remembers the space; for a stored row, set
    /// [`QueryPart::space`] to that of its index.
    pub fn new(media: usize, vector: Vec<f32>) -> Self {
        Self { media, vector, weight: 1.0, polarity: Polarity::Like, space: None }
    }

    /// A wanted part of weight 1, from the features `[d_in]` of an item of `media`: a scorer takes it if it is of the same
    /// space as `bundle`.
    ///
    /// # Errors
    /// [`ErrorCode::UnknownMedia`]; [`ErrorCode::BadDimension`]; [`ErrorCode::NotFinite`]; [`ErrorCode::NoItems`] where all
    /// are zero.
    pub fn of(bundle: &Bundle, media: &str, features: &[f32]) -> Result<Self> {
        let media = bundle.media_index(media)?;
        let config = &bundle.media()[media];
        if features.len() != config.features {
            return Err(Error::new(
                ErrorCode::BadDimension,
                "the features of a query item have the wrong length",
            )
            .expected(format!("{}, as {} gives them", config.features, config.encoder))
            .got(features.len()));
        }
        check_informed(features).map_err(|error| {
            error.hint("give another query item: this one is alike to everything and to nothing")
        })?;
        let vector = bundle.project(media, features)?;
        Ok(Self { space: Some(bundle.space()), ..Self::new(media, vector) })
    }

    /// The same part with another weight.
    #[must_use]
    pub fn weight(self, weight: f32) -> Self {
        Self { weight, ..self }
    }

    /// The same part as an example of what is not wanted.
    #[must_use]
    pub fn unlike(self) -> Self {
        Self { polarity: Polarity::Unlike, ..self }
    }
}

/// An item of a document as a query part sees it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BestItem {
    /// Position of the query part.
    pub part: usize,
    /// Media type of the item, by position in the bundle.
    pub media: usize,
    /// Row of the item in its segment's `.uvec`.
    pub row: usize,
    /// What the similarity says: raw logit, cosine, or dot product of posteriors.
    pub raw: f32,
    /// The calibrated logit where the pair of media types has a calibration, else `raw`.
    pub value: f32,
}

/// Score of one document with all its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct DocScore {
    /// What it is ranked by; see [`DocScorer`].
    pub value: f32,
    /// `sigmoid` of the wanted parts' weighted mean under the metric network: of the pairs of query parts and their best
    /// items, not corrected for the number of items. `None` without a wanted part, where one has no calibration, or under
    /// another similarity.
    pub probability: Option<f32>,
    /// The best item of each part that has one.
    pub best: Vec<BestItem>,
}

/// A compiled media query; a score is a pure function of the query vectors and a document's stored rows.
///
/// With `x_i` the largest value of part `i` over the document's items and `w_i` its weight, the value of a document is
/// `sum of w_i x_i / W - sum of w_j s(x_j) / W`: the first sum over wanted parts, the second over unwanted ones, `W` the
/// weights of the wanted (without any, of the unwanted). `s(x) = ln(1 + e^x)`, which is `-ln(1 - p)`, for the metric
/// network and `max(0, x)` for other similarities. A document needs an item for every wanted part (without any, for every
/// unwanted one); one that an unwanted part cannot see loses nothing.
#[derive(Debug, Clone)]
pub struct DocScorer {
    space: Fingerprint,
    similarity: Similarity,
    wanted: Vec<usize>,
    parts: Vec<CompiledPart>,
    weight_sum: f32,
    complete: bool,
    given: Vec<QueryPart>,
}

#[derive(Debug, Clone)]
struct CompiledPart {
    weight: f32,
    polarity: Polarity,
    /// Whether a document without an item for it has no score.
    required: bool,
    /// By media type of the item; `None` where the bundle cannot score the pair.
    rows: Vec<Option<Box<dyn RowScorer>>>,
}

const NONE: usize = usize::MAX;

/// A part as the sum sees it that a document is ranked by: `weight` times the value of its best item, or minus that times the penalty.
#[derive(Clone, Copy)]
pub(super) struct Addend<'s> {
    /// Media type of the query item.
    pub(super) media: usize,
    pub(super) is_wanted: bool,
    /// Whether a document without an item for it has no value.
    pub(super) is_required: bool,
    pub(super) weight: f32,
    rows: &'s [Option<Box<dyn RowScorer>>],
}

impl<'s> Addend<'s> {
    /// What compares items of `media`, where the bundle can.
    pub(super) fn row(&self, media: usize) -> Option<&'s dyn RowScorer> {
        self.rows.get(media)?.as_deref()
    }
}

impl DocScorer {
    /// Compiles `parts` against the media types `wanted` of an index that `bundle` made.
    ///
    /// Probabilities assume the bundle's priors: the rate of matches among its validation rows, or one that was given. With
    /// [`DocScorer::for_items`] they are at the rate of an index, with [`DocScorer::for_ranking`] at even odds.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] without parts or wanted media types, for a weight that is not above 0 and at most 1e6,
    /// or where the bundle can compare no part with any wanted type; [`ErrorCode::UnknownMedia`],
    /// [`ErrorCode::BadDimension`], [`ErrorCode::NotFinite`] for a bad part; [`ErrorCode::SpaceMismatch`] for one that
    /// a bundle of another space made.
    pub fn new(
        bundle: &Bundle,
        similarity: Similarity,
        parts: &[QueryPart],
        wanted: &[usize],
    ) -> Result<Self> {
        if parts.is_empty() || wanted.is_empty() {
            return Err(Error::new(
                ErrorCode::BadArgument,
                "a media query needs a query part and a wanted media type",
            ));
        }
        let media = bundle.media().len();
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        wanted.dedup();
        if let Some(&unknown) = wanted.iter().chain(parts.iter().map(|p| &p.media)).find(|&&m| m >= media) {
            return Err(Error::new(ErrorCode::UnknownMedia, format!("no media type number {unknown}"))
                .expected(format!("less than {media}")));
        }
        let any_like = parts.iter().any(|part| part.polarity == Polarity::Like);
        let given = parts.to_vec();
        let parts: Vec<CompiledPart> = parts
            .iter()
            .map(|part| {
                let required = !any_like || part.polarity == Polarity::Like;
                compile(bundle, similarity, part, required, &wanted)
            })
            .collect::<Result<_>>()?;
        let scorable = |part: &CompiledPart, media: &usize| part.rows[*media].is_some();
        let required = || parts.iter().filter(|part| part.required);
        let common = wanted.iter().any(|media| required().all(|part| scorable(part, media)));
        let each = parts.iter().all(|part| wanted.iter().any(|media| scorable(part, media)));
        if !common || !each {
            return Err(Error::new(
                ErrorCode::BadArgument,
                "the bundle cannot compare the query with these media types",
            )
            .hint(
                Hint::new("train it on pairs of these media types, or choose others with")
                    .setting(Setting::Media),
            ));
        }
        let complete = wanted.iter().all(|media| required().all(|part| scorable(part, media)));
        let weight_sum = required().map(|part| part.weight).sum();
        Ok(Self { space: bundle.space(), similarity, wanted, parts, weight_sum, complete, given })
    }

    /// The space of the bundle that scores.
    pub fn space(&self) -> Fingerprint {
        self.space
    }

    /// Refuses a segment whose vectors another bundle made: its numbers would mean nothing.
    ///
    /// # Errors
    /// [`ErrorCode::SpaceMismatch`].
    pub fn check(&self, segment: &SegmentVectors) -> Result<()> {
        let space = Fingerprint(*segment.uvec().space());
        if space == self.space {
            return Ok(());
        }
        let what = "the vectors of the index belong to another shared space than the bundle that scores";
        Err(mismatch(what, space, self.space))
    }

    /// The same query under a given rate of matches, in an index of any size.
    #[must_use]
    pub fn with_prior(self, prior: f32) -> Self {
        self.recalibrated(|_, fit| fit.with_prior(prior))
    }

    /// The same query in an index with so many live items, by media type: where the bundle's prior is a number of matches
    /// per query, it becomes their share of the items. Media types beyond the end of `items` keep what the bundle says.
    #[must_use]
    pub fn for_items(self, items: &[u64]) -> Self {
        self.recalibrated(|media, fit| items.get(media).map_or(fit, |&items| fit.for_items(items)))
    }

    /// The same query as an [`Engine`](crate::search::Engine) ranks by it: at even odds, unless a prior was given. Orders of one
    /// wanted part and media type do not depend on it, but for both targets together; how several of them are weighed does.
    #[must_use]
    pub fn for_ranking(self) -> Self {
        self.recalibrated(|_, fit| fit.even())
    }

    /// `change` gets the media type of the items and their calibration.
    fn recalibrated(mut self, change: impl Fn(usize, Calibration) -> Calibration) -> Self {
        for part in &mut self.parts {
            for (media, row) in part.rows.iter_mut().enumerate() {
                if let Some(row) = row {
                    row.recalibrate(&|fit| change(media, fit));
                }
            }
        }
        self
    }

    /// Whether some prior follows from the number of items of the index.
    pub(super) fn needs_items(&self) -> bool {
        let rows = self.parts.iter().flat_map(|part| part.rows.iter().flatten());
        rows.flat_map(|row| row.calibrations()).any(|fit| matches!(fit.rate, Some(Rate::Matches(_))))
    }

    /// Whether some prior was not given, so that probabilities and scores differ.
    pub(super) fn has_rates(&self) -> bool {
        let rows = self.parts.iter().flat_map(|part| part.rows.iter().flatten());
        rows.flat_map(|row| row.calibrations()).any(|fit| fit.rate.is_some())
    }

    /// The similarity in use.
    pub fn similarity(&self) -> Similarity {
        self.similarity
    }

    /// The parts that were compiled, with their vectors.
    pub fn parts(&self) -> &[QueryPart] {
        &self.given
    }

    /// The one part of a query that has one, where it is wanted.
    pub(super) fn only_part(&self) -> Option<&QueryPart> {
        match self.given.as_slice() {
            [only] if only.polarity == Polarity::Like => Some(only),
            _ => None,
        }
    }

    /// The linear form by which the only part compares rows of `media`, but for constants and the inverse norm.
    pub(super) fn weights(&self, media: usize) -> Option<Cow<'_, [f32]>> {
        let row = self.parts.first()?.rows.get(media)?.as_ref()?;
        row.forms().into_iter().next().map(|form| form.weights)
    }

    /// What each part adds to the value of a document.
    pub(super) fn addends(&self) -> impl Iterator<Item = Addend<'_>> {
        self.parts.iter().zip(&self.given).map(|(part, given)| Addend {
            media: given.media,
            is_wanted: part.polarity == Polarity::Like,
            is_required: part.required,
            weight: part.weight / self.weight_sum,
            rows: &part.rows,
        })
    }

    /// Media types of the items that are looked at, ascending.
    pub fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    /// Whether every document with a wanted item has a score (else some pair of media types was not trained).
    pub(crate) fn scores_every_item(&self) -> bool {
        self.complete
    }

    /// Whether the sigmoid of every value is a match probability: the metric network, calibrated for all pairs, and no
    /// unwanted part.
    pub fn is_calibrated(&self) -> bool {
        let calibrated =
            |row: &Option<Box<dyn RowScorer>>| row.as_ref().is_none_or(|row| row.is_calibrated());
        let like = |part: &CompiledPart| part.polarity == Polarity::Like;
        self.parts.iter().all(|part| like(part) && part.rows.iter().all(calibrated))
    }

    /// Whether some pair of a part and a wanted media type that is `there` has a probability.
    pub(super) fn has_calibrations(&self, there: impl Fn(usize) -> bool) -> bool {
        let is_calibrated = |(media, row): (usize, &Option<Box<dyn RowScorer>>)| {
            row.as_ref().is_some_and(|row| there(media) && row.is_calibrated())
        };
        self.parts.iter().any(|part| part.rows.iter().enumerate().any(is_calibrated))
    }

    /// What each of `docs` is ranked by; `None` where a document has no wanted item, or none that some part can score.
    ///
    /// # Errors
    /// Those of [`DocScorer::check`].
    pub fn values(&self, segment: &SegmentVectors, docs: &[DocId]) -> Result<Vec<Option<f32>>> {
        self.check(segment)?;
        Ok(Self::values_of(&[self], segment, docs))
    }

    /// The whole score of one document; `None` as [`DocScorer::values`] has it.
    ///
    /// # Errors
    /// Those of [`DocScorer::check`].
    pub fn doc(&self, segment: &SegmentVectors, doc: DocId) -> Result<Option<DocScore>> {
        self.check(segment)?;
        Ok(self.doc_of(segment, doc))
    }

    /// As [`DocScorer::doc`], in a segment that was checked.
    pub(super) fn doc_of(&self, segment: &SegmentVectors, doc: DocId) -> Option<DocScore> {
        self.score_of(block::best(&[self], segment, &[doc]))
    }

    /// [`DocScorer::doc`] of a document that another one, of this query under another rate of matches, has scored.
    ///
    /// # Errors
    /// Those of [`DocScorer::check`].
    pub(super) fn rated(
        &self,
        segment: &SegmentVectors,
        doc: DocId,
        scored: &DocScore,
    ) -> Result<Option<DocScore>> {
        if !self.keeps_raw() {
            return self.doc(segment, doc);
        }
        let mut best = vec![block::nothing(); self.parts.len()];
        for item in &scored.best {
            let (Some(best), Some(part)) = (best.get_mut(item.part), self.parts.get(item.part)) else {
                continue;
            };
            if let Some(scorer) = &part.rows[item.media] {
                *best = BestItem { value: scorer.value(item.raw), ..*item };
            }
        }
        Ok(self.score_of(best))
    }

    fn keeps_raw(&self) -> bool {
        self.parts.iter().flat_map(|part| part.rows.iter().flatten()).all(|row| row.keeps_raw())
    }

    /// From the best item of each part.
    fn score_of(&self, best: Vec<BestItem>) -> Option<DocScore> {
        let value = self.value(&best)?;
        let likes = || best.iter().zip(&self.parts).filter(|(_, part)| part.polarity == Polarity::Like);
        let calibrated = likes().all(|(item, part)| {
            item.part == NONE || part.rows[item.media].as_ref().is_some_and(|row| row.is_calibrated())
        });
        let probability = (calibrated && likes().next().is_some()).then(|| sigmoid(self.mean(&best)));
        let best = best.into_iter().filter(|item| item.part != NONE).collect();
        Some(DocScore { value, probability, best })
    }

    /// Every item that some part can score, by part, media type and position.
    ///
    /// # Errors
    /// Those of [`DocScorer::check`].
    pub fn items(&self, segment: &SegmentVectors, doc: DocId) -> Result<Vec<BestItem>> {
        self.check(segment)?;
        let mut row = Row::default();
        let mut items = Vec::new();
        for &media in &self.wanted {
            let view = segment.view(media);
            for at in view.items_of(doc) {
                row.load(&view, at);
                for (part, compiled) in self.parts.iter().enumerate() {
                    let Some(scorer) = &compiled.rows[media] else { continue };
                    let raw = scorer.raw(&row);
                    items.push(BestItem { part, media, row: at, raw, value: scorer.value(raw) });
                }
            }
        }
        items.sort_by_key(|item| (item.part, item.media, item.row));
        Ok(items)
    }

    /// The probability that a query part and an item match; `None` where the pair has no calibration.
    pub fn item_probability(&self, item: &BestItem) -> Option<f32> {
        let scorer = self.parts.get(item.part)?.rows.get(item.media)?.as_ref()?;
        scorer.is_calibrated().then(|| sigmoid(item.value))
    }

    /// What this scorer says of an item that another one, of this query under another rate of matches, has found.
    pub(super) fn again(&self, segment: &SegmentVectors, item: &BestItem) -> Option<BestItem> {
        if self.keeps_raw() {
            let scorer = self.parts.get(item.part)?.rows[item.media].as_ref()?;
            return Some(BestItem { value: scorer.value(item.raw), ..*item });
        }
        let (scorer, .., row) = self.row_of(segment, item)?;
        let raw = scorer.raw(&row);
        Some(BestItem { raw, value: scorer.value(raw), ..*item })
    }

    /// The compiled query item and the row of `item`, for explanations.
    pub(super) fn row_of(
        &self,
        segment: &SegmentVectors,
        item: &BestItem,
    ) -> Option<(&dyn RowScorer, Polarity, f32, Row)> {
        let part = self.parts.get(item.part)?;
        let mut row = Row::default();
        row.load(&segment.view(item.media), item.row);
        Some((&**part.rows[item.media].as_ref()?, part.polarity, part.weight, row))
    }

    /// `W` of the formula.
    pub(super) fn weight_sum(&self) -> f32 {
        self.weight_sum
    }

    /// The weighted mean of the wanted parts, from the best item of each part.
    fn mean(&self, best: &[BestItem]) -> f32 {
        let sum = |polarity: Polarity, value: &dyn Fn(&BestItem, &CompiledPart) -> f32| -> f32 {
            let parts = best.iter().zip(&self.parts);
            parts.filter(|(_, part)| part.polarity == polarity).map(|(item, part)| value(item, part)).sum()
        };
        sum(Polarity::Like, &|item, part| item.value * part.weight) / self.weight_sum
    }

    /// What a document is ranked by, from the best item of each part.
    fn value(&self, best: &[BestItem]) -> Option<f32> {
        if best.iter().zip(&self.parts).any(|(item, part)| part.required && item.part == NONE) {
            return None;
        }
        if let ([only], [part]) = (best, self.parts.as_slice())
            && part.polarity == Polarity::Like
        {
            return Some(only.value);
        }
        let mut penalties = 0.0;
        for (item, part) in best.iter().zip(&self.parts) {
            if part.polarity == Polarity::Unlike
                && item.part != NONE
                && let Some(scorer) = &part.rows[item.media]
            {
                penalties += part.weight * scorer.penalty(item.value);
            }
        }
        let value = self.mean(best) - penalties / self.weight_sum;
        // A damaged row among several parts can leave the range.
        Some(if value.is_finite() { value } else { f32::MIN })
    }
}

fn compile(
    bundle: &Bundle,
    similarity: Similarity,
    part: &QueryPart,
    required: bool,
    wanted: &[usize],
) -> Result<CompiledPart> {
    let dim = bundle.metric().dim();
    if part.vector.len() != dim {
        return Err(Error::new(ErrorCode::BadDimension, "a query vector has the wrong length")
            .expected(dim)
            .got(part.vector.len()));
    }
    if !part.vector.iter().all(|v| v.is_finite()) {
        return Err(Error::new(ErrorCode::NotFinite, "a query vector is not finite"));
    }
    if let Some(space) = part.space.filter(|space| *space != bundle.space()) {
        let what = "a query vector belongs to another shared space than the bundle that scores";
        return Err(mismatch(what, bundle.space(), space));
    }
    check_part_weight(part.weight)?;
    let mut rows: Vec<Option<Box<dyn RowScorer>>> = (0..bundle.media().len()).map(|_| None).collect();
    for &media in wanted {
        rows[media] = similarity.measure().compile(bundle, (part.media, media), &part.vector)?;
    }
    Ok(CompiledPart { weight: part.weight, polarity: part.polarity, required, rows })
}

fn mismatch(what: &str, expected: Fingerprint, got: Fingerprint) -> Error {
    Error::new(ErrorCode::SpaceMismatch, what)
        .expected(format!("space {expected}"))
        .got(format!("space {got}"))
        .hint("use the bundle that built the index, or build the index again with this one")
}

/// # Errors
/// [`ErrorCode::BadArgument`] for a weight that is not above 0 and at most [`MAX_WEIGHT`].
pub(super) fn check_part_weight(weight: f32) -> Result<()> {
    // NaN is neither.
    if weight > 0.0 && weight <= MAX_WEIGHT {
        return Ok(());
    }
    Err(Error::new(ErrorCode::BadArgument, "a query part has an unusable weight")
        .expected(format!("a number above 0 and at most {MAX_WEIGHT}"))
        .got(weight))
}
