//! What a query asks for, as it was said: nothing here is checked but by [`super::build`].

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tantivy::query::Query;

use crate::search::budget::Cancel;
use crate::search::candidates::Candidates;
use crate::search::fusion::{Fusion, Normalise, RRF_K};
use crate::search::scorer::QueryPart;
use crate::search::similarity::Similarity;
use crate::search::words::Words;

/// Documents of a leg that take part in a fusion, unless a query wants more.
pub const WINDOW: usize = 1000;
/// Share of the best documents that a media leg finds unless another is asked for.
pub const RECALL: f32 = 0.99;

/// Which media types a document is scored by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum MediaChoice {
    /// Those that the query's own parts do not have, or all where the index holds no other.
    #[default]
    Other,
    /// All of them.
    Any,
    /// One.
    Named(String),
}

/// Which items of a hit are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ListItems {
    /// The best item for each query part.
    #[default]
    Best,
    /// Every item that a query part can score.
    All,
}

/// Which documents facets and aggregations count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum FacetsOver {
    /// Those that filter and keywords let through, whatever media parts say: [`Response::matched`](crate::search::Response)
    /// of them.
    #[default]
    Matches,
    /// Those that are ranked: the best documents of each leg, as many as the window, which is what hits can be paged through.
    Hits,
}

/// A query part with the name that weights call it by.
#[derive(Debug, Clone)]
pub(crate) struct NamedPart {
    /// Its media type, `like`, or one of these after `not-`.
    pub(crate) name: String,
    pub(crate) part: QueryPart,
}

/// Keywords or a filter.
#[derive(Debug)]
pub(crate) enum Clause {
    /// In the grammar of this crate.
    Text(String),
    /// As the host has it.
    Query(Box<dyn Query>),
}

impl Clone for Clause {
    fn clone(&self) -> Self {
        match self {
            Self::Text(text) => Self::Text(text.clone()),
            Self::Query(query) => Self::Query(query.box_clone()),
        }
    }
}

/// Where the media leg looks.
#[derive(Debug, Clone)]
pub(crate) enum Look {
    /// Where this share of the best documents is found; at 1 everywhere.
    Recall(f32),
    /// Where a source says.
    Source(Arc<dyn Candidates>),
}

/// All that a query asks for.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) parts: Vec<NamedPart>,
    /// Ids.
    pub(crate) excluded: Vec<String>,
    pub(crate) keywords: Option<Clause>,
    pub(crate) words: Option<Words>,
    /// All must match.
    pub(crate) filters: Vec<Clause>,
    pub(crate) boosts: Vec<(String, f32)>,
    pub(crate) media: MediaChoice,
    pub(crate) k: usize,
    pub(crate) offset: usize,
    pub(crate) window: usize,
    pub(crate) similarity: Option<Similarity>,
    /// Where the media leg looks.
    pub(crate) candidates: Look,
    /// What probabilities are of, where another similarity ranks.
    pub(crate) probability_of: Option<Similarity>,
    pub(crate) fusion: Fusion,
    pub(crate) normalise: Normalise,
    pub(crate) rrf_k: f32,
    pub(crate) minimum: Option<f32>,
    pub(crate) prior: Option<f32>,
    pub(crate) weights: Vec<(String, f32)>,
    pub(crate) items: ListItems,
    pub(crate) facets: Vec<String>,
    pub(crate) aggregations: Option<serde_json::Value>,
    pub(crate) facets_over: FacetsOver,
    /// Intervals of all histograms together.
    pub(crate) max_intervals: Option<usize>,
    /// Bytes of all that is counted.
    pub(crate) max_counting: Option<u64>,
    pub(crate) snippets: Vec<String>,
    /// Each a field, with or without a direction behind a colon.
    pub(crate) sort: Vec<String>,
    /// The field whose values are shown once each.
    pub(crate) collapse: Option<String>,
    /// `None` for all that are stored.
    pub(crate) fields: Option<Vec<String>>,
    pub(crate) explains: bool,
    pub(crate) time: Option<Duration>,
    pub(crate) cancel: Option<Cancel>,
}

impl Default for Asked {
    fn default() -> Self {
        Self {
            parts: Vec::new(),
            excluded: Vec::new(),
            keywords: None,
            words: None,
            filters: Vec::new(),
            boosts: Vec::new(),
            media: MediaChoice::Other,
            k: 10,
            offset: 0,
            window: WINDOW,
            similarity: None,
            candidates: Look::Recall(RECALL),
            probability_of: None,
            fusion: Fusion::default(),
            normalise: Normalise::default(),
            rrf_k: RRF_K,
            minimum: None,
            prior: None,
            weights: Vec::new(),
            items: ListItems::Best,
            facets: Vec::new(),
            aggregations: None,
            facets_over: FacetsOver::default(),
            max_intervals: None,
            max_counting: None,
            snippets: Vec::new(),
            sort: Vec::new(),
            collapse: None,
            fields: None,
            explains: false,
            time: None,
            cancel: None,
        }
    }
}
