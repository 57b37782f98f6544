//! Cross-entropy losses: of the class posteriors, and of the place of similar items within a batch.
//!
//! - `labels`: `-1/n sum_i w_i ln softmax(logits_i)[class_i]`, logits `[n, C]`.
//! - `ranking`: over scores `[q, n]`, for every query with similar items
//!   `-1/|S_i| sum_{j in S_i} ln (exp s_ij / sum_{k allowed} exp s_ik)`, averaged over those queries. With one similar
//!   item it is the in-batch softmax over pairs (van den Oord et al., "Representation learning with contrastive
//!   predictive coding", 2018); with several, the supervised form (Khosla et al., "Supervised contrastive learning",
//!   2020).

use candle_core::{D, Result, Tensor};
use candle_nn::ops::log_softmax;

/// Cross-entropy of class logits `[n, C]` against weighted one-hot rows `[n, C]`, summing to the weight of the row.
pub(crate) fn labels(logits: &Tensor, one_hot: &Tensor) -> Result<Tensor> {
    let total = one_hot.sum_all()?.to_scalar::<f32>()?.max(1e-12);
    (log_softmax(logits, D::Minus1)? * one_hot)?.sum_all()?.neg()? / f64::from(total)
}

/// The ranking loss of scores `[q, n]`.
///
/// `similar` is 1 where an item should rank high, `excluded` is 1 where an item takes no part; both `[q, n]`.
pub(crate) fn ranking(scores: &Tensor, similar: &Tensor, excluded: &Tensor) -> Result<Tensor> {
    let masked = (scores - (excluded * 1e4)?)?;
    let log_p = log_softmax(&masked, D::Minus1)?;
    let counts = similar.sum_keepdim(D::Minus1)?;
    let queries = counts.clamp(0f32, 1f32)?.sum_all()?.to_scalar::<f32>()?.max(1e-12);
    let weights = similar.broadcast_div(&counts.clamp(1f32, f32::MAX)?)?;
    (log_p * weights)?.sum_all()?.neg()? / f64::from(queries)
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn t(rows: &[[f32; 3]; 2]) -> Tensor {
        Tensor::new(rows, &Device::Cpu).unwrap()
    }

    #[test]
    fn labels_is_minus_log_posterior() {
        let logits = t(&[[1.0, 0.0, -1.0], [50.0, 0.0, 0.0]]);
        let loss = labels(&logits, &t(&[[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]])).unwrap();
        let expected = -(1.0f32 / (1.0f32.exp() + 1.0 + (-1.0f32).exp())).ln();
        assert!((loss.to_scalar::<f32>().unwrap() - expected).abs() < 1e-6);
    }

    #[test]
    fn ranking_leaves_out_excluded_items_and_queries_without_similar_ones() {
        let scores = t(&[[1.0, 2.0, 9.0], [0.0, 0.0, 0.0]]);
        let similar = t(&[[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]]);
        let excluded = t(&[[0.0, 0.0, 1.0], [0.0, 0.0, 0.0]]);
        let loss = ranking(&scores, &similar, &excluded).unwrap().to_scalar::<f32>().unwrap();
        assert!((loss - (1.0 + 1.0f32.exp()).ln()).abs() < 1e-5, "{loss}");
    }
}
