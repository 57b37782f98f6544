//! Search: keywords, filters and media parts in one query over one index.
//!
//! [`MetricCollector`] and [`CrossMediaQuery`] work in any tantivy app; [`Engine`] runs whole queries over an
//! [`crate::index::Index`].

mod collector;
mod fusion;
mod hits;
mod keyword;
mod query;
mod request;
mod scorer;
mod top;

pub use collector::{MetricCollector, MetricFruit, MetricSegmentCollector};
pub use fusion::{FusedDoc, Fusion, Leg, RRF_K, rrf};
pub use hits::{Hit, HitItem, LegScore, Response};
pub use keyword::{KeywordCollector, KeywordFruit, KeywordSegmentCollector, parse};
pub use query::CrossMediaQuery;
pub use request::{Engine, Request, WINDOW, Wanted};
pub use scorer::{BestItem, DocScore, DocScorer, QueryPart, Similarity};
pub use top::{ID_FIELD, RankedDoc};
