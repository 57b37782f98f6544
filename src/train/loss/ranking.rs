//! Cross-entropy of the place of similar items within a batch, of rows over columns and of columns over rows, averaged.
//!
//! Over scores `s [q, n]`, for every query i with similar items `S_i`: `-1/|S_i| sum_{j in S_i} ln p_ij`,
//! `p_ij = exp s_ij / sum_{k allowed} exp s_ik`, averaged over those queries; and the same of the columns. With one similar
//! item it is the in-batch softmax over pairs (van den Oord et al., "Representation learning with contrastive predictive
//! coding", 2018); with several, the supervised form (Khosla et al., "Supervised contrastive learning", 2020).
//! The gradient is `(p_ij - [j in S_i] / |S_i|) / queries`, found in the same pass.

use std::sync::{Mutex, PoisonError};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use crate::train::op::slice;

struct Ranking {
    similar: Vec<f32>,
    /// Empty for none.
    excluded: Vec<f32>,
    /// Of the scores, once the loss is known.
    gradient: Mutex<Vec<f32>>,
}

/// The loss of scores `[q, n]`, a scalar.
///
/// `similar` is 1 where an item should rank high; `excluded` is 1 where an item takes no part, and empty where all do.
pub(crate) fn ranking(scores: &Tensor, similar: &[f32], excluded: Vec<f32>) -> Result<Tensor> {
    let op = Ranking { similar: similar.to_vec(), excluded, gradient: Mutex::default() };
    scores.contiguous()?.apply_op1(op)
}

/// `exp(-80)` is a normal number of 32 bits.
const SPREAD: f32 = 80.0;

/// What the entries of one line, a row or a column, come to.
#[derive(Clone, Copy)]
struct Line {
    most: f32,
    sum: f32,
    similar: f32,
    /// Sum of the scores of similar items.
    scores: f32,
}

const EMPTY: Line = Line { most: f32::NEG_INFINITY, sum: 0.0, similar: 0.0, scores: 0.0 };

impl Line {
    /// `-1/|S| sum ln p`; 0 without similar items.
    fn loss(&self) -> f64 {
        if self.similar > 0.0 {
            f64::from(self.most + self.sum.ln() - self.scores / self.similar)
        } else {
            0.0
        }
    }

    /// One over the number of lines with similar items, for those.
    fn share(&self, queries: f32) -> f32 {
        if self.similar > 0.0 { 1.0 / queries } else { 0.0 }
    }
}

fn queries(lines: &[Line]) -> f32 {
    lines.iter().filter(|line| line.similar > 0.0).count().max(1) as f32
}

impl Ranking {
    /// The loss and its gradient.
    fn of(&self, scores: &[f32], n: usize) -> (f64, Vec<f32>) {
        let allowed = |at: usize| self.excluded.get(at).is_none_or(|excluded| *excluded == 0.0);
        let (mut rows, mut columns) = (vec![EMPTY; scores.len() / n], vec![EMPTY; n]);
        for (i, row) in rows.iter_mut().enumerate() {
            for (j, column) in columns.iter_mut().enumerate() {
                let at = i * n + j;
                if allowed(at) {
                    for line in [&mut *row, column] {
                        line.most = line.most.max(scores[at]);
                        line.similar += self.similar[at];
                        line.scores += self.similar[at] * scores[at];
                    }
                }
            }
        }
        // Where no exponential vanishes beside another, one of each score serves its row and its column.
        let most = rows.iter().map(|row| row.most).fold(f32::NEG_INFINITY, f32::max);
        let least = scores.iter().copied().fold(f32::INFINITY, f32::min);
        let shared = most - least < SPREAD;
        if shared {
            rows.iter_mut().chain(&mut columns).for_each(|line| line.most = most);
        }
        let of_column =
            |e: f32, score: f32, column: &Line| if shared { e } else { (score - column.most).exp() };
        // The exponentials of rows are kept for the gradient.
        let mut gradient = vec![0.0f32; scores.len()];
        for (i, row) in rows.iter_mut().enumerate() {
            for (j, column) in columns.iter_mut().enumerate() {
                let at = i * n + j;
                if allowed(at) {
                    let e = (scores[at] - row.most).exp();
                    row.sum += e;
                    gradient[at] = e;
                    column.sum += of_column(e, scores[at], column);
                }
            }
        }
        let (of_rows, of_columns) = (queries(&rows), queries(&columns));
        for (i, row) in rows.iter().enumerate() {
            let share = 0.5 * row.share(of_rows);
            let (by_row, similar_row) =
                (share / row.sum.max(f32::MIN_POSITIVE), share / row.similar.max(1.0));
            for (j, column) in columns.iter().enumerate() {
                let at = i * n + j;
                if !allowed(at) {
                    continue;
                }
                let share = 0.5 * column.share(of_columns);
                let e = gradient[at];
                let by_column = share * of_column(e, scores[at], column) / column.sum;
                let similar = self.similar[at] * (similar_row + share / column.similar.max(1.0));
                gradient[at] = e * by_row + by_column - similar;
            }
        }
        let mean =
            |lines: &[Line], queries: f32| lines.iter().map(Line::loss).sum::<f64>() / f64::from(queries);
        (0.5 * (mean(&rows, of_rows) + mean(&columns, of_columns)), gradient)
    }
}

