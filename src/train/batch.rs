//! Batches of rows, and what is similar to what within one.

use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::dropout::drop_out;
use super::graded::Graded;
use crate::data::{TrainingData, content_numbers};
use crate::error::Result;

/// The rows that are learned from, with standardised features and content numbers.
pub(crate) struct Prepared {
    /// Per media type: standardised features `[n, d_in]`, rows that are not present are zero.
    features: Vec<Vec<f32>>,
    widths: Vec<usize>,
    present: Vec<Vec<bool>>,
    /// Per media type: rows of equal number hold byte-equal features.
    content: Vec<Vec<u32>>,
    class: Vec<Option<u32>>,
    /// Graded pairs of these rows.
    pub(crate) graded: Graded,
}

impl Prepared {
    /// Converts the rows, ascending, once; `standardise(media, x, out)` writes the input of a pathway, of
    /// `widths` elements by media type.
    pub(crate) fn new(
        data: &TrainingData,
        rows: &[usize],
        widths: Vec<usize>,
        standardise: impl Fn(usize, &[f32], &mut [f32]),
    ) -> Self {
        let mut prepared = Self {
            features: Vec::new(),
            widths,
            present: Vec::new(),
            content: Vec::new(),
            class: rows.iter().map(|&row| data.class(row)).collect(),
            graded: Graded::new(data, rows),
        };
        for (m, media) in data.media.iter().enumerate() {
            let present: Vec<bool> = rows.iter().map(|&row| media.present[row]).collect();
            let width = prepared.widths[m];
            let mut features = vec![0.0; rows.len() * width];
            for ((out, &row), _) in
                features.chunks_exact_mut(width).zip(rows).zip(&present).filter(|(_, present)| **present)
            {
                standardise(m, media.row(row), out);
            }
            // Absent rows share one number, but never meet: a batch holds present items alone.
            prepared.content.push(content_numbers(features.chunks_exact(width)));
            prepared.features.push(features);
            prepared.present.push(present);
        }
        prepared
    }

    pub(crate) fn len(&self) -> usize {
        self.class.len()
    }

    /// A new random order of all rows, cut into batches; a rest of fewer than half a batch joins the one before.
    pub(crate) fn batches(&self, size: usize, rng: &mut ChaCha8Rng) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(rng);
        let mut batches: Vec<Vec<usize>> = order.chunks(size).map(<[usize]>::to_vec).collect();
        if batches.len() > 1
            && batches.last().is_some_and(|last| last.len() < size / 2)
            && let (Some(rest), Some(last)) = (batches.pop(), batches.last_mut())
        {
            last.extend(rest);
        }
        batches
    }

    /// The rows of a batch that have an item of a media type.
    pub(crate) fn present(&self, media: usize, batch: &[usize]) -> Vec<usize> {
        batch.iter().copied().filter(|&row| self.present[media][row]).collect()
    }

    /// The input `[views * n, d_in]` of these rows, as many times as there are views, of which a part is dropped.
    pub(crate) fn input(
        &self,
        (media, rows, views): (usize, &[usize], usize),
        dropout: f64,
        seed: u64,
    ) -> Result<Tensor> {
        let d = self.widths[media];
        let mut values = Vec::with_capacity(views * rows.len() * d);
        for _ in 0..views {
            rows.iter()
                .for_each(|&row| values.extend_from_slice(&self.features[media][row * d..(row + 1) * d]));
        }
        drop_out(&mut values, dropout, seed);
        Ok(Tensor::from_vec(values, (views * rows.len(), d), &Device::Cpu)?)
    }

    /// One-hot classes `[n, C]`; zero rows where there is no class.
    pub(crate) fn one_hot(&self, rows: &[usize], classes: usize) -> Result<Tensor> {
        let mut values = vec![0.0f32; rows.len() * classes];
        for (i, &row) in rows.iter().enumerate() {
            if let Some(class) = self.class[row] {
                values[i * classes + class as usize] = 1.0;
            }
        }
        Ok(Tensor::from_vec(values, (rows.len(), classes), &Device::Cpu)?)
    }

    /// How the items of `rows` of media type `a` relate to those of `columns` of `b`.
    pub(crate) fn relations(&self, a: usize, rows: &[usize], b: usize, columns: &[usize]) -> Relations {
        let cells = rows.len() * columns.len();
        let mut relations = Relations {
            same_class: vec![0.0; cells],
            other_class: vec![0.0; cells],
            paired: vec![0.0; cells],
            unpaired: vec![0.0; cells],
        };
        for (i, &row) in rows.iter().enumerate() {
            for (j, &column) in columns.iter().enumerate() {
                let at = i * columns.len() + j;
                match (self.class[row], self.class[column]) {
                    (Some(x), Some(y)) if x == y => relations.same_class[at] = 1.0,
                    (Some(_), Some(_)) => relations.other_class[at] = 1.0,
                    _ => {}
                }
                // Byte-equal content on either side belongs to the same partners, so it is never a negative.
                let equal_item = self.present[b][row] && self.content[b][row] == self.content[b][column];
                let equal_query = self.present[a][column] && self.content[a][row] == self.content[a][column];
                if row == column || equal_item || equal_query {
                    relations.paired[at] = 1.0;
                } else {
                    relations.unpaired[at] = 1.0;
                }
            }
        }
        relations
    }
}

/// 0/1 masks `[q * n]` of a batch.
pub(crate) struct Relations {
    pub(crate) same_class: Vec<f32>,
    pub(crate) other_class: Vec<f32>,
    pub(crate) paired: Vec<f32>,
    pub(crate) unpaired: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;
    use crate::corpus::Split;
    use crate::data::{Labels, MediaFeatures};

    fn prepared() -> Prepared {
        let media = |name: &str, rows: Vec<f32>, present: Vec<bool>| MediaFeatures {
            encoder_state: Vec::new(),
            fingerprint: None,
            name: name.into(),
            encoder: "e".into(),
            d_in: 1,
            rows,
            present,
        };
        let data = TrainingData {
            media: vec![
                media("image", vec![1.0, 2.0, 3.0, 4.0], vec![true; 4]),
                media("text", vec![5.0, 6.0, 5.0, f32::NAN], vec![true, true, true, false]),
            ],
            labels: Some(Labels {
                class: vec![Some(0), Some(1), None, Some(0)],
                names: None,
                key: "k".into(),
            }),
            groups: None,
            split: vec![Split::Train; 4],
            features_name: "f".into(),
            documents: None,
            graded: Vec::new(),
        };
        Prepared::new(&data, &[0, 1, 2, 3], vec![1, 1], |_, x, out| out.copy_from_slice(x))
    }

    #[test]
    fn byte_equal_content_is_paired_and_absent_items_take_no_part() {
        let prepared = prepared();
        assert_eq!(prepared.present(1, &[3, 2, 0]), [2, 0]);
        let relations = prepared.relations(0, &[0, 1, 3], 1, &[0, 1, 2]);
        assert_eq!(relations.paired, [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(relations.unpaired, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(relations.same_class, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(relations.other_class, [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn batches_hold_every_row_once() {
        let prepared = prepared();
        let batches = prepared.batches(3, &mut ChaCha8Rng::seed_from_u64(1));
        let mut all = batches.concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
        assert_eq!(batches.len(), 2 - usize::from(batches[0].len() == 4));
    }
}
