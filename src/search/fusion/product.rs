//! BM25 times match probability, with the weights as exponents.

use super::rule::{Asked, Joined, Rule, Score, Settings};
use crate::error::{Error, ErrorCode, Result};

/// The largest exponent of a leg: BM25 to a higher power leaves the range of f32.
const MAX_EXPONENT: f32 = 8.0;

pub(super) struct Product;

impl Rule for Product {
    fn score(&self) -> Score {
        Score::Together(|keyword, media, settings| product(keyword, media, settings.weights))
    }

    fn check(&self, asked: &Asked<'_>) -> Result<()> {
        let (keyword, media) = asked.settings.weights;
        let largest = keyword.max(media);
        if largest > MAX_EXPONENT {
            let what = "a weight is too large for the fusion `product`, where it is an exponent";
            return Err(Error::new(ErrorCode::BadArgument, what)
                .expected(format!("at most {MAX_EXPONENT}"))
                .got(largest));
        }
        Ok(())
    }

    fn formula(&self, _: &Settings, _: &str) -> String {
        "keyword ^ weight x match probability ^ weight".into()
    }
}

/// `keyword ^ w_keyword * media ^ w_media` for a BM25 score and a media value in 0 to 1; 0 where one of them is 0 and has a
/// weight. The contributions are the two factors.
fn product(keyword: f32, media: f32, weights: (f32, f32)) -> Joined {
    // Boosts of a million to the eighth power leave the range of f32, and a factor of 0 must stay one.
    let factor = |base: f32, weight: f32| {
        if weight == 0.0 { 1.0 } else { base.max(0.0).powf(weight).min(f32::MAX) }
    };
    let contributions = [factor(keyword, weights.0), factor(media, weights.1)];
    Joined { score: contributions[0] * contributions[1], contributions }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn product_score(keyword: f32, media: f32, weights: (f32, f32)) -> f32 {
        product(keyword, media, weights).score
    }

    #[test]
    fn product_needs_both_sides() {
        assert_eq!(product_score(8.0, 0.5, (1.0, 1.0)), 4.0);
        assert_eq!(product_score(8.0, 0.0, (1.0, 1.0)), 0.0);
        assert_eq!(product_score(0.0, 0.9, (0.5, 2.0)), 0.0);
        assert_eq!(product_score(1e13, 0.0, (8.0, 1.0)), 0.0);
        assert!(product_score(1e13, 1.0, (8.0, 1.0)).is_finite());
        // Without a weight a side has no say, not even a missing one.
        assert_eq!(product_score(8.0, 0.0, (1.0, 0.0)), 8.0);
        assert!(product_score(8.0, 0.6, (0.3, 2.0)) > product_score(8.0, 0.5, (0.3, 2.0)));
        assert!(product_score(9.0, 0.5, (0.3, 2.0)) > product_score(8.0, 0.5, (0.3, 2.0)));
    }
}
