//! What every fusion implements.

use serde_json::{Map, Value};

use super::leg::{FusedDoc, Leg, Page};
use super::scale::Normalise;
use crate::error::Result;
use crate::model::{Bundle, FusionLayer};
use crate::search::similarity::Similarity;

/// One way to make one ranking of keywords and media parts. It is asked where a query has both.
pub(in crate::search) trait Rule {
    /// The legs that it needs, with its score.
    fn score(&self) -> Score;

    /// What the media leg ranks by unless the query says so; `None`: by the bundle's default target.
    fn similarity(&self, _: &Bundle) -> Option<Similarity> {
        None
    }

    /// Refuses what it cannot run with, whatever legs the query has.
    ///
    /// # Errors
    /// [`crate::ErrorCode::BadArgument`].
    fn check(&self, _: &Asked<'_>) -> Result<()> {
        Ok(())
    }

    /// Whether the weights of the legs have a say.
    fn weighs_legs(&self) -> bool {
        true
    }

    /// How an explanation says what the score is made of. `media` is the name of the media leg.
    fn formula(&self, settings: &Settings, media: &str) -> String;

    /// What an explanation says beside the shares of the legs.
    fn numbers(&self, _: &Settings) -> Map<String, Value> {
        Map::new()
    }
}

/// What is scored, and how.
pub(in crate::search) enum Score {
    /// Keywords and media parts rank apart, each in a window of its own; the function joins their rankings.
    Apart(fn(&[Leg<'_>], &Settings, Page<'_>) -> Result<Vec<FusedDoc>>),
    /// Keywords only restrict, and the media leg ranks.
    Restricted,
    /// Each document that the keywords match is scored by itself, inside its segment, from its BM25 score and its media
    /// value on the scale 0 to 1 (0 without an item).
    Together(fn(f32, f32, &Settings) -> Joined),
}

/// A document's score under [`Score::Together`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::search) struct Joined {
    pub(in crate::search) score: f32,
    /// Of keyword leg and media leg.
    pub(in crate::search) contributions: [f32; 2],
}

/// The numbers of a query that fusions read, each those that it knows.
#[derive(Debug, Clone, Copy)]
pub(in crate::search) struct Settings {
    /// Of keyword leg and media leg.
    pub(in crate::search) weights: (f32, f32),
    pub(in crate::search) normalise: Normalise,
    pub(in crate::search) rrf_k: f32,
    /// The bundle's own layer, where it has one.
    pub(in crate::search) layer: Option<FusionLayer>,
}

/// A query as a fusion checks it.
#[derive(Debug, Clone, Copy)]
pub(in crate::search) struct Asked<'a> {
    pub(in crate::search) settings: &'a Settings,
    /// Of the media leg.
    pub(in crate::search) similarity: Similarity,
    /// The rate of matches, where the query sets one.
    pub(in crate::search) prior: Option<f32>,
}
