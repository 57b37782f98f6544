//! A query that is ready to run: all that its legs, their fusion and its hits need.

pub(crate) mod aggregations;
pub(crate) mod asked;
pub(crate) mod build;
mod columns;
pub(crate) mod counts;
pub(crate) mod fields;
mod filter;
pub(crate) mod order;
pub(crate) mod snippets;
mod weights;

use std::sync::Arc;

use serde_json::Value;
use tantivy::query::Query;

use self::asked::ListItems;
use self::counts::Counts;
use self::fields::Fields;
use self::order::Order;
use self::snippets::Snippets;
use super::budget::Budget;
use super::candidates::{Candidates, Passed, Tally};
use super::fusion::{Fusion, Settings};
use super::scorer::DocScorer;
use super::view::View;
use super::words::DidYouMean;
use crate::error::{Error, ErrorCode};

/// A query whose strings are parsed, whose vectors are compiled and whose numbers are checked.
pub(crate) struct Plan {
    pub(crate) view: View,
    /// Keywords and plain words.
    pub(crate) keywords: Option<Box<dyn Query>>,
    /// How plain words were read.
    pub(crate) words: Option<Value>,
    /// Which keywords were widened by synonyms.
    pub(crate) synonyms: Option<Value>,
    pub(crate) warnings: Vec<String>,
    pub(crate) did_you_mean: Vec<DidYouMean>,
    /// Filters, minimum probability and excluded ids; scores 0.
    pub(crate) filter: Option<Box<dyn Query>>,
    /// What ranks, at even odds unless a prior was given.
    pub(crate) media: Option<Arc<DocScorer>>,
    /// The same at the rate of matches of what is searched: `media` itself where they do not differ.
    pub(crate) rated: Option<Arc<DocScorer>>,
    /// The parts that documents should be like under the metric network, for probabilities, whatever ranks.
    pub(crate) probability: Option<Arc<DocScorer>>,
    /// Media type and name of each query part.
    pub(crate) parts: Vec<(usize, String)>,
    /// Where the media leg looks.
    pub(crate) candidates: Arc<dyn Candidates>,
    /// Whether what these give is live and matches the filter, ascending, each once.
    pub(crate) candidates_match: bool,
    /// Counts where it looked, for an explanation.
    pub(crate) tally: Option<Arc<Tally>>,
    /// As it runs: [`Fusion::Rrf`] stands for a query of one leg too.
    pub(crate) fusion: Fusion,
    pub(crate) settings: Settings,
    pub(crate) depth: Depth,
    /// Where hits have another order than that of their scores, or share values.
    pub(crate) order: Option<Order>,
    /// Of a minimum probability in the filter, which stops matching once the budget is spent: what reached it.
    pub(crate) minimum: Option<Arc<Passed>>,
    pub(crate) budget: Budget,
    pub(crate) counts: Counts,
    pub(crate) snippets: Snippets,
    pub(crate) fields: Fields,
    pub(crate) items: ListItems,
    pub(crate) explains: bool,
}

/// How many documents are shown, and how many a leg gives for that.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Depth {
    pub(crate) k: usize,
    pub(crate) offset: usize,
    /// `offset + k`.
    pub(crate) end: usize,
    /// Of each leg of a fusion.
    pub(crate) window: usize,
    /// Of what ranks alone.
    pub(crate) alone: usize,
    /// Whether all that is ranked is asked for, and not the page alone.
    pub(crate) whole: bool,
}

fn bad(message: &str) -> Error {
    Error::new(ErrorCode::BadArgument, message)
}
