//! Search: keywords, filters and media parts in one query over one index, or over several as if they were one.
//!
//! [`MetricCollector`] and [`CrossMediaQuery`] work in any tantivy app; [`Engine`] runs whole queries, over the indexes of
//! this crate ([`Engine::new`], [`Engine::over`]) or over an app's own ([`Engine::host`]).

mod alternatives;
mod batch;
mod budget;
mod candidates;
mod engine;
mod fusion;
mod grammar;
mod legs;
mod near;
mod ordered;
mod plan;
mod query;
mod request;
mod scorer;
mod show;
mod similarity;
mod spec;
mod top;
mod view;
mod words;

pub use budget::{Cancel, CancelOnDrop};
pub use candidates::{AllDocuments, CandidateDocs, Candidates, Probe};
pub use engine::{Engine, HostReader};
pub use fusion::{FusedDoc, Fusion, Leg, Normalise, RRF_K, Share, linear, rrf};
pub use grammar::{Grammar, Mode, parse};
pub use legs::{MetricCollector, MetricFruit, MetricSegmentCollector};
pub use plan::asked::{FacetsOver, ListItems, MediaChoice, RECALL, WINDOW};
pub use query::CrossMediaQuery;
pub use request::{Image, Request};
pub use scorer::{BestItem, DocScore, DocScorer, Polarity, QueryPart};
pub use show::document::StoredDocument;
pub use show::facets::FacetCount;
pub use show::response::{Hit, HitItem, LegScore, Response};
pub use similarity::{Similarity, SimilarityName, TargetName};
pub use spec::{
    FeaturesFrom, RequestSpec, named_fields, named_number, names_of, parse_aggregations, parse_rows,
};
pub use top::RankedDoc;
pub use words::{DidYouMean, Operator, Words};
