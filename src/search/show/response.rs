//! The answer of a query.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};
use tantivy::DocAddress;

use super::facets::FacetCount;
use crate::search::words::DidYouMean;

/// What a query finds.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Response {
    /// Best first.
    pub hits: Vec<Hit>,
    /// Documents that were let through to the ranking.
    pub candidates: u64,
    /// Documents that filter (with minimum probability and exclusions) and keywords let through: what facets count unless
    /// [`FacetsOver::Hits`](crate::search::FacetsOver::Hits) was asked for.
    pub matched: u64,
    /// Documents whose items were scored.
    pub scored: u64,
    /// Whether every document that was let through was a candidate and was scored.
    pub exact: bool,
    /// Whether a time budget ended the query before its end.
    pub partial: bool,
    /// By field: values and their counts, most frequent first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facets: BTreeMap<String, Vec<FacetCount>>,
    /// Results of the aggregations, in tantivy's JSON form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregations: Option<Value>,
    /// What a user may wonder about, each a sentence: no word to look for, a page beyond the window.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Words that no document has, with words near them that some have.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub did_you_mean: Vec<DidYouMean>,
    /// What was run, where an explanation was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<Value>,
}

/// A document that was found.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// 1-based, counted from the best of all, so past `offset`.
    pub rank: usize,
    /// Its id, where the index has ids.
    pub id: Option<String>,
    /// Position of its index, where several are searched.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
    /// The fused score, or the score of the only leg: what it is ranked by, unless the query sorts.
    pub score: f32,
    /// The values that it is sorted by, in the order of the fields; null for a missing one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sort: Vec<Value>,
    /// Where one hit is shown for each value of a field: how many others have its value, 0 for one without a value. Of those that
    /// match, or where a media part ranks, of those inside the window.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub collapsed: Option<u64>,
    /// Match probability of the media parts that documents should be like: that of the pairs of parts and best items, not corrected for
    /// the number of items. At the rate of matches of all indexes of the query together, unless a prior was given; a score is at
    /// even odds, so the two differ. `None` without such a part, or where nothing was calibrated.
    pub probability: Option<f32>,
    /// By leg: `keyword`, and `metric`, `cosine` or `posterior`.
    pub legs: BTreeMap<&'static str, LegScore>,
    /// The document's best item for each query part, or all of them.
    pub items: Vec<HitItem>,
    /// Stored fields, those that were asked for.
    pub fields: Map<String, Value>,
    /// By field: the passage that fits the keywords best, as HTML; absent where none of the words is in it.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub snippets: BTreeMap<String, String>,
    /// Every number that made it, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Value>,
    /// Where it is; segments of several indexes are numbered on.
    #[serde(skip)]
    pub address: DocAddress,
}

/// What one leg says of a hit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct LegScore {
    /// BM25, calibrated logit, cosine, or dot product of posteriors; `None` where the leg does not match the document.
    pub score: Option<f32>,
    /// 1-based; `None` outside the leg's window, and where keywords alone are sorted or collapsed, which gives them no ranks.
    pub rank: Option<usize>,
}

/// An item of a hit.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct HitItem {
    /// Position of the query part.
    pub part: usize,
    /// Media type of the query part.
    pub part_media: String,
    /// Media type of the item.
    pub media: String,
    /// Position among the document's items of that media type.
    pub index: u32,
    /// Raw logit of the metric network (under another similarity: its value).
    pub logit: f32,
    /// What calibration makes of the logit: the log-odds of `probability`.
    pub calibrated_logit: Option<f32>,
    /// Match probability of this pair; `None` where it is not calibrated.
    pub probability: Option<f32>,
}
