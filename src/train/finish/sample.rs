//! The sample queries of a bundle: train rows and means of some, as its pathways see them.

use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::corpus::Split;
use crate::data::TrainingData;
use crate::error::Result;
use crate::model::Bundle;
use crate::train::start::is_frozen;

/// Most sample queries of a media type.
const MOST: usize = 256;

/// Gives the finished `bundle` its sample queries: those of `start` where its pathways stayed, else rows of `data`.
pub(crate) fn give(
    bundle: &mut Bundle,
    start: Option<&Bundle>,
    data: &TrainingData,
    seed: u64,
) -> Result<()> {
    let kept = start.filter(|start| is_frozen(start) && start.samples.iter().any(|all| !all.is_empty()));
    let samples = match kept {
        Some(start) => start.samples.iter().map(|samples| samples.to_vec()).collect(),
        None => (0..data.media.len()).map(|m| drawn(bundle, data, m, seed)).collect::<Result<_>>()?,
    };
    bundle.set_samples(samples)
}

/// Train rows of which a sample query is the mean, in turn. Pathways were fitted to single rows, and say more of them than of rows
/// that they have not seen; of means they do not.
const MEANS: [usize; 4] = [1, 2, 4, 8];

/// Shared vectors `[q, d]` of train rows with an item of media type `m`, and of means of their features; each row once as the
/// first of a mean, so that classes come as often as they are.
fn drawn(bundle: &Bundle, data: &TrainingData, m: usize, seed: u64) -> Result<Vec<f32>> {
    let media = &data.media[m];
    let mut rows = data.rows_of(Split::Train);
    rows.retain(|&row| media.present[row]);
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ 0x7361_6d70);
    // Media types have draws of their own.
    rng.set_stream(m as u64);
    rows.shuffle(&mut rng);
    let mut features = Vec::new();
    let mut buffer = Vec::new();
    for (&first, count) in rows.iter().zip(MEANS.into_iter().cycle()).take(MOST) {
        // Divided before they are added: a sum may leave the range.
        let part = 1.0 / count as f32;
        let mut mean: Vec<f32> = media.row(first, &mut buffer).iter().map(|x| x * part).collect();
        for _ in 1..count {
            let other = media.row(rows[rng.random_range(0..rows.len())], &mut buffer);
            mean.iter_mut().zip(other).for_each(|(mean, x)| *mean += x * part);
        }
        features.extend(mean);
    }
    bundle.project(m, &features)
}
