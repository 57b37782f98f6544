//! How a query item and a stored row are compared: one file per similarity, and the table of all.
//!
//! A new one is a file with a [`Measure`](compare::Measure), a variant of [`Similarity`] and its line in
//! [`Similarity::measure`].

mod both;
mod compare;
mod cosine;
mod metric;
mod posterior;

use crate::model::Target;

pub(in crate::search) use compare::{HeadNumbers, Measure, Row, RowScorer, sigmoid};

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

#[cfg(test)]
mod tests {
    use super::*;

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
