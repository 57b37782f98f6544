//! How far the rows of a fold are from its landmarks: what the kernels of all spreads share.

use candle_core::Result;

use super::landmarks::{distances, with_landmarks, within};
use crate::data::TrainingData;
use crate::model::Kernel;
use crate::train::draw::some;

/// Rows that are summed up together.
const TOGETHER: usize = 4096;
/// Most anchors of the hub term that units are measured with.
const ANCHORS: usize = 512;
/// Most rows that are summed up: with sixteen to a landmark more of them change little, and each costs the square of the landmarks.
const SUMMED: usize = 65_536;
/// Most landmarks of all media types together: the fits hold matrices of the square of each two.
const LANDMARKS: usize = 16_384;

/// Of so many rows to fit: the most that are summed up, and the most landmarks of each of `media` types where `most` are wanted.
pub(super) fn sizes(rows: usize, most: usize, media: usize) -> (usize, usize) {
    let rows = rows.min(SUMMED);
    (rows, most.min(LANDMARKS / media.max(1)).min(rows))
}

/// Rows to fit on and to validate on, and the most landmarks of a media type.
#[derive(Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) fit: &'a [usize],
    pub(super) held: &'a [usize],
    pub(super) landmarks: usize,
}

/// Squared distances by media type, each `[n, m]` of the rows that have an item of it.
pub(super) type Distances = Vec<Vec<f32>>;

/// The landmarks of a fold, and how far its rows are from them.
pub(super) struct Measured<'a> {
    pub(super) data: &'a TrainingData,
    /// By media type, as wide as the median distance.
    pub(super) kernels: Vec<Kernel>,
    /// The landmarks `[m, m]` from each other.
    pub(super) within: Distances,
    /// Rows to fit on.
    fit: Vec<usize>,
    /// Of those that are summed up together, where they are kept.
    kept: Option<Vec<Distances>>,
    pub(super) held: &'a [usize],
    pub(super) of_held: Distances,
    /// Of rows to fit on that measure hubs; none where nothing is held.
    pub(super) of_anchors: Distances,
}

impl<'a> Measured<'a> {
    /// Draws landmarks of the rows to fit on, and a draw of these rows where they are many; `None` where a media type has no two
    /// different items.
    ///
    /// With `keep`, for several trials, the distances of all rows stay in memory: `4 n m` bytes per media type. Cost: `n m d_in`
    /// multiply-adds per media type, without `keep` for each trial.
    pub(super) fn new(
        data: &'a TrainingData,
        Sample { fit, held, landmarks }: Sample<'a>,
        seed: u64,
        keep: bool,
    ) -> Result<Option<Self>> {
        let (rows, landmarks) = sizes(fit.len(), landmarks, data.media.len());
        let fit = some(fit, rows);
        let kernels: Option<Vec<Kernel>> = data
            .media
            .iter()
            .map(|media| with_landmarks(media, &fit, landmarks, seed))
            .collect::<Result<_>>()?;
        let Some(kernels) = kernels else { return Ok(None) };
        let anchors = if held.is_empty() { Vec::new() } else { fit.clone() };
        let kept = keep
            .then(|| fit.chunks(TOGETHER).map(|rows| of_rows(data, &kernels, rows, usize::MAX)).collect())
            .transpose()?;
        Ok(Some(Self {
            within: kernels
                .iter()
                .map(|kernel| within(kernel, kernel.landmarks.d_in()))
                .collect::<Result<_>>()?,
            kept,
            of_held: of_rows(data, &kernels, held, usize::MAX)?,
            of_anchors: of_rows(data, &kernels, &anchors, ANCHORS)?,
            data,
            kernels,
            fit,
            held,
        }))
    }

    /// Rows to fit on.
    pub(super) fn rows(&self) -> usize {
        self.fit.len()
    }

    /// At most `most` of the rows to fit on that `serve`.
    pub(super) fn some(&self, most: usize, serve: impl Fn(usize) -> bool) -> Vec<usize> {
        let rows: Vec<usize> = self.fit.iter().copied().filter(|&row| serve(row)).collect();
        some(&rows, most)
    }

    /// The distances of these rows of media type `m`, all of which have an item of it.
    pub(super) fn distances(&self, m: usize, rows: &[usize]) -> Result<Vec<f32>> {
        let media = &self.data.media[m];
        distances(&self.kernels[m], media.d_in, media.gather(rows))
    }

    /// The rows that are summed up together, and their distances.
    pub(super) fn together(&self) -> impl Iterator<Item = Result<(&[usize], Distances)>> {
        self.fit.chunks(TOGETHER).enumerate().map(|(at, rows)| {
            let found = match &self.kept {
                Some(kept) => kept[at].clone(),
                None => of_rows(self.data, &self.kernels, rows, usize::MAX)?,
            };
            Ok((rows, found))
        })
    }
}

/// Of at most `most` of those of `rows` that have an item.
fn of_rows(data: &TrainingData, kernels: &[Kernel], rows: &[usize], most: usize) -> Result<Distances> {
    let each = kernels.iter().zip(&data.media).map(|(kernel, media)| {
        let rows: Vec<usize> = rows.iter().copied().filter(|&row| media.present[row]).collect();
        distances(kernel, media.d_in, media.gather(&some(&rows, most)))
    });
    each.collect()
}
