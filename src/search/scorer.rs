//! What a query means for one document: every query part against every item of the wanted media types.

use std::ops::Range;

use half::slice::HalfFloatSliceExt;
use tantivy::DocId;
use uncsm_format::{MediaView, Vectors};

use crate::error::{Error, ErrorCode, Result};
use crate::index::SegmentVectors;
use crate::model::{Bundle, Calibration, QueryHalf, Target, dot};

/// How a query part and an item are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Similarity {
    /// The metric network, trained for a target.
    Metric(Target),
    /// Cosine of the shared vectors.
    Cosine,
    /// Dot product of the class posteriors that are part of the shared vectors.
    Posterior,
}

impl Similarity {
    /// Name of the leg in results.
    pub fn leg(self) -> &'static str {
        match self {
            Self::Metric(_) => "metric",
            Self::Cosine => "cosine",
            Self::Posterior => "posterior",
        }
    }
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
}

impl QueryPart {
    /// A part of weight 1.
    pub fn new(media: usize, vector: Vec<f32>) -> Self {
        Self { media, vector, weight: 1.0 }
    }
}

/// The item of a document that a query part likes best.
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
    /// What documents are ranked by: the calibrated logit where the pair of media types has a calibration.
    pub value: f32,
}

/// Score of one document with all its parts.
#[derive(Debug, Clone, PartialEq)]
pub struct DocScore {
    /// Weighted mean of the parts' best values.
    pub value: f32,
    /// `sigmoid(value)` under the metric network; `None` where a part has no calibration or another similarity is used.
    pub probability: Option<f32>,
    /// The best item of each part.
    pub best: Vec<BestItem>,
}

/// A compiled media query; a score is a pure function of the query vectors and a document's stored rows.
#[derive(Debug)]
pub struct DocScorer {
    similarity: Similarity,
    wanted: Vec<usize>,
    parts: Vec<CompiledPart>,
    weight_sum: f32,
    complete: bool,
}

#[derive(Debug)]
struct CompiledPart {
    weight: f32,
    /// By media type of the item; `None` where the bundle cannot score the pair.
    rows: Vec<Option<RowScorer>>,
}

#[derive(Debug)]
enum RowScorer {
    Metric(QueryHalf),
    Cosine(Vec<f32>),
    Posterior(Vec<f32>, Range<usize>),
}

impl RowScorer {
    fn raw(&self, vector: &[f32], half: &[f32], inverse_norm: f32) -> f32 {
        let raw = match self {
            Self::Metric(query) => query.logit(vector, half),
            Self::Cosine(unit) => dot(unit, vector) * inverse_norm,
            Self::Posterior(query, range) => dot(query, &vector[range.clone()]),
        };
        // A damaged row must lose against every sound one, and NaN would win under total order.
        if raw.is_finite() { raw } else { f32::MIN }
    }

    fn calibration(&self) -> Option<&Calibration> {
        match self {
            Self::Metric(query) => query.calibration.as_ref(),
            _ => None,
        }
    }

    fn value(&self, raw: f32) -> f32 {
        self.calibration().map_or(raw, |calibration| calibration.logit(raw))
    }
}

/// Room for one row as f32, reused over rows.
#[derive(Default)]
struct Row {
    vector: Vec<f32>,
    half: Vec<f32>,
}

impl Row {
    fn load(&mut self, view: &MediaView<'_>, row: usize) {
        self.vector.resize(view.dim, 0.0);
        self.half.resize(view.half, 0.0);
        let at = row * view.dim..(row + 1) * view.dim;
        match view.vectors {
            Vectors::F16(all) => all[at].convert_to_f32_slice(&mut self.vector),
            Vectors::F32(all) => self.vector.copy_from_slice(&all[at]),
        }
        view.halves[row * view.half..(row + 1) * view.half].convert_to_f32_slice(&mut self.half);
    }
}

