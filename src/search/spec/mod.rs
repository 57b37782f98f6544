//! A query as plain data: what flags, lines of a batch, servers and other languages fill.

mod json;
mod names;
mod request;
mod rows;
mod values;
mod write;

use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

pub use self::json::parse_aggregations;
pub use self::names::names_of;
pub use self::rows::{FeaturesFrom, parse_rows};
pub use self::values::{named_fields, named_number};
use super::fusion::{Fusion, Normalise};
use super::plan::asked::FacetsOver;
use super::request::Image;
use super::similarity::{SimilarityName, TargetName};
use super::words::Operator;
use crate::corpus::strict;

/// A query as plain data. A field that is empty or `None` leaves the choice to the library; see the methods of the same names
/// of [`Request`](super::Request).
///
/// It reads from JSON and is written to it. Keys are those of a line of a batch, with `_` or `-`: the names of the fields, but
/// for `features_from`, whose parts are `features` (the file), `pathway` and `rows`, and `words_in`, which is `in`; `normalize` is `normalise`. A list may be
/// one value, and a number a string.
///
/// A query from somewhere else may name files of this machine: see [`RequestSpec::reads_files`].
///
/// # Example
/// ```
/// use uncsm_index::search::RequestSpec;
///
/// let line = r#"{"text": "a red bird", "filter": ["size:<100", "size:>20"], "weight": {"keyword": 2}, "k": 5}"#;
/// let spec: RequestSpec = serde_json::from_str(line)?;
/// assert_eq!((spec.text.len(), spec.filter.len(), spec.k), (1, 2, Some(5)));
/// let wrong = serde_json::from_str::<RequestSpec>(r#"{"txt": "a red bird"}"#).unwrap_err();
/// assert!(wrong.to_string().contains("`txt`"));
/// // What a server refuses, or its files are read for others.
/// assert!(!spec.reads_files());
/// assert!(serde_json::from_str::<RequestSpec>(r#"{"image": "/home/me/a.png"}"#)?.reads_files());
/// let written = serde_json::to_string(&spec)?;
/// assert_eq!(serde_json::from_str::<RequestSpec>(&written)?, spec);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct RequestSpec {
    /// Sentences.
    pub text: Vec<String>,
    /// Pictures.
    pub image: Vec<Image>,
    /// Sentences that say what is not wanted.
    pub not_text: Vec<String>,
    /// Pictures of what is not wanted.
    pub not_image: Vec<Image>,
    /// The items of this document are the query.
    pub like: Option<String>,
    /// The items of these documents say what is not wanted.
    pub not_like: Vec<String>,
    /// Ids of documents that are left out.
    pub exclude: Vec<String>,
    /// Features `[d_in]` of query items, each with its media type; in JSON `{"image": [..]}`, where a list of such lists is
    /// several items, or a list of such objects.
    pub features: Vec<(String, Vec<f32>)>,
    /// Rows of a file that are query items too; in JSON the keys `features` (the file; in
    /// a list beside objects of features), `pathway` and `rows`.
    pub features_from: Option<FeaturesFrom>,
    /// Keywords in the grammar.
    pub keywords: Option<String>,
    /// Plain words, as people type them; with keywords both must match.
    pub words: Option<String>,
    /// Whether one of the words is enough.
    pub operator: Option<Operator>,
    /// Fields that words are looked for in; in JSON `in`.
    pub words_in: Vec<String>,
    /// The last word is the beginning of one.
    pub prefix: bool,
    /// Typing errors of a word at most, 0 to 2.
    pub typos: Option<u8>,
    /// Restrictions in the grammar; all must match.
    pub filter: Vec<String>,
    /// Factors of the keyword scores of fields; in JSON `"title=2"` or `{"title": 2}`.
    pub boost: Vec<(String, f32)>,
    /// The media type to search in, or `any`.
    pub media: Option<String>,
    /// Number of hits.
    pub k: Option<usize>,
    /// Hits to pass over.
    pub offset: Option<usize>,
    /// What compares items.
    pub similarity: Option<SimilarityName>,
    /// What the metric network is asked.
    pub target: Option<TargetName>,
    /// How keywords and media parts become one ranking.
    pub fusion: Option<Fusion>,
    /// The scale of [`Fusion::Linear`].
    pub normalise: Option<Normalise>,
    /// The constant of [`Fusion::Rrf`].
    pub rrf_k: Option<f32>,
    /// Weights of legs and query parts; in JSON `"keyword=2"` or `{"keyword": 2}`.
    pub weight: Vec<(String, f32)>,
    /// Documents of each leg that take part in a fusion.
    pub window: Option<usize>,
    /// The least match probability of a hit.
    pub min_probability: Option<f32>,
    /// The rate of matches that probabilities assume.
    pub prior: Option<f32>,
    /// Share of the best documents that the media leg is to find, above 0 and at most 1 ([`Request::recall`](super::Request::recall)).
    pub recall: Option<f32>,
    /// Look at every document ([`Request::exact`](super::Request::exact)).
    pub exact: bool,
    /// List every item of a hit.
    pub items: bool,
    /// Fields whose values are counted.
    pub facet: Vec<String>,
    /// Aggregations in tantivy's (Elasticsearch's) JSON form; in JSON an object, or a string of JSON.
    pub aggregations: Option<Value>,
    /// What facets and aggregations count.
    pub facets_over: Option<FacetsOver>,
    /// Fields of which a passage is shown.
    pub snippet: Vec<String>,
    /// The stored fields that hits show; `None` for all. In JSON a list, or names with commas between them, or `"none"`.
    pub fields: Option<Vec<String>>,
    /// Fields that hits are sorted by: `FIELD`, `FIELD:asc` or `FIELD:desc`.
    pub sort: Vec<String>,
    /// The field of whose values each is shown once.
    pub collapse: Option<String>,
    /// Give every number that made a hit.
    pub explain: bool,
    /// Stop scoring after this time, in milliseconds.
    pub time_budget: Option<u64>,
}

