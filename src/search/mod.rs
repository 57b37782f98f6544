//! Search: keywords, filters and media parts in one query over one index, or over several as if they were one.
//!
//! [`MetricCollector`] and [`CrossMediaQuery`] work in any tantivy app; [`Engine`] runs whole queries, over the indexes of
//! this crate ([`Engine::new`], [`Engine::over`]) or over an app's own ([`Engine::host`]).

mod aggregations;
mod batch;
mod budget;
mod collector;
mod columns;
mod engine;
mod explain;
mod facets;
mod fusion;
mod grammar;
mod hits;
mod keyword;
mod learned;
mod legs;
mod near;
mod ordered;
mod plan;
mod product;
mod query;
mod request;
mod row;
mod scorer;
mod shard;
mod snippets;
mod top;

pub use budget::{Cancel, CancelOnDrop};
pub use collector::{MetricCollector, MetricFruit, MetricSegmentCollector};
pub use engine::Engine;
pub use facets::{FacetCount, FacetsOver};
pub use fusion::{FusedDoc, Fusion, Leg, Normalise, RRF_K, Share, linear, product_score, rrf};
pub use grammar::{Grammar, Mode, parse};
pub use hits::{Hit, HitItem, LegScore, Response};
pub use keyword::{KeywordCollector, KeywordFruit, KeywordSegmentCollector};
pub use query::CrossMediaQuery;
pub use request::{ListItems, Request, WINDOW, Wanted};
pub use scorer::{BestItem, DocScore, DocScorer, Polarity, QueryPart, Similarity};
pub use top::{ID_FIELD, RankedDoc};
