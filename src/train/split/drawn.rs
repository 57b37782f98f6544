//! Rows to validate on, drawn one by one from very many.
//!
//! Each is a component of its own: what is near to it in any media type, or of its group, is not learned from. So rows are compared with those
//! that are drawn alone, and memory does not grow with the pairs of near rows. Two drawn rows may be near to each other: few of very many are.

use std::collections::{HashMap, HashSet};

use rand::SeedableRng;
use rand::seq::index;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::near::limits;
use super::planes::{Planes, units};
use super::{Fold, Wanted};
use crate::data::{MediaFeatures, TrainingData};
use crate::model::dot;
use crate::train::config::TrainConfig;

/// So many times the rows that are wanted are drawn: of some too much is near.
const SPARE: usize = 2;
/// Rows that are compared together.
const TOGETHER: usize = 4096;
/// The same on one core.
const ON_ONE: usize = 256;

/// Splits of drawn rows, no row in two of them.
pub(super) fn folds(data: &TrainingData, train: &[usize], config: &TrainConfig, wanted: Wanted) -> Vec<Fold> {
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed ^ 0x5917);
    let needed = wanted.rows * wanted.splits;
    let drawn = index::sample(&mut rng, train.len(), (SPARE * needed + 64).min(train.len()));
    let drawn: Vec<usize> = drawn.into_iter().map(|at| train[at]).collect();
    let drawn = of_small_groups(data, train, drawn, wanted.largest);
    let largest = wanted.largest;
    let near: Vec<Vec<Near>> = data
        .media
        .iter()
        .map(|media| near_rows(media, train, &drawn, config.selection.duplicate_cosine, largest))
        .collect();
    // The limit is raised, in all media types together, as far as leaves rows enough, up to equal bytes.
    let is_free = |at: usize, degree| near.iter().all(|near| near[at].rows(degree, largest).is_some());
    let left = |degree: &usize| (0..drawn.len()).filter(|&at| is_free(at, *degree)).count();
    let enough = needed.min(drawn.len() / 2);
    let degree = (0..DEGREES).find(|degree| left(degree) >= enough).unwrap_or(DEGREES - 1);
    let mut found = (0..drawn.len()).filter(|&at| is_free(at, degree));
    let mut all = Vec::with_capacity(wanted.splits);
    for _ in 0..wanted.splits {
        let chosen: Vec<usize> = found.by_ref().take(wanted.rows).collect();
        if chosen.is_empty() && !all.is_empty() {
            break;
        }
        let mut left_out: HashSet<usize> = chosen.iter().map(|&at| drawn[at]).collect();
        for near in &near {
            left_out.extend(chosen.iter().filter_map(|&at| near[at].rows(degree, largest)).flatten());
        }
        let group = |row: usize| data.groups.as_ref().map(|groups| groups[row]);
        let groups: HashSet<u64> = chosen.iter().filter_map(|&at| group(drawn[at])).collect();
        let stays =
            |row: &usize| !left_out.contains(row) && group(*row).is_none_or(|group| !groups.contains(&group));
        let fit = train.iter().copied().filter(stays).collect();
        let mut validation: Vec<usize> = chosen.iter().map(|&at| drawn[at]).collect();
        validation.sort_unstable();
        all.push(Fold { fit, validation });
    }
    all
}

/// Those of the `drawn` rows that are the first of their group, where that has `largest` rows at most.
fn of_small_groups(data: &TrainingData, train: &[usize], drawn: Vec<usize>, largest: usize) -> Vec<usize> {
    let Some(groups) = &data.groups else { return drawn };
    let mut counts: HashMap<u64, usize> = HashMap::new();
    let mut first = drawn;
    first.retain(|&row| counts.insert(groups[row], 0).is_none());
    for &row in train {
        if let Some(count) = counts.get_mut(&groups[row]) {
            *count += 1;
        }
    }
    first.retain(|&row| counts[&groups[row]] <= largest);
    first
}

/// Degrees of being near: one for each limit of the cosine, the last for equal bytes.
const DEGREES: usize = 5;

/// Rows that are near to one, by the highest degree that they reach; `largest` at most are kept of each.
#[derive(Clone, Default)]
struct Near {
    counts: [usize; DEGREES],
    rows: [Vec<usize>; DEGREES],
}

impl Near {
    /// The other rows that reach `degree`; `None` where these and the row are more than `largest`.
    fn rows(&self, degree: usize, largest: usize) -> Option<Vec<usize>> {
        let count: usize = self.counts[degree..].iter().sum();
        (count < largest).then(|| self.rows[degree..].concat())
    }
}

/// For each of the `drawn` rows those of `train` that are near.
///
/// Cost: one pass over the features, and a comparison for each drawn row that stands on one side of the same planes.
fn near_rows(
    media: &MediaFeatures,
    train: &[usize],
    drawn: &[usize],
    limit: f64,
    largest: usize,
) -> Vec<Near> {
    let (d, limits) = (media.d_in, limits(limit));
    let here: Vec<usize> = (0..drawn.len()).filter(|&at| media.present[drawn[at]]).collect();
    let features = media.gather(&here.iter().map(|&at| drawn[at]).collect::<Vec<_>>());
    let own = units(media, &here.iter().map(|&at| drawn[at]).collect::<Vec<_>>());
    let mut mean = vec![0.0f32; d];
    for unit in own.chunks_exact(d) {
        mean.iter_mut().zip(unit).for_each(|(mean, x)| *mean += x / here.len() as f32);
    }
    let planes = Planes::draw(&mean);
    let mut tables: Vec<HashMap<u16, Vec<usize>>> = vec![HashMap::new(); Planes::TABLES];
    for (at, keys) in planes.keys(&own).into_iter().enumerate() {
        for (table, key) in tables.iter_mut().zip(keys) {
            table.entry(key).or_default().push(at);
        }
    }
    // The place among those that are here, the degree and the row of each that is near.
    let compare = |rows: &[usize]| {
        let rows: Vec<usize> = rows.iter().copied().filter(|&row| media.present[row]).collect();
        let (plain, units) = (media.gather(&rows), units(media, &rows));
        let mut found = Vec::new();
        for (i, keys) in planes.keys(&units).into_iter().enumerate() {
            let mut met: Vec<usize> = tables
                .iter()
                .zip(keys)
                .filter_map(|(table, key)| table.get(&key))
                .flatten()
                .copied()
                .collect();
            met.sort_unstable();
            met.dedup();
            let part = i * d..(i + 1) * d;
            for at in met.into_iter().filter(|&at| drawn[here[at]] != rows[i]) {
                let other = at * d..(at + 1) * d;
                let equal = || features[other.clone()].iter().map(|x| x.to_bits());
                let degree = match equal().eq(plain[part.clone()].iter().map(|x| x.to_bits())) {
                    true => Some(DEGREES - 1),
                    false => {
                        let cosine = f64::from(dot(&own[other], &units[part.clone()]));
                        limits.iter().rposition(|limit| cosine >= *limit)
                    }
                };
                found.extend(degree.map(|degree| (at, degree, rows[i])));
            }
        }
        found
    };
    // A row without an item of this media type is near to none.
    let mut near = vec![Near::default(); drawn.len()];
    for rows in train.chunks(TOGETHER) {
        let found: Vec<_> = rows.par_chunks(ON_ONE).flat_map_iter(compare).collect();
        for (at, degree, row) in found {
            let near = &mut near[here[at]];
            near.counts[degree] += 1;
            if near.rows[degree].len() < largest {
                near.rows[degree].push(row);
            }
        }
    }
    near
}
