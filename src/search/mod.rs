//! Search: keywords, filters and media parts in one query over one index, or over several as if they were one.
//!
//! [`MetricCollector`] and [`CrossMediaQuery`] work in any tantivy app; [`Engine`] runs whole queries, over the indexes of
//! this crate ([`Engine::new`], [`Engine::over`]) or over an app's own ([`Engine::host`]).

mod aggregations;
mod batch;
mod budget;
mod candidates;
mod columns;
mod engine;
mod explain;
mod facets;
mod fusion;
mod grammar;
mod hits;
mod learned;
mod legs;
mod near;
mod ordered;
mod plan;
mod query;
mod request;
mod scorer;
mod shard;
mod similarity;
mod snippets;
mod top;

pub use budget::{Cancel, CancelOnDrop};
pub use candidates::{AllDocuments, CandidateDocs, Candidates, Probe};
pub use engine::Engine;
pub use facets::{FacetCount, FacetsOver};
pub use fusion::{FusedDoc, Fusion, Leg, Normalise, RRF_K, Share, linear, product_score, rrf};
pub use grammar::{Grammar, Mode, parse};
pub use hits::{Hit, HitItem, LegScore, Response};
pub use legs::{
    KeywordCollector, KeywordFruit, KeywordSegmentCollector, MetricCollector, MetricFruit,
    MetricSegmentCollector,
};
pub use query::CrossMediaQuery;
pub use request::{ListItems, Request, WINDOW, Wanted};
pub use scorer::{BestItem, DocScore, DocScorer, Polarity, QueryPart};
pub use similarity::Similarity;
pub use top::{ID_FIELD, RankedDoc};
