//! Keywords restrict, the network ranks.

use super::rule::{Rule, Score, Settings};

pub(super) struct Metric;

impl Rule for Metric {
    fn score(&self) -> Score {
        Score::Restricted
    }

    fn weighs_legs(&self) -> bool {
        false
    }

    fn formula(&self, _: &Settings, media: &str) -> String {
        format!("the {media} leg, keywords restrict")
    }
}