impl DocScorer {
    /// Compiles `parts` against the media types `wanted` of an index that `bundle` made.
    ///
    /// # Errors
    /// [`ErrorCode::BadArgument`] without parts or wanted media types, for a weight that is not above 0, or where the
    /// bundle can compare no part with any wanted type; [`ErrorCode::UnknownMedia`], [`ErrorCode::BadDimension`],
    /// [`ErrorCode::NotFinite`] for a bad part.
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
        let compiled: Vec<CompiledPart> =
            parts.iter().map(|part| compile(bundle, similarity, part, &wanted)).collect::<Result<_>>()?;
        let scorable = |part: &CompiledPart, media: &usize| part.rows[*media].is_some();
        if !wanted.iter().any(|media| compiled.iter().all(|part| scorable(part, media))) {
            return Err(Error::new(
                ErrorCode::BadArgument,
                "the bundle cannot compare the query with these media types",
            )
            .hint("train it on pairs of these media types, or choose others with --media"));
        }
        let complete = wanted.iter().all(|media| compiled.iter().all(|part| scorable(part, media)));
        let weight_sum = compiled.iter().map(|part| part.weight).sum();
        Ok(Self { similarity, wanted, parts: compiled, weight_sum, complete })
    }

    /// The similarity in use.
    pub fn similarity(&self) -> Similarity {
        self.similarity
    }

    /// Media types of the items that are looked at, ascending.
    pub fn wanted(&self) -> &[usize] {
        &self.wanted
    }

    /// Whether every document with a wanted item has a score (else some pair of media types was not trained).
    pub(crate) fn scores_every_item(&self) -> bool {
        self.complete
    }

    /// Whether scores are probabilities' logits: the metric network, calibrated for all pairs.
    pub fn is_calibrated(&self) -> bool {
        let calibrated = |row: &Option<RowScorer>| row.as_ref().is_none_or(|row| row.calibration().is_some());
        self.parts.iter().all(|part| part.rows.iter().all(calibrated))
    }

    /// What each of `docs` is ranked by; `None` where a document has no wanted item, or none that some part can score.
    pub fn values(&self, segment: &SegmentVectors, docs: &[DocId]) -> Vec<Option<f32>> {
        let mut best = Vec::new();
        let mut row = Row::default();
        docs.iter().map(|&doc| self.score(segment, doc, &mut row, &mut best)).collect()
    }

    /// The whole score of one document.
    pub fn doc(&self, segment: &SegmentVectors, doc: DocId) -> Option<DocScore> {
        let mut best = Vec::new();
        let value = self.score(segment, doc, &mut Row::default(), &mut best)?;
        let calibrated = best.iter().all(|item| {
            self.parts[item.part].rows[item.media].as_ref().is_some_and(|row| row.calibration().is_some())
        });
        let probability = calibrated.then(|| sigmoid(value));
        Some(DocScore { value, probability, best })
    }

    fn score(
        &self,
        segment: &SegmentVectors,
        doc: DocId,
        row: &mut Row,
        best: &mut Vec<BestItem>,
    ) -> Option<f32> {
        best.clear();
        let none = BestItem { part: usize::MAX, media: 0, row: 0, raw: 0.0, value: f32::MIN };
        best.resize(self.parts.len(), none);
        for &media in &self.wanted {
            let view = segment.view(media);
            for at in view.items_of(doc) {
                row.load(&view, at);
                for (part, compiled) in self.parts.iter().enumerate() {
                    let Some(scorer) = &compiled.rows[media] else { continue };
                    let raw = scorer.raw(&row.vector, &row.half, view.inverse_norms[at]);
                    let value = scorer.value(raw);
                    // The first of equals stays: media types, then items in order.
                    if best[part].part == usize::MAX || value > best[part].value {
                        best[part] = BestItem { part, media, row: at, raw, value };
                    }
                }
            }
        }
        if best.iter().any(|item| item.part == usize::MAX) {
            return None;
        }
        if let [only] = best.as_slice() {
            return Some(only.value);
        }
        let sum: f32 = best.iter().zip(&self.parts).map(|(item, part)| item.value * part.weight).sum();
        Some(sum / self.weight_sum)
    }
}

fn compile(
    bundle: &Bundle,
    similarity: Similarity,
    part: &QueryPart,
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
    if !(part.weight > 0.0 && part.weight.is_finite()) {
        return Err(Error::new(ErrorCode::BadArgument, "a query part has an unusable weight")
            .expected("a number above 0")
            .got(part.weight));
    }
    let mut rows: Vec<Option<RowScorer>> = (0..bundle.media().len()).map(|_| None).collect();
    for &media in wanted {
        rows[media] = match similarity {
            Similarity::Metric(target) => {
                bundle.metric().query_half(target, part.media, media, &part.vector).map(RowScorer::Metric)
            }
            Similarity::Cosine => {
                let norm = dot(&part.vector, &part.vector).sqrt();
                let inverse = if norm > 0.0 { 1.0 / norm } else { 0.0 };
                Some(RowScorer::Cosine(part.vector.iter().map(|v| v * inverse).collect()))
            }
            Similarity::Posterior => {
                let range = bundle.posterior().ok_or_else(|| {
                    Error::new(ErrorCode::BadArgument, "the bundle has no class posteriors")
                        .hint("it was trained without --label; use --similarity metric or cosine")
                })?;
                Some(RowScorer::Posterior(part.vector[range.clone()].to_vec(), range))
            }
        };
    }
    Ok(CompiledPart { weight: part.weight, rows })
}

/// `1 / (1 + exp(-x))`.
pub(crate) fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