impl RequestSpec {
    /// Whether it names files, which are read where it is run: pictures by their paths, or features. A server that runs queries
    /// of others refuses such ones, or shows them what its own files hold. Pictures may come as bytes: `{"bytes": [..]}`.
    pub fn reads_files(&self) -> bool {
        let is_path = |image: &Image| matches!(image, Image::Path(_));
        self.features_from.is_some() || self.image.iter().chain(&self.not_image).any(is_path)
    }

    /// What this says, and what `base` says where this says nothing.
    #[must_use]
    pub fn over(self, base: &Self) -> Self {
        fn list<T: Clone>(own: Vec<T>, base: &[T]) -> Vec<T> {
            if own.is_empty() { base.to_vec() } else { own }
        }
        // They belong to words, wherever these were said.
        let has_words = self.words.is_some() || base.words.is_some();
        let of_words = if has_words { base } else { &Self::default() };
        Self {
            text: list(self.text, &base.text),
            image: list(self.image, &base.image),
            not_text: list(self.not_text, &base.not_text),
            not_image: list(self.not_image, &base.not_image),
            like: self.like.or_else(|| base.like.clone()),
            not_like: list(self.not_like, &base.not_like),
            exclude: list(self.exclude, &base.exclude),
            features: list(self.features, &base.features),
            features_from: self.features_from.or_else(|| base.features_from.clone()),
            keywords: self.keywords.or_else(|| base.keywords.clone()),
            words: self.words.or_else(|| base.words.clone()),
            operator: self.operator.or(of_words.operator),
            words_in: list(self.words_in, &of_words.words_in),
            prefix: self.prefix || of_words.prefix,
            typos: self.typos.or(of_words.typos),
            filter: list(self.filter, &base.filter),
            boost: list(self.boost, &base.boost),
            media: self.media.or_else(|| base.media.clone()),
            k: self.k.or(base.k),
            offset: self.offset.or(base.offset),
            similarity: self.similarity.or(base.similarity),
            target: self.target.or(base.target),
            fusion: self.fusion.or(base.fusion),
            normalise: self.normalise.or(base.normalise),
            rrf_k: self.rrf_k.or(base.rrf_k),
            weight: list(self.weight, &base.weight),
            window: self.window.or(base.window),
            min_probability: self.min_probability.or(base.min_probability),
            prior: self.prior.or(base.prior),
            recall: self.recall.or(base.recall),
            exact: self.exact || base.exact,
            items: self.items || base.items,
            facet: list(self.facet, &base.facet),
            aggregations: self.aggregations.or_else(|| base.aggregations.clone()),
            facets_over: self.facets_over.or(base.facets_over),
            snippet: list(self.snippet, &base.snippet),
            fields: self.fields.or_else(|| base.fields.clone()),
            sort: list(self.sort, &base.sort),
            collapse: self.collapse.or_else(|| base.collapse.clone()),
            explain: self.explain || base.explain,
            time_budget: self.time_budget.or(base.time_budget),
        }
    }
}

/// The message alone: [`RequestSpec::from_json`] gives the whole error. A key that stands twice in one object is an error.
impl<'de> Deserialize<'de> for RequestSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match strict(deserializer)? {
            Value::Object(object) => Self::from_json(object).map_err(de::Error::custom),
            _ => Err(de::Error::custom("a query is a JSON object")),
        }
    }
}
