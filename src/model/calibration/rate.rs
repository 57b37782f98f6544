//! How the rate of matches of an index follows from that of the validation pairs.

use serde::{Deserialize, Serialize};

/// The largest prior that the size of an index makes: of one item nobody knows that it is the one that is looked for.
const MOST: f32 = 0.5;
/// The least prior.
const LEAST: f32 = 1e-12;

/// What a prior that nobody gave means for an index of another size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Rate {
    /// A share of all items: the same in an index of any size, as that of a class.
    Share,
    /// So many items match a query, whatever the number of items: the prior is this number divided by that of items.
    Matches(f32),
}

impl Rate {
    /// The prior for an index of `items` items, where it is `stored` among the validation pairs; without items the stored one.
    pub(super) fn prior(self, stored: f32, items: u64) -> f32 {
        match self {
            Self::Matches(matches) if items > 0 => (matches / items as f32).clamp(LEAST, MOST),
            _ => stored,
        }
    }

    pub(super) fn is_sound(self) -> bool {
        match self {
            Self::Share => true,
            Self::Matches(matches) => matches.is_finite() && matches > 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Calibration;

    fn fitted(rate: Option<Rate>) -> Calibration {
        Calibration { slope: 2.0, offset: -1.0, prior: 0.02, natural: 0.02, positives: 7, curve: None, rate }
    }

    #[test]
    fn the_size_of_an_index_moves_a_number_of_matches_alone() {
        let (pair, class, given) =
            (fitted(Some(Rate::Matches(1.5))), fitted(Some(Rate::Share)), fitted(None));
        assert_eq!([3000, 2, 0, u64::MAX].map(|n| pair.for_items(n).prior), [0.0005, 0.5, 0.02, 1e-12]);
        for same in [class, given] {
            assert_eq!(same.for_items(3000), same);
        }
        // Twice: the second index counts.
        assert_eq!(pair.for_items(10).for_items(3000), pair.for_items(3000));
        // Bayes' rule on the odds.
        let odds = |p: f32| p / (1.0 - p);
        let (small, large) = (pair.for_items(30).probability(1.0), pair.for_items(3000).probability(1.0));
        assert!((odds(small) / odds(large) / (odds(0.05) / odds(0.0005)) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn a_given_prior_stays_and_rankings_assume_even_odds_without_one() {
        for rate in [Rate::Matches(1.0), Rate::Share] {
            let fit = fitted(Some(rate));
            assert_eq!(fit.even(), fit.with_prior(0.5));
            assert_eq!(fit.given_prior(), None);
            let given = fit.with_prior(0.1);
            assert_eq!((given.even(), given.for_items(7)), (given, given));
            assert_eq!(given.given_prior(), Some(0.1));
        }
        assert_eq!(fitted(None).even(), fitted(None));
        assert_eq!(
            fitted(None).with_prior(0.5).given_prior(),
            None,
            "as bundles had it before there were rates"
        );
    }

    #[test]
    fn it_is_stored_beside_what_older_bundles_have() {
        let text = |fit: &Calibration| serde_json::to_string(fit).unwrap();
        assert!(!text(&fitted(None)).contains("rate"));
        for rate in [Rate::Matches(1.25), Rate::Share] {
            let fit = fitted(Some(rate));
            assert_eq!(serde_json::from_str::<Calibration>(&text(&fit)).unwrap(), fit);
        }
        for bad in [0.0, -1.0, f32::NAN, f32::INFINITY] {
            assert!(!fitted(Some(Rate::Matches(bad))).is_sound());
        }
    }
}
