//! Batches of rows, and what is similar to what within one.

use candle_core::{Device, Tensor};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::dropout::drop_out;
use super::graded::Graded;
use crate::data::{TrainingData, content_numbers};
use crate::error::Result;

/// Most rows whose inputs are held where each is the output of a whole pathway.
const HELD: usize = 65_536;

/// The input `[n, width]` of a pathway for features `[n, d_in]` of a media type.
pub(crate) type Read<'a> = Box<dyn Fn(usize, &[f32]) -> Vec<f32> + Sync + 'a>;

/// The rows that are learned from. Features stay where they are: a batch reads those of its rows, and makes inputs of them.
///
/// Memory is some 15 bytes for each row and media type.
pub(crate) struct Prepared<'a> {
    data: &'a TrainingData,
    /// Ascending.
    rows: &'a [usize],
    read: Read<'a>,
    /// Per media type: inputs `[n, width]`, zeros for rows that are not present, where a pathway that stays has made them once.
    held: Vec<Option<Vec<f32>>>,
    widths: Vec<usize>,
    present: Vec<Vec<bool>>,
    /// Per media type: rows of equal number hold byte-equal inputs.
    content: Vec<Vec<u32>>,
    class: Vec<Option<u32>>,
    /// Graded pairs of these rows.
    pub(crate) graded: Graded,
}

impl<'a> Prepared<'a> {
    /// The rows, ascending; `read` gives inputs of `widths` elements by media type, which cost as much as an epoch does where
    /// pathways are `settled`.
    pub(crate) fn new(
        data: &'a TrainingData,
        rows: &'a [usize],
        widths: Vec<usize>,
        settled: bool,
        read: Read<'a>,
    ) -> Self {
        let mut prepared = Self {
            data,
            rows,
            read,
            held: Vec::new(),
            widths,
            present: Vec::new(),
            content: Vec::new(),
            class: rows.iter().map(|&row| data.class(row)).collect(),
            graded: Graded::new(data, rows),
        };
        for (m, media) in data.media.iter().enumerate() {
            prepared.present.push(rows.iter().map(|&row| media.present[row]).collect());
            let all = || (0..rows.len()).flat_map(|at| prepared.one(m, at)).collect();
            let held: Option<Vec<f32>> = (settled && rows.len() <= HELD).then(all);
            let width = prepared.widths[m];
            let content = match &held {
                Some(held) => content_numbers(rows.len(), |at, out| {
                    out.extend_from_slice(&held[at * width..(at + 1) * width]);
                }),
                // Equal features are equal inputs.
                None if settled => media.contents(rows),
                None => content_numbers(rows.len(), |at, out| out.extend(prepared.one(m, at))),
            };
            prepared.held.push(held);
            // Absent rows share one number, but never meet: a batch holds present items alone.
            prepared.content.push(content);
        }
        prepared
    }

    /// The input of the row at `at`; zeros where it is not present.
    fn one(&self, m: usize, at: usize) -> Vec<f32> {
        match self.present[m][at] {
            true => (self.read)(m, &self.data.media[m].gather(&[self.rows[at]])),
            false => vec![0.0; self.widths[m]],
        }
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
        match &self.held[media] {
            Some(held) => {
                rows.iter().for_each(|&row| values.extend_from_slice(&held[row * d..(row + 1) * d]));
            }
            None => {
                let numbers: Vec<usize> = rows.iter().map(|&row| self.rows[row]).collect();
                values.extend((self.read)(media, &self.data.media[media].gather(&numbers)));
            }
        }
        (1..views).for_each(|_| values.extend_from_within(..rows.len() * d));
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

    fn data() -> TrainingData {
        let media = |name: &str, rows: Vec<f32>, present: Vec<bool>| MediaFeatures {
            encoder_state: Vec::new(),
            fingerprint: None,
            name: name.into(),
            encoder: "e".into(),
            d_in: 1,
            rows: rows.into(),
            present,
        };
        TrainingData {
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
        }
    }

    fn prepared(data: &TrainingData, settled: bool) -> Prepared<'_> {
        Prepared::new(data, &[0, 1, 2, 3], vec![1, 1], settled, Box::new(|_, x| x.to_vec()))
    }

    #[test]
    fn inputs_are_the_same_held_or_read() {
        let data = data();
        let (read, held) = (prepared(&data, false), prepared(&data, true));
        assert!(held.held.iter().all(Option::is_some) && read.held.iter().all(Option::is_none));
        assert_eq!(read.content, held.content);
        for dropout in [0.0, 0.5] {
            let of = |rows: &Prepared<'_>| {
                let input = rows.input((0, &[3, 1], 2), dropout, 7).unwrap();
                (input.dims().to_vec(), input.flatten_all().unwrap().to_vec1::<f32>().unwrap())
            };
            assert_eq!(of(&read), of(&held));
            assert_eq!(of(&read).0, [4, 1]);
            assert!(dropout > 0.0 || of(&read).1 == [4.0, 2.0, 4.0, 2.0]);
        }
    }

    #[test]
    fn byte_equal_content_is_paired_and_absent_items_take_no_part() {
        let data = data();
        let prepared = prepared(&data, false);
        assert_eq!(prepared.present(1, &[3, 2, 0]), [2, 0]);
        let relations = prepared.relations(0, &[0, 1, 3], 1, &[0, 1, 2]);
        assert_eq!(relations.paired, [1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(relations.unpaired, [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(relations.same_class, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0, 0.0]);
        assert_eq!(relations.other_class, [0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0, 0.0]);
    }

    #[test]
    fn batches_hold_every_row_once() {
        let data = data();
        let prepared = prepared(&data, false);
        let batches = prepared.batches(3, &mut ChaCha8Rng::seed_from_u64(1));
        let mut all = batches.concat();
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
        assert_eq!(batches.len(), 2 - usize::from(batches[0].len() == 4));
    }
}