impl CustomOp1 for Ranking {
    fn name(&self) -> &'static str {
        "ranking"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (_, n) = layout.shape().dims2()?;
        let (loss, gradient) = self.of(slice(storage, layout)?, n.max(1));
        *self.gradient.lock().unwrap_or_else(PoisonError::into_inner) = gradient;
        Ok((CpuStorage::F32(vec![loss as f32]), Shape::from(())))
    }

    fn bwd(&self, scores: &Tensor, _: &Tensor, of_loss: &Tensor) -> Result<Option<Tensor>> {
        let mut gradient = self.gradient.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let factor = of_loss.to_scalar::<f32>()?;
        gradient.iter_mut().for_each(|x| *x *= factor);
        Ok(Some(Tensor::from_vec(gradient, scores.shape(), scores.device())?))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{D, Device, Var};
    use candle_nn::ops::log_softmax;

    use super::*;

    #[test]
    fn excluded_items_and_queries_without_similar_ones_are_left_out() {
        let scores = Tensor::new(&[[1.0f32, 2.0, 9.0], [0.0, 0.0, 0.0]], &Device::Cpu).unwrap();
        let (similar, excluded) = ([1.0, 0.0, 0.0, 0.0, 0.0, 0.0], vec![0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        let loss = ranking(&scores, &similar, excluded).unwrap().to_scalar::<f32>().unwrap();
        // The row: 1 against 2. The column: 1 against 0.
        let expected = 0.5 * ((1.0 + 1.0f32.exp()).ln() + (1.0 + (-1.0f32).exp()).ln());
        assert!((loss - expected).abs() < 1e-5, "{loss} {expected}");
        let none = ranking(&scores, &[0.0; 6], Vec::new()).unwrap().to_scalar::<f32>().unwrap();
        assert_eq!(none, 0.0);
    }

    #[test]
    fn value_and_gradient_are_those_of_the_composed_operations() {
        let (q, n) = (5, 4);
        let wave = |scale: f32| (0..q * n).map(|i| (i as f32 * 0.7).sin() * scale).collect::<Vec<f32>>();
        let similar: Vec<f32> = (0..q * n).map(|i| f32::from(i % 3 == 0 && i < 16)).collect();
        let some: Vec<f32> = (0..q * n).map(|i| f32::from(i % 7 == 4)).collect();
        for (excluded, scale) in [(Vec::new(), 5.0), (Vec::new(), 60.0), (some.clone(), 5.0), (some, 60.0)] {
            let scores = Var::from_vec(wave(scale), (q, n), &Device::Cpu).unwrap();
            let mask = |values: &[f32]| Tensor::from_slice(values, (q, n), &Device::Cpu).unwrap();
            let all = if excluded.is_empty() { vec![0.0; q * n] } else { excluded.clone() };
            let one_way = |turned: bool| {
                let turn = |x: &Tensor| if turned { x.t().unwrap().contiguous().unwrap() } else { x.clone() };
                let masked = (turn(&scores) - (turn(&mask(&all)) * 1e4).unwrap()).unwrap();
                let counts = turn(&mask(&similar)).sum_keepdim(D::Minus1).unwrap();
                let queries =
                    counts.clamp(0f32, 1f32).unwrap().sum_all().unwrap().to_scalar::<f32>().unwrap();
                let weights =
                    turn(&mask(&similar)).broadcast_div(&counts.clamp(1f32, 99f32).unwrap()).unwrap();
                let log_p = log_softmax(&masked, D::Minus1).unwrap();
                ((log_p * weights).unwrap().sum_all().unwrap() * (-0.5 / f64::from(queries))).unwrap()
            };
            let composed = (one_way(false) + one_way(true)).unwrap();
            let fused = ranking(&scores, &similar, excluded).unwrap();
            let scalar = |x: &Tensor| x.to_scalar::<f32>().unwrap();
            assert!((scalar(&fused) - scalar(&composed)).abs() < 1e-4 * scalar(&composed));
            let gradient = |loss: &Tensor| {
                let store = (loss * 3.0).unwrap().backward().unwrap();
                store.get(&scores).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap()
            };
            let (one, two) = (gradient(&fused), gradient(&composed));
            assert!(one.iter().zip(&two).all(|(a, b)| (a - b).abs() < 1e-5), "{one:?} {two:?}");
            assert!(one.iter().any(|x| x.abs() > 1e-2));
        }
    }
}
