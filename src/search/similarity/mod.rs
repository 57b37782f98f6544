//! How a query item and a stored row are compared: one file per similarity, and the table of all.
//!
//! A new one is a file with a [`Measure`](compare::Measure), and here a variant of [`Similarity`] with its line in
//! [`Similarity::measure`], and a variant of [`SimilarityName`] with its line in [`SimilarityName::similarity`].

mod both;
mod compare;
mod cosine;
mod metric;
mod posterior;

use serde::{Deserialize, Serialize};

use crate::model::Target;

pub(in crate::search) use compare::{HeadNumbers, LinearForm, Measure, Row, RowScorer, sigmoid};

/// How a query part and an item are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Similarity {
    /// The metric network, trained for a target.
    Metric(Target),
    /// The metric network under both targets: the mean of the two calibrated probabilities, as log-odds.
    Both,
    /// Cosine of the shared vectors.
    Cosine,
    /// Dot product of the class posteriors that are part of the shared vectors.
    Posterior,
}

impl Similarity {
    pub(in crate::search) fn measure(self) -> &'static dyn Measure {
        match self {
            Self::Metric(Target::Class) => &metric::Metric(Target::Class),
            Self::Metric(Target::Pair) => &metric::Metric(Target::Pair),
            Self::Both => &both::Both,
            Self::Cosine => &cosine::Cosine,
            Self::Posterior => &posterior::Posterior,
        }
    }

    /// Name of the leg in results.
    pub fn leg(self) -> &'static str {
        self.measure().leg()
    }

    /// Whether the metric network is asked, whose values are log-odds.
    pub fn is_metric(self) -> bool {
        self.measure().is_metric()
    }
}

/// What compares items, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum SimilarityName {
    /// The metric network, asked for the target.
    Metric,
    /// Cosine of the shared vectors.
    Cosine,
    /// Dot product of the class posteriors.
    Posterior,
}

impl SimilarityName {
    /// The one of this name; `None` for the metric network, which needs a target.
    pub(in crate::search) fn similarity(self) -> Option<Similarity> {
        match self {
            Self::Metric => None,
            Self::Cosine => Some(Similarity::Cosine),
            Self::Posterior => Some(Similarity::Posterior),
        }
    }
}

/// What the metric network is asked, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TargetName {
    /// Whether two items have the same class.
    Class,
    /// Whether they are this very pair.
    Pair,
    /// The mean of both probabilities.
    Both,
}

impl TargetName {
    /// The metric network under it.
    pub(in crate::search) fn similarity(self) -> Similarity {
        match self {
            Self::Class => Similarity::Metric(Target::Class),
            Self::Pair => Similarity::Metric(Target::Pair),
            Self::Both => Similarity::Both,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_that_of_its_leg() {
        for name in crate::search::names_of::<SimilarityName>() {
            let named: SimilarityName = serde_json::from_value((*name).into()).unwrap();
            assert_eq!(named.similarity().unwrap_or(Similarity::Both).leg(), *name);
        }
    }

    #[test]
    fn every_similarity_grows_into_the_unit_interval() {
        for similarity in
            [Similarity::Metric(Target::Pair), Similarity::Both, Similarity::Cosine, Similarity::Posterior]
        {
            let at: Vec<f32> =
                [-50.0, -1.0, -0.2, 0.3, 0.9, 40.0].map(|x| similarity.measure().unit_interval(x)).to_vec();
            assert!(
                at.iter().all(|p| (0.0..=1.0).contains(p)) && at.windows(2).all(|w| w[0] <= w[1]),
                "{at:?}"
            );
        }
    }
}
